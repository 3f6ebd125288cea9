"""How far a batch is, how fast it goes, and how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass(slots=True)
class Tally:
    """Files of a batch, counted as their records come.

    total: of all. done: of which so many have a record, or share one. failed: with an error.
    kept: found finished from an earlier run, or of bytes that another file has too.
    """

    total: int
    done: int = 0
    failed: int = 0
    kept: int = 0
    clock: Clock = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def count(self, *, failed: bool = False, kept: bool = False) -> None:
        """One more is done."""
        self.done += 1
        self.failed += failed
        self.kept += kept

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.clock() - self._started

    @property
    def rate(self) -> float | None:
        """Files scored per second, those that were kept left out; None before the first."""
        scored = self.done - self.kept
        return scored / self.seconds if scored and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None as long as there is none."""
        return None if self.rate is None else (self.total - self.done) / self.rate


Progress = Callable[[Tally], None]
"""Called whenever a file is done."""
