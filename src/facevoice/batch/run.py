"""Many files -> their predictions, in input order, whichever engine runs."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from facevoice.batch.engine import Engine, Processes
from facevoice.batch.records import Records
from facevoice.batch.scoring import Scoring, Unit
from facevoice.bundle import SHIPPED, bundle_folder, read_card
from facevoice.errors import FacevoiceError, OutputError
from facevoice.predict.prediction import Prediction
from facevoice.session import Device, hash_of
from facevoice.workers import Outcome
from facevoice.workers.progress import Progress


def predict_all(  # noqa: PLR0913 - one keyword per option
    paths: Iterable[str | os.PathLike[str]],
    *,
    bundle: str | os.PathLike[str] = "base",
    device: Device = "cpu",
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    audio_track: int | None = None,
    engine: Engine | None = None,
    cache: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Prediction]:
    """Predict each file and yield the predictions in the order of ``paths``.

    A file that cannot be read, or that kills its process twice, gives a record with the error.
    Files with the same bytes are scored once; each gives its own record.

    start_seconds, stop_seconds: the part to analyse, in the container's presentation time.
    audio_track: number of the sound track, from 0; None: the main one.
    engine: what does the work; None: one process.
    cache: a folder where finished records stay: files with the same bytes and settings are not
        scored again, in this run or a later one. Errors are not kept. None: a temporary folder.
    progress: called whenever a file is done, which may be long before its prediction is yielded.

    Raises:
        BundleError: no such bundle, or it does not hold together.
        OutputError: the cache cannot be written.
        WorkerError: processes cannot be started.
        MissingDependencyError: the engine's package is not installed.
    """
    folder = bundle_folder(Path(bundle))
    name = str(read_card(folder)["name"])
    sha256 = hash_of(folder / "bundle.json")
    where = folder.name if folder.parent == SHIPPED else str(folder.resolve())
    part = start_seconds, stop_seconds
    scoring = Scoring(where, sha256, str(Path.cwd()), device, *part, audio_track)
    engine = engine if engine is not None else Processes()
    with ExitStack() as stack:
        place = cache or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facevoice-")))
        records = Records(place)
        records.sweep()
        batch = _Batch([os.fspath(path) for path in paths], name, scoring, records, progress)
        outcomes = stack.enter_context(closing(engine.run(scoring, batch.units())))
        for outcome in outcomes:
            batch.take(outcome)
            yield from batch.in_turn()
        yield from batch.in_turn()


class _Batch:
    """Which files are waiting, under way and done; yields those done in input order."""

    def __init__(
        self,
        paths: Sequence[str],
        bundle_name: str,
        scoring: Scoring,
        records: Records,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._paths, self._name = paths, bundle_name
        self._scoring, self._records = scoring, records
        self._show = progress
        self._progress = Progress(len(paths))
        self._under_way: dict[str, list[int]] = {}  # by key: the files that wait for a record
        self._ready: dict[
            int, str | Prediction
        ] = {}  # by number: a prediction, or its record's key
        self._next = 0

    def units(self) -> Iterator[Unit]:
        """The files to score, without those whose record exists or is under way."""
        for number, path in enumerate(self._paths):
            key = self._scoring.key_of(path)
            if key is None:
                yield Unit(number, path, None)
            elif key in self._under_way:
                self._under_way[key].append(number)
            elif self._records.read(key, path) is not None:
                self._done(number, key, kept=True)
            else:
                self._under_way[key] = [number]
                yield Unit(number, path, key)

    def take(self, outcome: Outcome[Unit, str]) -> None:
        """Keep the outcome of a unit."""
        unit, prediction = outcome.unit, self._prediction(outcome)
        waiting = [unit.number] if unit.key is None else self._under_way.pop(unit.key)
        if unit.key is not None and outcome.value is not None and prediction.error is None:
            self._records.write(unit.key, outcome.value)
            for number in waiting:
                self._done(number, unit.key, kept=number != unit.number)
            return
        for number in waiting:
            moved = _moved(prediction, unit.path, self._paths[number])
            self._done(number, moved, kept=number != unit.number)

    def in_turn(self) -> Iterator[Prediction]:
        """Those that are done and whose predecessors were yielded."""
        while self._next in self._ready:
            ready, path = self._ready.pop(self._next), self._paths[self._next]
            prediction = self._records.read(ready, path) if isinstance(ready, str) else ready
            if prediction is None:
                raise OutputError(
                    f"the record of {path} has disappeared from {self._records.folder}: leave the"
                    " folder alone while files are predicted, and start again"
                )
            self._next += 1
            yield prediction

    def _done(self, number: int, ready: str | Prediction, *, kept: bool) -> None:
        self._ready[number] = ready
        failed = isinstance(ready, Prediction) and ready.error is not None
        self._progress.count(failed=failed, kept=kept)
        if self._show is not None:
            self._show(self._progress)

    def _prediction(self, outcome: Outcome[Unit, str]) -> Prediction:
        if outcome.value is not None:
            return Prediction.from_dict(json.loads(outcome.value))
        error = outcome.error
        found = f"{type(error).__name__}: {error}"
        kind = FacevoiceError.kind
        if isinstance(error, FacevoiceError):
            kind, found = error.kind, str(error)
        return Prediction.failed(
            outcome.unit.path, self._name, self._scoring.bundle_sha256, (kind, found)
        )


def _moved(prediction: Prediction, path: str, other: str) -> Prediction:
    """The prediction of the same bytes somewhere else."""
    error = prediction.error
    if error is not None:
        error = error[0], error[1].replace(path, other)
    return replace(prediction, path=other, error=error)
