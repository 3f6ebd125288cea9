"""Work on many units in several processes: threads pinned, interruption clean, deaths survived.

A process holds one unit at a time, so that if it dies (killed for want of memory, or a decoder
crashed it) it is known at what; the others go on.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, resource_tracker
from typing import Any, Final, Generic, TypeVar

from facevoice.errors import WorkerError

T = TypeVar("T")
R = TypeVar("R")

Opening = Callable[[], Callable[[T], R]]
"""Called once in each process: makes ready, as by loading a model, and gives the work itself."""

_THREAD_VARIABLES: Final = (
    "FACEVOICE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T, R]):
    """What came of a unit.

    value: what the work returned, None if it failed.
    error: what it raised; a WorkerError if its process died of it.
    """

    unit: T
    value: R | None
    error: Exception | None


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
    """Do all units and yield each once it is done.

    A lone worker is this process. Several are started anew with their libraries held to
    ``threads``. If this is interrupted or a unit fails, units under way are finished first.

    Raises:
        WorkerError: a worker was killed. And whatever ``work`` raises.
    """
    if workers == 1 or len(units) <= 1:
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
    """So many processes, started as there is work for them.

    opening: goes to each process by pickle.
    threads: what libraries in them are held to; None: as they like.
    """

    def __init__(self, opening: Opening[T, R], *, workers: int, threads: int | None) -> None:
        self._opening, self._workers, self._threads = opening, workers, threads
        self._crew: list[Worker[T, R]] = []

    def outcomes(self, units: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Do all units; each gives its outcome when it has one, in no particular order.

        A unit whose process died is kept for the end and tried once more, alone: it may have died
        because its neighbours took the memory.

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
        exhausted = False
        while True:
            while not exhausted and len(busy) < at_once:
                try:
                    unit = next(units)
                except StopIteration:
                    exhausted = True
                    break
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

    def _free(self, busy: dict[Any, "Worker[T, R]"]) -> "Worker[T, R]":
        self._crew = [worker for worker in self._crew if worker.alive]
        for worker in self._crew:
            if worker.pipe not in busy:
                return worker
        worker = Worker(self._opening, self._threads)
        self._crew.append(worker)
        return worker

    def close(self, *, finish: bool = False) -> None:
        """End all processes: at once, or when each has finished the unit it is at."""
        for worker in self._crew:
            worker.dismiss(finish=finish)
        for worker in self._crew:
            worker.join()
        self._crew = []


class Worker(Generic[T, R]):
    """One process: ``send`` it a unit, wait for ``pipe``, ``receive`` the outcome.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, opening: Opening[T, R], threads: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.alive = True
        self._opened = False
        self._unit: Any = None
        self._process = context.Process(target=_serve, args=(opening, theirs), daemon=True)
        with _environment(threads), _uninterrupted():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def send(self, unit: T) -> None:
        """Give it something to do; its end, if it is gone, is told by ``receive``."""
        self._unit = unit
        with suppress(OSError):
            self.pipe.send(unit)

    def receive(self) -> Outcome[T, R] | None:
        """What it has to tell: None if only that it is ready to begin.

        Raises:
            WorkerError: it died before it was ready. And whatever ``opening`` raised.
        """
        try:
            told, value = self.pipe.recv()
        except (EOFError, OSError):
            return Outcome(self._unit, None, self._death())
        if told == "ready":
            self._opened = True
            return None
        if told == "done":
            return Outcome(self._unit, value, None)
        if not self._opened:
            raise value
        return Outcome(self._unit, None, value)

    def _death(self) -> WorkerError:
        self.alive = False
        self._process.join()
        how = f"it ended with {_status(self._process.exitcode)}"
        if not self._opened:
            raise WorkerError(
                f"a worker process could not begin: {how}; is there memory for so many --workers?"
                ' (A script that starts workers must do so under if __name__ == "__main__".)'
            )
        return WorkerError(f"a worker process was killed, perhaps for want of memory: {how}")

    def dismiss(self, *, finish: bool) -> None:
        """Let it end: now, or after the unit it is at."""
        if not finish:
            self._process.terminate()
        with suppress(OSError):
            self.pipe.send(None)
        self.alive = False

    def join(self) -> None:
        """Wait until it has ended."""
        while self._process.is_alive():  # its last outcome may be more than the pipe holds
            with suppress(EOFError, OSError):
                if self.pipe.poll(0.05):
                    self.pipe.recv()
                    continue
            self._process.join(0.05)
        self.pipe.close()


def _status(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


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


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes deaf to Ctrl-C from birth; one that comes meanwhile arrives here after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock the signal half-way
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(opening: Opening[T, R], pipe: Any) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interruptions are the parent's affair
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        work = opening()
    except Exception as error:  # noqa: BLE001 - handed to the parent, who knows it from its own
        pipe.send(("failed", _portable(error)))
        return
    pipe.send(("ready", None))
    while True:
        unit = pipe.recv()
        if unit is None:
            return
        try:
            value = work(unit)
        except Exception as error:  # noqa: BLE001 - as above
            pipe.send(("failed", _portable(error)))
        else:
            pipe.send(("done", value))


def _portable(error: Exception) -> Exception:
    """The error as it can cross to the parent, with what a developer needs as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    with suppress(Exception):  # classes pickle, or not, in ways of their own
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        if isinstance(again, type(error)):
            return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _end_with(sentinel: int) -> None:
    """End this process when the parent is gone, even by kill -9."""
    connection.wait([sentinel])
    os._exit(1)
