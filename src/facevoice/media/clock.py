"""Presentation times of decoded frames."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from facevoice.types import is_finite, require

TIME_TOLERANCE: Final = 1e-6
"""Rounding error in seconds that is allowed where a time is compared with a bound."""

_BACK: Final = 1.0  # seconds; a larger step back means that the clock was restarted
_AHEAD: Final = 3600.0  # seconds; so does a larger jump ahead
_APART: Final = 10.0  # seconds allowed between the pictures and the sound of a live source


def check_span(start_seconds: float | None, stop_seconds: float | None) -> None:
    """Check the bounds of a half-open span of time.

    Raises:
        InvalidInputError: a bound is not finite, or the span ends before it starts.
    """
    for bound in (start_seconds, stop_seconds):
        require(
            bound is None or is_finite(bound),
            f"a span of time needs finite seconds, got {bound}",
        )
    require(
        start_seconds is None or stop_seconds is None or stop_seconds >= start_seconds,
        f"the span [{start_seconds}, {stop_seconds}) ends before it starts: swap its bounds",
    )


@dataclass(slots=True)
class SharedClock:
    """State shared by the picture clock and the sound clock of one live source.

    reached: the latest time that either clock has reached; None before the first frame.
    offset: seconds added to the stamps since the last restart.
    """

    reached: float | None = None
    offset: float = 0.0


class Clock:
    """Presentation times of the frames of one stream, as the file states them where it can.

    - The time of a frame is ``pts * time_base``. Where pts are unreliable (H.264 in AVI), ``dts``
      is used as soon as pts have run backwards more often than dts; this is ffmpeg's own rule.
    - A frame without a stamp follows its predecessor directly; the first one is at 0.
    - A clock that steps back by more than a second, or ahead by more than an hour, was restarted
      (joined recordings, damaged stamps): the stream continues where it was.
    - The clocks of pictures and sound of a live source have a ``shared`` state: neither may jump
      more than ten seconds ahead of both, and if both are restarted (a camera was plugged in
      again), they stay in step.
    """

    def __init__(self, time_base: Fraction, shared: SharedClock | None = None) -> None:
        self._time_base = time_base
        self._shared = shared
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
            time = self._continued(float(stamp * (frame.time_base or self._time_base)))
        self._last = time
        self._expected = time + length_seconds
        if self._shared is not None:
            self._shared.reached = max(self._shared.reached or self._expected, self._expected)
        return time

    def _continued(self, literal: float) -> float:
        """The literal time, or after a restart the time that continues the stream."""
        shared = self._shared or SharedClock()
        if self._last is None and shared.reached is None:
            return literal
        for offset in (self._offset, shared.offset, 0.0):
            if self._plausible(literal + offset):
                self._offset = offset
                return literal + offset
        expected = self._expected if shared.reached is None else shared.reached
        self._offset = shared.offset = expected - literal
        return expected

    def _plausible(self, time: float) -> bool:
        reached = None if self._shared is None else self._shared.reached
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
