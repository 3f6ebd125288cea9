"""How a file is cut into windows, and how often faces are looked for in it."""

import math
from dataclasses import dataclass
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.media import MediaInfo

WHOLE_CLIP_SECONDS: Final = 10.0
"""A longer clip is scored in windows."""
WINDOW_SECONDS: Final = 3.0
FACES_WANTED: Final = 16
"""Frames that the paper's sequence branches look at."""
SLOWEST_SAMPLING_HZ: Final = 4.0
"""Below this a head moves too far from one sampled instant to the next to be followed."""

_SHORTEST_CLIP_SECONDS: Final = 0.1
_OVERHANG_SECONDS: Final = 0.5  # sound often outlasts the length that the container names
_ROUNDING_SECONDS: Final = 1e-3  # sound begins on a whole sample, up to half a one early


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is cut: windows [start + k * window, start + (k + 1) * window).

    A rest shorter than half a window belongs to the window before it.

    stop: where the file says it ends, or the stop that was asked for; None if nobody knows.
    asked_stop: the stop that was asked for. What a file holds beyond its own word is looked at.
    rate_hz: instants a second at which faces are looked for.
    """

    start: float
    stop: float | None
    asked_stop: float | None
    window: float
    rate_hz: float

    @property
    def last(self) -> int | None:
        """The number of the last window, None if nobody knows where the file ends."""
        if self.stop is None:
            return None
        return max(1, round((self.stop - self.start) / self.window)) - 1

    def number(self, time: float) -> int:
        """The window that an instant belongs to."""
        number = max(0, math.floor((time - self.start + _ROUNDING_SECONDS) / self.window))
        if self.stop is None or self.last is None or time >= self.stop + _OVERHANG_SECONDS:
            return number
        return min(number, self.last)

    def bounds(self, number: int) -> tuple[float, float]:
        """Start and stop of a window."""
        begin = self.start + number * self.window
        end = self.stop if self.stop is not None and number == self.last else None
        return begin, begin + self.window if end is None else end


def plan_of(info: MediaInfo, start: float | None, stop: float | None) -> Plan:
    """Plan a file; start and stop: the part asked for, None for the file's own ends.

    Raises:
        InvalidInputError: nothing lies between start and stop.
    """
    begin, end = _span(info, start, stop)
    length = math.inf if end is None else end - begin
    if length > WHOLE_CLIP_SECONDS:
        return Plan(begin, end, stop, WINDOW_SECONDS, FACES_WANTED / WINDOW_SECONDS)
    rate = max(SLOWEST_SAMPLING_HZ, FACES_WANTED / max(length, _SHORTEST_CLIP_SECONDS))
    return Plan(begin, end, stop, length + _OVERHANG_SECONDS, rate)


def _span(info: MediaInfo, start: float | None, stop: float | None) -> tuple[float, float | None]:
    """The part to look at; its end is None if neither the user nor the file names one."""
    first = info.start_seconds
    last = None if info.duration_seconds is None else first + info.duration_seconds
    begin = first if start is None else max(start, first)
    ends = [time for time in (last, stop) if time is not None]
    end = min(ends) if ends else None
    asked = start is not None or stop is not None
    if asked and end is not None and end <= begin:
        length = "to an unknown end" if last is None else f"to {last:.3f} s"
        raise InvalidInputError(
            f"{info.path}: nothing lies between {'the start' if start is None else start} and"
            f" {'the end' if stop is None else stop}; the file runs from {first:.3f} {length}"
        )
    return begin, end
