"""One process that works on units, one at a time, with pinned threads; it ignores Ctrl-C."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Generic, TypeVar

from facevoice.errors import WorkerError
from facevoice.workers.messages import receive, send

_STARTING: Final = threading.Lock()  # the environment and __main__ belong to the whole process

T = TypeVar("T")
R = TypeVar("R")

Opening = Callable[[], Callable[[T], R]]
"""Called once in each process: prepares, for example loads a model, and returns the work itself.

Processes import it by the name of its module, which must not be the main script.
"""

_THREAD_VARIABLES: Final = (
    "FACEVOICE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T, R]):
    """The outcome of a unit.

    value: what the work returned, None if it failed.
    error: what it raised; a WorkerError if its process died.
    """

    unit: T
    value: R | None
    error: Exception | None


def may_start() -> bool:
    """Whether this process may start others.

    A daemon of multiprocessing, such as a worker of its Pool, may not. In a frozen program a
    process would be the program once more.
    """
    if multiprocessing.current_process().daemon:
        return False
    return bool(sys.executable) and not getattr(sys, "frozen", False)


class Worker(Generic[T, R]):
    """One process: ``send`` it a unit, wait for ``pipe``, ``receive`` the outcome.

    Raises:
        WorkerError: this process may not start another.
        OSError: no process can be started.
    """

    def __init__(self, opening: Opening[T, R], threads: int | None) -> None:
        if not may_start():
            raise WorkerError(
                "no worker can be started here: a daemon of multiprocessing, such as a worker of"
                " its Pool, may not start processes; use daemon=False, or concurrent.futures"
            )
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.alive = True
        self._opened = False
        self._unit: Any = None
        self._process = context.Process(target=_serve, args=(opening, theirs), daemon=True)
        with _STARTING, _environment(threads), _uninterrupted(), _without_main():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def send(self, unit: T) -> None:
        """Give it a unit; if the process is gone, ``receive`` reports it."""
        self._unit = unit
        with suppress(OSError):
            self.pipe.send(unit)

    def receive(self) -> Outcome[T, R] | None:
        """The outcome of its unit; None if it only reports that it is ready.

        Raises:
            WorkerError: it died before it was ready. And whatever ``opening`` raised.
        """
        try:
            state, value = receive(self.pipe)
        except (EOFError, OSError):
            return Outcome(self._unit, None, self._death())
        if state == "ready":
            self._opened = True
            return None
        if state == "done":
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
                f"a worker process could not start: {how}; is there enough memory for one more?"
            )
        return WorkerError(f"a worker process was killed, perhaps because memory ran out: {how}")

    def dismiss(self, *, finish: bool) -> None:
        """Let it end: now, or after its unit."""
        if not finish:
            self._process.terminate()
        with suppress(OSError):
            self.pipe.send(None)
        self.alive = False

    @property
    def memory_bytes(self) -> int | None:
        """How much memory it holds; None where the system does not say."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, IndexError, OSError, ValueError):
            return None

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.alive = False
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def join(self) -> None:
        """Wait until it has ended."""
        while self._process.is_alive():  # its last outcome may be larger than the pipe holds
            with suppress(EOFError, OSError):
                if self.pipe.poll(0.05):
                    self.pipe.recv_bytes()
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
    """Set the number of threads in the environment of processes that are started meanwhile."""
    if threads is None:
        yield
        return
    before = {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name in _THREAD_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(before)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that ignore Ctrl-C from birth; here it takes effect afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock the signal half-way
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not import the user's script, as Python would have them do.

    They need nothing from it, and a script without a main guard would run again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def here(
    opening: Opening[T, R], units: Iterable[T], threads: int | None
) -> Iterator[Outcome[T, R]]:
    """Work on units in this process, where others may not be started.

    threads: of the networks that ``opening`` loads; None: no limit.
    """
    with _environment(threads):
        work = opening()
    for unit in units:
        try:
            value = work(unit)
        except Exception as error:  # noqa: BLE001 - handed on, as from a process
            yield Outcome(unit, None, error)
        else:
            yield Outcome(unit, value, None)


def _serve(opening: Opening[T, R], pipe: Any) -> None:
    """What a worker process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles interruptions
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        work = opening()
    except Exception as error:  # noqa: BLE001 - handed to the parent
        send(pipe, ("failed", _portable(error)))
        return
    send(pipe, ("ready", None))
    while True:
        unit = pipe.recv()
        if unit is None:
            return
        try:
            value = work(unit)
        except Exception as error:  # noqa: BLE001 - as above
            send(pipe, ("failed", _portable(error)))
        else:
            send(pipe, ("done", value))


def _portable(error: Exception) -> Exception:
    """The error in a form that can be sent to the parent, with its traceback as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    with suppress(Exception):  # some classes cannot be pickled
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        if isinstance(again, type(error)):
            return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _end_with(sentinel: int) -> None:
    """End this process when the parent is gone, even by kill -9."""
    connection.wait([sentinel])
    os._exit(1)
