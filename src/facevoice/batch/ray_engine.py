"""The only importer of ray: a cluster of machines, or of processes here, by Ray Data.

Each actor keeps a process of its own, as a worker on one machine does, so that a file that kills
it can be distinguished from a lost machine, whose work Ray repeats.
"""

import importlib
import logging
import os
import pickle
import socket
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from facevoice.batch.engine import check_counts
from facevoice.batch.scoring import Scoring, Unit
from facevoice.errors import FacevoiceError, InvalidInputError, MissingDependencyError, WorkerError
from facevoice.workers import Crew, Outcome, cores

_SHARE: Final = 0.5  # processors that an actor books; Ray Data hangs if actors book them all
_BLOCKS: Final = 4000  # pieces of work at most: Ray keeps account of each
_ANSWER_SECONDS: Final = 10.0
_CLIENT: Final = "ray://"
_STORE: Final = 128 << 20  # bytes for objects in a local cluster; records are small
_QUIET: Final = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_output_error_log_if_still_retry": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise it warns of a coming change
}


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A Ray cluster; the files and the bundle must be at the same paths on each machine.

    workers: actors in all; None: one per processor.
    threads: per actor; None: an equal share of the processors.
    address: of a running cluster ("auto", "ray://..."); None: the one this program has joined
        already, or else one on this machine only, ended afterwards.
    """

    workers: int | None = None
    threads: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        check_counts(self.workers, self.threads)

    def run(
        self, scoring: Scoring, units: Iterable[Unit]
    ) -> Generator[Outcome[Unit, str], None, None]:
        """See ``Engine``; all files are listed before the first is scored.

        Raises:
            MissingDependencyError: ray is not installed (extra ``ray``).
            WorkerError: there is no such cluster.
            InvalidInputError: it is too small for so many workers.
        """
        if self.address is not None:
            _check(self.address)
        ray = _ray()
        todo = list(units)
        if not todo:
            return
        with self._joined(ray):
            processors = int(ray.cluster_resources().get("CPU", 0))
            workers = self.workers or max(1, processors)
            if workers * _SHARE >= processors:
                raise InvalidInputError(
                    f"the cluster has {processors} processors, too few for {workers} workers:"
                    f" use at most --workers {max(1, int(processors / _SHARE) - 1)}"
                )
            real = processors if self.address is not None else cores()
            threads = self.threads or max(1, real // workers)
            rows = _rows if not str(self.address).startswith(_CLIENT) else _rows_there
            try:
                for row in rows(ray, todo, scoring, workers, threads):
                    yield _outcome(row)
            except (ray.exceptions.RayError, ConnectionError) as error:
                raise WorkerError(f"the Ray cluster failed: {_in_a_line(error)}") from error

    @contextmanager
    def _joined(self, ray: Any) -> Iterator[None]:
        """Join a cluster, unless already in one; leave or end it afterwards."""
        if ray.is_initialized():
            yield
            return
        local: dict[str, Any] = {}
        if self.address is None:
            # processors are counted, not enforced: twice as many as actors book
            number = max(2, self.workers or cores())
            local = {"num_cpus": number, "object_store_memory": _STORE, "include_dashboard": False}
        try:
            with _muted():
                ray.init(
                    address=self.address or "local",
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    **local,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = self.address or "this machine"
            raise WorkerError(f"no Ray cluster at {where}: {_in_a_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _ray() -> Any:
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError:
        raise MissingDependencyError.of("ray", "ray", "the engine ray") from None
    return ray


def _in_a_line(error: Exception) -> str:
    """The message of a Ray error, without the stack traces it may carry."""
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[-1] if any("traceback" in line.lower() for line in lines) else lines[0]


def _check(address: str) -> None:
    """Make sure that a cluster answers: Ray itself would try for minutes."""
    place = urlsplit(address if "//" in address else f"//{address}")
    try:
        if place.hostname is not None and place.port is not None:
            socket.create_connection((place.hostname, place.port), _ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise WorkerError(f"no Ray cluster answers at {address}: {error}") from error


@contextmanager
def _muted() -> Iterator[None]:
    """Drop what native code writes to standard error, such as Ray's banner."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _silence(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _rows(
    ray: Any, units: Sequence[Unit], scoring: Scoring, workers: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The actors' outcomes of the units, as they come."""
    _silence(ray)
    table = ray.data.from_items(
        [asdict(unit) for unit in units], override_num_blocks=min(len(units), _BLOCKS)
    )
    scored = table.map(
        _Actor,
        fn_constructor_args=(scoring, threads),
        concurrency=min(workers, len(units)),
        num_cpus=_SHARE,
    )
    return iter(scored.iter_rows())


def _rows_there(
    ray: Any, units: Sequence[Unit], scoring: Scoring, workers: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The same from outside the cluster, where Ray Data does not work: an actor runs it."""
    coordinator = ray.remote(num_cpus=0)(_Coordinator).remote(units, scoring, workers, threads)
    while (row := ray.get(coordinator.next.remote())) is not None:
        yield row


class _Coordinator:
    """An actor that runs Ray Data for a program outside."""

    def __init__(self, units: Sequence[Unit], scoring: Scoring, workers: int, threads: int) -> None:
        self._rows = _rows(_ray(), units, scoring, workers, threads)

    def next(self) -> dict[str, Any] | None:
        return next(self._rows, None)


class _Actor:
    """An actor that scores files."""

    def __init__(self, scoring: Scoring, threads: int) -> None:
        self._crew: Crew[Unit, str] = Crew(scoring.open, workers=1, threads=threads)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        unit = Unit(**row)
        try:
            (outcome,) = self._crew.outcomes([unit])
        except FacevoiceError as end:  # no file can be scored here
            return {"outcome": pickle.dumps(end)}
        return {"outcome": pickle.dumps(outcome)}


def _outcome(row: dict[str, Any]) -> Outcome[Unit, str]:
    outcome: Outcome[Unit, str] | FacevoiceError
    outcome = pickle.loads(row["outcome"])  # noqa: S301 - from our own actors
    if isinstance(outcome, FacevoiceError):
        raise outcome
    return outcome
