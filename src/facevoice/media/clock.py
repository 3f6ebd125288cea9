"""When a decoded frame is shown or heard."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from facevoice.errors import InvalidInputError

_BACK: Final = 1.0  # seconds; a clock that steps back further was restarted
_AHEAD: Final = 3600.0  # seconds; so was one that jumps ahead further
_APART: Final = 10.0  # seconds that picture and sound of a live source may be from each other


def check_span(start_seconds: float | None, stop_seconds: float | None) -> None:
    """Make sure that a half-open span of time is one.

    Raises:
        InvalidInputError: a bound is not finite, or the span ends before it starts.
    """
    for bound in (start_seconds, stop_seconds):
        if bound is not None and not math.isfinite(bound):
            raise InvalidInputError(f"a span of time needs finite seconds, got {bound}")
    if start_seconds is not None and stop_seconds is not None and stop_seconds < start_seconds:
        raise InvalidInputError(
            f"the span [{start_seconds}, {stop_seconds}) ends before it starts: swap its bounds"
        )


def stamp_of(frame: AudioFrame | VideoFrame) -> int | None:
    """The time stamp of a frame in its time base: pts, failing that dts, failing that None."""
    return frame.pts if frame.pts is not None else frame.dts


@dataclass(slots=True)
class Together:
    """What the clocks of picture and sound of one live source have in common.

    reached: how far either has come; None before the first frame. offset: after the last restart.
    """

    reached: float | None = None
    offset: float = 0.0


class Clock:
    """Presentation time of the frames of one stream, literal wherever the file tells it.

    - A frame's time is ``pts * time_base``. In containers whose pts are unreliable (H.264 in AVI)
      ``dts`` is used as soon as pts have run backwards more often than dts: ffmpeg's own rule.
    - A frame without a stamp follows its predecessor by the predecessor's length; the first is 0.
    - A clock that steps back by more than a second or ahead by more than an hour was restarted
      (joined recordings, damaged stamps): the stream goes on where it was.
    - Of a live source the clocks of picture and sound go ``together``: neither may jump ahead of
      both by more than ten seconds, and when both were restarted (a camera that was plugged in
      again) they stay in step.
    """

    def __init__(self, time_base: Fraction, together: Together | None = None) -> None:
        self._time_base = time_base
        self._together = together
        self._offset = 0.0
        self._last: float | None = None
        self._expected = 0.0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = 0
        self._faulty_dts = 0

    def seconds(self, frame: AudioFrame | VideoFrame, length_seconds: float) -> float:
        """Presentation time of the next frame, which lasts ``length_seconds``."""
        stamp = self._best_stamp(frame.pts, frame.dts)
        if stamp is None:
            time = self._expected
        else:
            time = self._joined(float(stamp * (frame.time_base or self._time_base)))
        self._last = time
        self._expected = time + length_seconds
        if self._together is not None:
            reached = self._together.reached
            self._together.reached = max(reached or self._expected, self._expected)
        return time

    def _joined(self, literal: float) -> float:
        """The literal time, or after a restart the time that carries on."""
        together = self._together or Together()
        if self._last is None and together.reached is None:
            return literal
        for offset in (self._offset, together.offset, 0.0):
            if self._plausible(literal + offset):
                self._offset = offset
                return literal + offset
        expected = self._expected if together.reached is None else together.reached
        self._offset = together.offset = expected - literal
        return expected

    def _plausible(self, time: float) -> bool:
        reached = None if self._together is None else self._together.reached
        if reached is not None:
            low = reached - _APART if self._last is None else self._last - _BACK
            return low <= time <= reached + _APART
        last = self._expected if self._last is None else self._last
        return last - _BACK <= time <= self._expected + _AHEAD

    def _best_stamp(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts
