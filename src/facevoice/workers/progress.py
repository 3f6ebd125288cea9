"""Progress of work on many units: how far it is, how fast, and how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_FEW: Final = 4  # two workers may finish their first units at the same moment

Clock = Callable[[], float]


@dataclass(slots=True)
class Progress:
    """Units, counted as they finish.

    total: number of units. done: finished ones. failed: of these, with an error.
    kept: of these, not worked on: finished in an earlier run, or equal to another unit.
    """

    total: int
    done: int = 0
    failed: int = 0
    kept: int = 0
    clock: Clock = time.monotonic
    _started: float = field(init=False)
    _first: tuple[float, int] = field(init=False, default=(0.0, 0))  # end of the first, how many

    def __post_init__(self) -> None:
        self._started = self.clock()

    def count(self, units: int = 1, *, failed: bool = False, kept: bool = False) -> None:
        """Count finished units."""
        if not kept and self.done == self.kept:
            self._first = self.clock(), units
        self.done += units
        self.failed += units * failed
        self.kept += units * kept

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self.clock() - self._started

    @property
    def rate(self) -> float | None:
        """Units per second since the first one ended, so that starting processes does not count.

        None until a few units are done.
        """
        (began, first), worked = self._first, self.done - self.kept
        further, seconds = worked - first, self.clock() - began
        return further / seconds if worked >= _FEW and further > 0 and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None as long as there is none."""
        return None if self.rate is None else (self.total - self.done) / self.rate
