"""Workers behind a bounded queue: each piece of work has a deadline, and its process can be killed.

A worker that dies takes along the work that it does, and nothing else: another takes its place.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from facevoice.errors import FacevoiceError, WorkerError
from facevoice.serve.problems import RefusedError
from facevoice.workers import Opening, Outcome, Worker

T = TypeVar("T")
R = TypeVar("R")

UNOPENED: Final = "no worker can be started: the server's log says why"

_LOG: Final = logging.getLogger("facevoice.serve")
_LOOK_SECONDS: Final = 0.2  # between looks at deadlines
_WATCH_SECONDS: Final = 1.0  # between looks at the workers of those who wait
_START_SECONDS: Final = 180.0  # within which a worker must have loaded its bundle
_AGAIN_SECONDS: Final = 2.0  # before another attempt to start a worker
_LONGEST_WAIT: Final = 60.0  # that clients are told


class Crew(Generic[T, R]):
    """Workers with a queue.

    threads: of the libraries in each process. waiting: how many may wait for a worker.
    most_bytes: of memory that a process may hold, where the system says how much it holds.
    """

    def __init__(
        self,
        opening: Opening[T, R],
        *,
        workers: int,
        threads: int | None,
        waiting: int,
        most_bytes: int,
    ) -> None:
        self._most = workers + waiting
        self._inside = 0
        self._queue: queue.SimpleQueue[_Errand[T, R]] = queue.SimpleQueue()
        self._slots = [_Slot(opening, threads, self._queue, most_bytes) for _ in range(workers)]
        self._seconds = 1.0  # that one piece of work takes, as of late

    def start(self) -> None:
        """Start the workers; they are ready a little later."""
        for slot in self._slots:
            slot.start()

    @property
    def ready(self) -> int:
        """How many workers are alive and have loaded the bundle."""
        return sum(slot.ready for slot in self._slots)

    @property
    def failure(self) -> FacevoiceError | None:
        """Why no worker can be opened, if that is so."""
        return next((slot.failure for slot in self._slots if slot.failure is not None), None)

    @property
    def inside(self) -> int:
        """How many requests are uploading, waiting or worked on."""
        return self._inside

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, taken before anything is uploaded.

        Raises:
            RefusedError: all are taken.
        """
        if self._inside >= self._most:
            wait = self._seconds * self._inside / len(self._slots)
            after = str(round(min(max(wait, 1.0), _LONGEST_WAIT)))
            raise RefusedError(
                429, "busy", f"{self._inside} requests are under way", {"Retry-After": after}
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, unit: T, seconds: float, started: asyncio.Event | None = None) -> R:
        """Have a unit worked on, within so many seconds once it has begun.

        If the caller is cancelled, the work is given up; its worker is killed.

        Raises:
            RefusedError: the deadline has passed, the worker died, or none can be started.
        """
        errand: _Errand[T, R] = _Errand(unit, seconds, asyncio.get_running_loop(), started)
        self._queue.put(errand)
        try:
            while not errand.future.done():
                await asyncio.wait([errand.future], timeout=_WATCH_SECONDS)
                if not errand.begun:
                    self._check_workers()
        except (asyncio.CancelledError, RefusedError):
            errand.given_up.set()
            if errand.begun:  # until its worker is dead, that may write files
                await asyncio.wait([errand.future])
            raise
        outcome = errand.future.result()
        self._seconds += 0.2 * (errand.took - self._seconds)
        if outcome.error is not None:
            raise _refusal(outcome.error)
        assert outcome.value is not None  # noqa: S101 - there was no error
        return outcome.value

    def _check_workers(self) -> None:
        """Refuse to wait for workers that cannot be started."""
        if self.failure is not None and not self.ready:
            raise RefusedError(503, "not_ready", UNOPENED, {"Retry-After": "10"})

    def close(self) -> None:
        """End all workers at once."""
        for slot in self._slots:
            slot.closing.set()
        for slot in self._slots:
            slot.join()


def _refusal(error: Exception) -> Exception:
    if isinstance(error, WorkerError):
        return RefusedError(
            500, "worker", "the process that decoded this file was ended; others are not affected"
        )
    return error


@dataclass(slots=True)
class _Errand(Generic[T, R]):
    unit: T
    seconds: float
    loop: asyncio.AbstractEventLoop
    started: asyncio.Event | None
    given_up: threading.Event = field(default_factory=threading.Event)
    took: float = 0.0
    begun: bool = False
    future: "asyncio.Future[Outcome[T, R]]" = field(init=False)

    def __post_init__(self) -> None:
        self.future = self.loop.create_future()

    def begin(self) -> None:
        """Tell that a worker has it."""
        self.begun = True
        if self.started is not None:
            self._call(self.started.set)

    def end(self, outcome: Outcome[T, R]) -> None:
        """Give the outcome to whoever waits for it."""
        self._call(lambda: None if self.future.done() else self.future.set_result(outcome))

    def _call(self, what: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(what)


class _Slot(threading.Thread, Generic[T, R]):
    """A thread that keeps one worker at work."""

    def __init__(
        self,
        opening: Opening[T, R],
        threads: int | None,
        errands: "queue.SimpleQueue[_Errand[T, R]]",
        most_bytes: int,
    ) -> None:
        super().__init__(daemon=True)
        self._most_bytes = most_bytes
        self._opening, self._threads, self._errands = opening, threads, errands
        self.closing = threading.Event()
        self.ready = False
        self.failure: FacevoiceError | None = None

    def run(self) -> None:
        while not self.closing.is_set():
            worker = self._opened()
            if worker is None:
                self.closing.wait(_AGAIN_SECONDS)
                continue
            self.ready = True
            while worker.alive and not self.closing.is_set():
                self._next(worker)
            self.ready = False
            worker.kill()

    def _opened(self) -> Worker[T, R] | None:
        """A worker that is ready."""
        try:
            worker = Worker(self._opening, self._threads)
        except (FacevoiceError, OSError) as error:
            self._fail(error)
            return None
        end = time.monotonic() + _START_SECONDS
        try:
            while not self.closing.is_set():
                if worker.pipe.poll(_LOOK_SECONDS):
                    worker.receive()  # says that it is ready, or raises
                    self.failure = None
                    return worker
                if time.monotonic() > end:
                    raise WorkerError(f"a worker is not ready after {_START_SECONDS:g} s")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - whatever a library raises while it loads
            self._fail(error)
        worker.kill()
        return None

    def _fail(self, error: Exception) -> None:
        """Note why no worker opens, and log it once."""
        known = isinstance(error, FacevoiceError | OSError)
        found = FacevoiceError(str(error) if known else f"{type(error).__name__} while it loads")
        if self.failure is None or str(found) != str(self.failure):
            _LOG.error("a worker cannot be opened: %s", found)
        self.failure = found

    def _next(self, worker: Worker[T, R]) -> None:
        """Do the next errand, if one comes soon; notices a worker that dies while it is idle."""
        try:
            errand = self._errands.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            if worker.pipe.poll():
                worker.receive()  # nothing is expected: it has died
            return
        if errand.given_up.is_set():
            return
        began = time.monotonic()
        errand.begin()
        worker.send(errand.unit)
        try:
            outcome = self._outcome(worker, errand, began + errand.seconds)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be read
            _LOG.error("a fault: %s", type(error).__name__)
            worker.kill()
            outcome = Outcome(errand.unit, None, WorkerError("its answer cannot be read"))
        errand.took = time.monotonic() - began
        errand.end(outcome)

    def _problem(
        self, worker: Worker[T, R], errand: "_Errand[T, R]", deadline: float
    ) -> RefusedError | None:
        """Why the work must end now."""
        if time.monotonic() > deadline:
            return RefusedError(422, "deadline", f"the work took more than {errand.seconds:g} s")
        if (worker.memory_bytes or 0) > self._most_bytes:
            return RefusedError(422, "too_much_memory", "the work on this file was ended")
        if errand.given_up.is_set() or self.closing.is_set():
            return RefusedError(503, "not_ready", "the work was given up")
        return None

    def _outcome(
        self, worker: Worker[T, R], errand: "_Errand[T, R]", deadline: float
    ) -> Outcome[T, R]:
        while not worker.pipe.poll(_LOOK_SECONDS):
            problem = self._problem(worker, errand, deadline)
            if problem is not None:
                worker.kill()
                return Outcome(errand.unit, None, problem)
        outcome = worker.receive()
        if outcome is None:  # pragma: no cover - it was ready already
            return self._outcome(worker, errand, deadline)
        return outcome
