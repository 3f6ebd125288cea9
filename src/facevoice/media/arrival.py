"""What arrives from a live source, and what of it is handed on."""

import math
import time
from dataclasses import dataclass
from typing import Final, cast

from av.video.frame import VideoFrame

from facevoice.media.backlog import Backlog
from facevoice.media.container import Timed
from facevoice.media.frames import Instants
from facevoice.media.looks import Look, Looker
from facevoice.types import Waveform

ROOMS: Final = {"opened": 1.0, "picture": 1.0, "sound": 60.0}
"""What may wait of each kind: pictures as shares of their room, sound in seconds."""

_AHEAD: Final = 12  # pictures that wait if the source can wait
_LATE_SECONDS: Final = 1.0  # of pictures that wait if it cannot
_PICTURE_BYTES: Final = 96e6  # of pictures that wait in any case
_LONGEST_STEP: Final = 0.5  # of one waiting picture, in seconds
_EPSILON: Final = 1e-6  # seconds; bounds that arrive as floats may be off by a rounding error

Content = Look | Waveform


@dataclass(frozen=True, slots=True)
class Opened:
    """What a source has: known with its first instant.

    start_seconds: presentation time of that instant. real_time: whether it goes on by itself.
    """

    has_video: bool
    has_audio: bool
    start_seconds: float
    real_time: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A look, or sound at its native rate, or at the end nothing.

    arrived_seconds: when the last of it was read, by ``time.monotonic``.
    waited_seconds: how long the source had been waited for by then: of a source that goes on by
        itself that clock runs always, of another one only while it has nothing to give.
    dropped: pictures left out since the last arrival, because the reader was too slow.
    """

    content: Content | None
    arrived_seconds: float
    waited_seconds: float
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of a source.

    rate_hz: colour is made of the first picture at or after each instant start + k / rate.
    seconds: so much from the first instant on; None: all. pictures, sound: what to look for.
    real_time: whether to drop pictures that the reader is too slow for; None: if the source goes
        on by itself: a device, or a URL of unknown length.
    """

    rate_hz: float
    seconds: float | None = None
    pictures: bool = True
    sound: bool = True
    real_time: bool | None = None


class Sink:
    """Takes decoded pictures and sound; drops what is outside the span, or cannot wait.

    Pictures that are not after their predecessor are left out, as in a file.
    """

    def __init__(self, opened: Opened, wanted: Wanted, backlog: Backlog[Opened | Arrival]) -> None:
        self._opened, self._backlog = opened, backlog
        self._stop = math.inf if wanted.seconds is None else opened.start_seconds + wanted.seconds
        self._instants = Instants(wanted.rate_hz, opened.start_seconds)
        self._looker = Looker()
        self._last = -math.inf
        self._dropped = 0
        self._left = {
            kind
            for kind, there in (("picture", opened.has_video), ("sound", opened.has_audio))
            if there
        }
        backlog.put(opened, "opened", 1)

    @property
    def full(self) -> bool:
        """Whether all streams have come to the end of what is wanted."""
        return not self._left

    def picture(self, timed: Timed, arrived: float, waited: float) -> None:
        """The next picture."""
        at = timed.seconds
        if at >= self._stop - _EPSILON:
            self._past("picture", at)
            return
        if at <= self._last or at < self._opened.start_seconds - _EPSILON:
            return
        frame = cast("VideoFrame", timed.frame)
        size = self._size(at, frame.width * frame.height)
        if self._opened.real_time and self._backlog.full("picture", size):
            self._dropped += 1
            return
        self._last = at
        wanted = self._instants.take(at)
        look = self._looker.look(frame, at, timed.pixel_ratio, in_colour=wanted)
        if look is not None:
            self._put(look, "picture", size, arrived, waited)

    def sound(self, sound: Waveform, arrived: float, waited: float) -> None:
        """The next sound."""
        if sound.start_seconds >= self._stop - _EPSILON:
            self._past("sound", sound.start_seconds)
        else:
            self._put(sound, "sound", sound.duration_seconds, arrived, waited)

    def finish(self) -> None:
        """There is no more: tell what was dropped last."""
        if self._dropped:
            now = time.monotonic()
            self._backlog.put(Arrival(None, now, now, self._dropped), "opened", 0)

    def _put(self, content: Content, kind: str, size: float, arrived: float, waited: float) -> None:
        dropped, self._dropped = self._dropped, 0
        self._backlog.put(Arrival(content, arrived, waited, dropped), kind, size)

    def _size(self, at: float, pixels: int) -> float:
        """Of the room for pictures, the share that this one takes."""
        step = min(at - self._last, _LONGEST_STEP) / _LATE_SECONDS
        share = step if self._opened.real_time else 1 / _AHEAD
        return max(share, 2 * pixels / _PICTURE_BYTES)

    def _past(self, kind: str, at: float) -> None:
        """A stream is through; so is the other one if it is that far behind."""
        self._left.discard(kind)
        if at > self._stop + _LATE_SECONDS + _LONGEST_STEP:
            self._left.clear()
