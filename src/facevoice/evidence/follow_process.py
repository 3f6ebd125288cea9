"""Follow a file's people in another process: the interpreter runs one thread at a time."""

import multiprocessing
import sys
from collections.abc import Callable, Generator
from functools import partial
from typing import Final

from facevoice.evidence.follow import Followed
from facevoice.evidence.prefetch import prefetched
from facevoice.workers import Worker, cores

PICTURES_AHEAD: Final = 12  # pictures that wait: bounds the memory

Making = Callable[[], Generator[Followed, None, None]]

_WORTH_SECONDS: Final = 20.0  # of film; a process takes most of a second to start
_AT_ONCE: Final = 12  # pictures that are handed over together, at most ...
_BYTES_AT_ONCE: Final = 4e6  # ... or so much brightness, of which large pictures have more
_ASKED: Final = 2  # times so many: the next are made while some are on their way


def is_worth_a_process(seconds: float | None) -> bool:
    """Whether so many seconds of film (None: unknown) are followed sooner in one, if one may be."""
    if multiprocessing.current_process().daemon:  # it may start none
        return False
    if getattr(sys, "frozen", False) or not sys.executable:  # the program would start itself again
        return False
    return cores() > 1 and seconds is not None and seconds >= _WORTH_SECONDS


def in_another_process(make: Making) -> Generator[Followed, None, None]:
    """What a generator gives that runs in another process; closing this ends that at once.

    Where no process can be started it runs here.

    make: goes there by pickle and makes the generator. What it raises there is raised here.

    Raises:
        WorkerError: the process was killed.
    """
    worker = _started(make)
    if worker is None:
        yield from prefetched(make(), PICTURES_AHEAD)
    else:
        early = partial(worker.dismiss, finish=False)
        yield from prefetched(_handed_over(worker), PICTURES_AHEAD, stop=early)


def _started(make: Making) -> Worker[int, list[Followed]] | None:
    try:
        return Worker(partial(_HandingOver, make), None)
    except OSError:  # no memory, or no more processes, for this user
        return None


def _handed_over(worker: Worker[int, list[Followed]]) -> Generator[Followed, None, None]:
    try:
        for _ in range(_ASKED):
            worker.send(_AT_ONCE)
        while True:
            outcome = worker.receive()
            if outcome is None:  # it is ready
                continue
            if outcome.error is not None:
                raise outcome.error
            if not outcome.value:
                return
            worker.send(_AT_ONCE)
            yield from outcome.value
    finally:
        worker.dismiss(finish=False)
        worker.join()


class _HandingOver:
    """In the other process: the next pictures, at most so many; none once there are no more.

    What is raised comes after the pictures before it.
    """

    def __init__(self, make: Making) -> None:
        self._pictures = make()
        self._error: Exception | None = None

    def __call__(self, count: int) -> list[Followed]:
        if self._error is not None:
            raise self._error
        batch: list[Followed] = []
        size = 0
        try:
            while len(batch) < count and size < _BYTES_AT_ONCE:
                batch.append(next(self._pictures))
                light = batch[-1].light
                size += 0 if light is None else light.nbytes
        except StopIteration:
            pass
        except Exception as error:
            if not batch:
                raise
            self._error = error
        return batch
