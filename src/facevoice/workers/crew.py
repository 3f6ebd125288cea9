"""Several processes that share work; a crash is reported and the rest continue."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from multiprocessing import connection
from typing import Any, Generic, TypeVar

from facevoice.errors import WorkerError
from facevoice.workers.process import Opening, Outcome, Worker, may_start

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(workers: int) -> int | None:
    """Threads per worker: an equal share of the cores; None for a single worker."""
    return None if workers == 1 else max(1, cores() // workers)


def run(
    work: Callable[[T], None], units: Sequence[T], *, workers: int, threads: int | None
) -> Iterator[T]:
    """Work on all units and yield each once it is done.

    A single worker is this process, and so is any where processes may not be started. Several are
    started as processes whose libraries are limited to ``threads``. On interruption or failure,
    units under way are finished first.

    Raises:
        WorkerError: a worker was killed. And whatever ``work`` raises.
    """
    if workers == 1 or len(units) <= 1 or not may_start():
        for unit in units:
            work(unit)
            yield unit
        return
    crew = Crew(partial(_given, work), workers=workers, threads=threads)
    try:
        for outcome in crew.outcomes(units):
            if isinstance(outcome.error, WorkerError):
                raise WorkerError(
                    f"{outcome.error}: what is finished is kept; start again with fewer --workers"
                )
            if outcome.error is not None:
                raise outcome.error
            yield outcome.unit
    finally:
        crew.close(finish=True)


def _given(work: Callable[[T], R]) -> Callable[[T], R]:
    return work


class Crew(Generic[T, R]):
    """Processes, started when there is work for them.

    opening: pickled and sent to each process.
    threads: what libraries in them are limited to; None: no limit.
    """

    def __init__(self, opening: Opening[T, R], *, workers: int, threads: int | None) -> None:
        self._opening, self._workers, self._threads = opening, workers, threads
        self._crew: list[Worker[T, R]] = []

    def outcomes(self, units: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Work on all units; yields outcomes as they come, in no particular order.

        A unit whose process died is retried once at the end, on its own: the others may have used
        up the memory.

        Raises:
            WorkerError: a process died before its first unit. And whatever ``opening`` raises.
        """
        suspects: list[T] = []
        for outcome in self._done(iter(units), self._workers):
            if isinstance(outcome.error, WorkerError):
                suspects.append(outcome.unit)
            else:
                yield outcome
        yield from self._done(iter(suspects), 1)

    def _done(self, units: Iterator[T], at_once: int) -> Iterator[Outcome[T, R]]:
        busy: dict[Any, Worker[T, R]] = {}
        while True:
            for unit in islice(units, at_once - len(busy)):
                worker = self._free(busy)
                worker.send(unit)
                busy[worker.pipe] = worker
            if not busy:
                return
            for pipe in connection.wait(list(busy)):
                outcome = busy[pipe].receive()
                if outcome is not None:
                    del busy[pipe]
                    yield outcome

    def _free(self, busy: dict[Any, Worker[T, R]]) -> "Worker[T, R]":
        self._crew = [worker for worker in self._crew if worker.alive]
        free = [worker for worker in self._crew if worker.pipe not in busy]
        if not free:
            free = [Worker(self._opening, self._threads)]
            self._crew += free
        return free[0]

    def close(self, *, finish: bool = False) -> None:
        """End all processes: at once, or when each has finished its unit."""
        for worker in self._crew:
            worker.dismiss(finish=finish)
        for worker in self._crew:
            worker.join()
        self._crew = []
