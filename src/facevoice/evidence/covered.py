"""Which stretches of a source hold any picture or sound."""

import math
from typing import Final

_BRIDGED_SECONDS: Final = 0.5  # shorter breaks count as held


class Covered:
    """Stretches of time in order, each with something in it."""

    def __init__(self) -> None:
        self._stretches: list[tuple[float, float]] = []
        self.empty = True
        """Whether nothing has been added so far."""

    def add(self, start: float, stop: float) -> None:
        """Add a picture or a piece of sound, near the end of what has been added so far."""
        self.empty = False
        behind: list[tuple[float, float]] = []
        while self._stretches and self._stretches[-1][1] >= start - _BRIDGED_SECONDS:
            begin, end = self._stretches.pop()
            if begin > stop + _BRIDGED_SECONDS:
                behind.append((begin, end))
            else:
                start, stop = min(start, begin), max(stop, end)
        self._stretches += [(start, stop), *reversed(behind)]

    def next_after(self, time: float) -> float | None:
        """The first instant at or after ``time`` that is held; None: nothing is held from there."""
        return next(
            (max(time, start) for start, stop in self._stretches if start >= time or stop > time),
            None,
        )

    def gap_at(self, time: float) -> tuple[float, float]:
        """The stretch around ``time`` in which nothing is held; both ends are there if it is held.

        It begins at -inf before the first and ends at inf after the last of what is known.
        """
        low = -math.inf
        for start, stop in self._stretches:
            if start > time:
                return low, start
            if stop > time:
                return time, time
            low = stop
        return low, math.inf

    def forget(self, before: float) -> None:
        """Forget the stretches that end before an instant."""
        while self._stretches and self._stretches[0][1] < before:
            del self._stretches[0]
