"""Passes what a live source delivers from the thread that reads it to the thread that uses it."""

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from av.video.frame import VideoFrame

from facevoice.media.clock import TIME_TOLERANCE
from facevoice.media.stream_decoder import Timed
from facevoice.media.views import View, Viewer, Views
from facevoice.types import UNDAMAGED, Damage, Waveform

CAPACITIES: Final = {"opened": 1.0, "picture": 1.0, "sound": 60.0}
"""How much of each kind may wait: pictures as shares of their capacity, sound in seconds."""

_AHEAD: Final = 12  # pictures that may wait if the source can be paused
_LATE_SECONDS: Final = 1.0  # of pictures that may wait if it cannot
_PICTURE_BYTES: Final = 96e6  # of pictures that may wait in either case
_LONGEST_STEP: Final = 0.5  # counted for one waiting picture, in seconds
_POLL_SECONDS: Final = 0.5  # after which a waiting thread checks whether it was interrupted
_ROUNDING: Final = 1e-9

Content = View | Waveform
Item = TypeVar("Item")


class Closed(Exception):  # noqa: N818 - not an error: it stops the reader
    """The consumer takes no more items."""


class BoundedQueue(Generic[Item]):
    """A queue between two threads for items of several kinds, each item with a size.

    capacities: how much of each kind may wait; a single item always may, whatever its size.
    """

    def __init__(self, capacities: Mapping[str, float]) -> None:
        self._capacities = capacities
        self._items: deque[tuple[Item, str, float]] = deque()
        self._sizes = dict.fromkeys(capacities, 0.0)
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def full(self, kind: str, size: float) -> bool:
        """Whether an item of this kind and size would have to wait.

        Raises:
            Closed: the consumer has closed the queue.
        """
        with self._changed:
            if self._closed:
                raise Closed
            return self._full(kind, size)

    def put(self, item: Item, kind: str, size: float) -> None:
        """Add an item as soon as there is room for it.

        Raises:
            Closed: the consumer has closed the queue.
        """
        with self._changed:
            while self._full(kind, size) and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._items.append((item, kind, size))
            self._sizes[kind] += size
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Mark the end; ``error`` is raised after the last item."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> Item | None:
        """The next item, as soon as there is one; None at the end."""
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait(_POLL_SECONDS)  # Windows interrupts only a wait that times out
            if not self._items:
                if self._error is not None:
                    raise self._error
                return None
            item, kind, size = self._items.popleft()
            self._sizes[kind] -= size
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Take no more items, and wake a thread that waits to add one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self, kind: str, size: float) -> bool:
        waiting = self._sizes[kind]
        return waiting > _ROUNDING and waiting + size > self._capacities[kind]


@dataclass(frozen=True, slots=True)
class Opened:
    """The streams of a source, known as soon as its first instant is.

    start_seconds: presentation time of that instant.
    real_time: whether the source continues without waiting for its reader.
    audio_tracks: number of sound tracks.
    """

    has_video: bool
    has_audio: bool
    start_seconds: float
    real_time: bool
    audio_tracks: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A view, sound at its native rate, or (at the end) nothing.

    arrived_seconds: when the last of it was read, by ``time.monotonic``.
    waited_seconds: time spent waiting for the source until then; for a source in real time this
        clock always runs, for others only while the source has nothing to read.
    dropped: pictures dropped since the last arrival because the consumer was too slow.
    damage: what was found damaged since the last arrival.
    """

    content: Content | None
    arrived_seconds: float
    waited_seconds: float
    dropped: int = 0
    damage: Damage = UNDAMAGED


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read from a source.

    rate_hz: the first picture at or after each instant start + k / rate is converted to colour.
    seconds: length to read from the first instant; None: all.
    pictures, sound: which streams to read.
    real_time: whether to drop pictures when the consumer is too slow; None: only if the source
        continues without waiting, which a device does, and a URL of unknown length.
    audio_track: number of the sound track, from 0; None: the main one.
    """

    rate_hz: float
    seconds: float | None = None
    pictures: bool = True
    sound: bool = True
    real_time: bool | None = None
    audio_track: int | None = None


Queue = BoundedQueue[Opened | Arrival]


class Intake:
    """Queues decoded pictures and sound; drops what is outside the span or arrives too fast.

    Pictures that are not later than their predecessor are left out, as in a file.
    """

    def __init__(self, opened: Opened, wanted: Wanted, queue: Queue) -> None:
        self._opened, self._queue = opened, queue
        self._stop = math.inf if wanted.seconds is None else opened.start_seconds + wanted.seconds
        self._views = Views(wanted.rate_hz, opened.start_seconds, Viewer(), self.damaged)
        self._last = -math.inf
        self._came = (time.monotonic(), 0.0)
        self._dropped, self._damage = 0, UNDAMAGED
        present = {"picture": opened.has_video, "sound": opened.has_audio}
        self._unfinished = {kind for kind, there in present.items() if there}
        queue.put(opened, "opened", 1)

    @property
    def complete(self) -> bool:
        """Whether all streams have reached the end of the span."""
        return not self._unfinished

    def damaged(self, damage: Damage) -> None:
        """Report damage; it comes with the next arrival."""
        self._damage += damage

    def picture(self, timed: Timed[VideoFrame], arrived: float, waited: float) -> None:
        """Add the next picture."""
        at = timed.seconds
        if self._past("picture", at):
            self._put_views(self._views.until(self._stop, at), 0, arrived, waited)
            return
        if at <= self._last or at < self._opened.start_seconds - TIME_TOLERANCE:
            return
        size = self._size(at, timed.frame.width * timed.frame.height)
        if self._opened.real_time and self._queue.full("picture", size):
            self._dropped += 1
            return
        self._last, self._came = at, (arrived, waited)
        self._put_views(self._views.push(timed), size, arrived, waited)

    def sound(self, sound: Waveform, arrived: float, waited: float) -> None:
        """Add the next sound."""
        if not self._past("sound", sound.start_seconds):
            self._put(sound, "sound", sound.duration_seconds, arrived, waited)

    def finish(self) -> None:
        """At the end of the source: the rest of the last picture; report what was lost last."""
        self._put_views(self._views.end(self._stop), 0, *self._came)
        if self._dropped or self._damage:
            now = time.monotonic()
            self._queue.put(Arrival(None, now, now, self._dropped, self._damage), "opened", 0)

    def _put_views(self, views: Iterable[View], size: float, arrived: float, waited: float) -> None:
        for view in views:  # one that is shown again takes no room of its own
            self._put(view, "picture", 0 if view.again else size, arrived, waited)

    def _put(self, content: Content, kind: str, size: float, arrived: float, waited: float) -> None:
        arrival = Arrival(content, arrived, waited, self._dropped, self._damage)
        self._dropped, self._damage = 0, UNDAMAGED
        self._queue.put(arrival, kind, size)

    def _size(self, at: float, pixels: int) -> float:
        """The share of the capacity for pictures that this one takes."""
        step = min(at - self._last, _LONGEST_STEP) / _LATE_SECONDS
        share = step if self._opened.real_time else 1 / _AHEAD
        return max(share, 2 * pixels / _PICTURE_BYTES)

    def _past(self, kind: str, at: float) -> bool:
        """Whether the span is over; if so, for this stream, and for any that is far behind."""
        if at < self._stop - TIME_TOLERANCE:
            return False
        self._unfinished.discard(kind)
        if at > self._stop + _LATE_SECONDS + _LONGEST_STEP:
            self._unfinished.clear()
        return True
