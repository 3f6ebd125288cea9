"""How far a batch is, how fast it goes, and how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_FEW: Final = 4  # two workers may bring their first at the same moment

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
    _first: float = field(init=False, default=0.0)  # when the first that was scored came

    def __post_init__(self) -> None:
        self._started = self.clock()

    def count(self, *, failed: bool = False, kept: bool = False) -> None:
        """One more is done."""
        self.done += 1
        self.failed += failed
        self.kept += kept
        if not kept and self.done - self.kept == 1:
            self._first = self.clock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.clock() - self._started

    @property
    def rate(self) -> float | None:
        """Files scored per second since the first, before which processes started.

        None until a few have been.
        """
        scored, seconds = self.done - self.kept, self.clock() - self._first
        return (scored - 1) / seconds if scored >= _FEW and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None as long as there is none."""
        return None if self.rate is None else (self.total - self.done) / self.rate


Progress = Callable[[Tally], None]
"""Called whenever a file is done."""
