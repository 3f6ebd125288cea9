"""Work on many units in several processes: threads pinned, interruption clean."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from typing import Final, TypeVar

from facevoice.errors import DatasetError

T = TypeVar("T")

_THREAD_VARIABLES: Final = (
    "FACEVOICE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(workers: int) -> int | None:
    """Threads for each of so many workers: an equal share of the cores; None for a lone one."""
    return None if workers == 1 else max(1, cores() // workers)


def run(
    work: Callable[[T], None], units: Sequence[T], *, workers: int, threads: int | None
) -> Iterator[T]:
    """Do all units and yield each, in order, once it is done.

    A lone worker is this process. Several are started anew with their libraries held to
    ``threads``. If this is interrupted or a unit fails, units under way are finished first.

    Raises:
        DatasetError: a worker was killed. And whatever ``work`` raises.
    """
    if workers == 1 or len(units) <= 1:
        for unit in units:
            work(unit)
            yield unit
        return
    context = multiprocessing.get_context("spawn")
    with _environment(threads):
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter_worker)
        try:
            for unit, _ in zip(units, pool.map(work, units), strict=True):
                yield unit
        except BrokenProcessPool as error:
            raise DatasetError(
                "a worker process was killed, perhaps for want of memory: what is finished is"
                " kept; start again with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """Let processes that are started meanwhile find the number of threads in their environment."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    if threads is not None:
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _enter_worker() -> None:
    """Leave interruptions to the parent, and end when the parent is gone (even by kill -9)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
