"""What does the work: processes on this machine, or a cluster (see ``ray_engine``)."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol

from facevoice.batch.scoring import Scoring, Unit
from facevoice.types.checks import is_count, require
from facevoice.workers import Crew, Outcome, here, may_start, threads_each


class Engine(Protocol):
    """Scores units somewhere."""

    def run(
        self, scoring: Scoring, units: Iterable[Unit]
    ) -> Generator[Outcome[Unit, str], None, None]:
        """Yield the exact record of each unit as JSON, or why it has none, in any order.

        ``units`` may be produced meanwhile. Closing the generator ends the work.
        """
        ...


def check_counts(workers: int | None, threads: int | None) -> None:
    """Check the settings of an engine.

    Raises:
        InvalidInputError: not whole numbers of at least 1, or None.
    """
    for name, count in (("workers", workers), ("threads", threads)):
        known = count is None or is_count(count)
        require(known, f"{name} must be a whole number of at least 1, got {count!r}")


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes on this machine; each loads the bundle once.

    threads: per process; None: an equal share of the cores.

    Raises:
        InvalidInputError: not whole numbers of at least 1.
    """

    workers: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        check_counts(self.workers, self.threads)

    def run(
        self, scoring: Scoring, units: Iterable[Unit]
    ) -> Generator[Outcome[Unit, str], None, None]:
        """See ``Engine``; a file that kills its process twice gives a WorkerError.

        Where processes may not be started (in a worker of a multiprocessing.Pool), files are scored
        in this one.

        Raises:
            WorkerError: processes cannot be started.
        """
        threads = self.threads if self.threads is not None else threads_each(self.workers)
        if not may_start():
            yield from here(scoring.open, units, threads)
            return
        crew: Crew[Unit, str] = Crew(scoring.open, workers=self.workers, threads=threads)
        try:
            yield from crew.outcomes(units)
        finally:
            crew.close()
