"""The part of facevoice predict for thousands of files: several workers, resumed where it was."""

import argparse
import glob
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from facevoice.cli.options import Meter, duration, say, speed
from facevoice.cli.predict import error_line, find_inputs
from facevoice.errors import FacevoiceError, InvalidInputError, OutputError

if TYPE_CHECKING:
    from facevoice.batch import Engine, Tally
    from facevoice.bundle import Bundle
    from facevoice.predict.prediction import Prediction

_INTERRUPTED: Final = 130


def run_batch(options: argparse.Namespace, form: Literal["table", "json", "csv", "parquet"]) -> int:
    """Predict and write; 1 if an input failed, 130 if interrupted."""
    from facevoice.bundle import load_bundle
    from facevoice.cli.writers import open_writer

    bundle = load_bundle(options.bundle, threads=1)  # scores nothing: its tree names the columns
    batch = _Batch(options)
    try:
        with open_writer(form, options.output, bundle.tree) as write:
            for prediction in batch.predictions(bundle):
                write(prediction)
    except KeyboardInterrupt:
        batch.meter.wipe()
        say(f"interrupted{batch.how_to_go_on()}")
        return _INTERRUPTED
    except FacevoiceError as error:
        batch.meter.wipe()
        say(f"{error}{batch.how_to_go_on()}")
        return 1
    batch.finish()
    return 1 if batch.failed else 0


class _Batch:
    """One run over all inputs, and the folder of its records."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.meter = Meter()
        self.failed = 0
        self._tally: Tally | None = None
        self._engine = _engine(options)
        self._parts = _parts(options)
        if self._parts is not None:
            kept = _claim(self._parts, options.output, resume=options.resume)
            if options.resume and not kept:
                say(f"no run to {options.output} was interrupted: starting at the beginning")

    def predictions(self, bundle: "Bundle") -> Iterator["Prediction"]:
        """All of them: first the inputs that name nothing, then the files in order."""
        from facevoice.batch import predict_all
        from facevoice.predict.prediction import Prediction

        options = self._options
        paths, failures = find_inputs(options.inputs)
        for text, error in failures:
            found = (error.kind, str(error))
            yield self._told(Prediction.failed(text, bundle.name, bundle.sha256, found))
        for prediction in predict_all(
            paths,
            bundle=bundle.folder,
            device=options.device,
            start_seconds=options.start,
            stop_seconds=options.stop,
            engine=self._engine,
            cache=options.cache or self._parts,
            progress=self._progress,
        ):
            yield self._told(prediction)

    def _progress(self, tally: "Tally") -> None:
        self._tally = tally
        self.meter.show(tally)

    def _told(self, prediction: "Prediction") -> "Prediction":
        if prediction.error is not None:
            self.failed += 1
            self.meter.wipe()
            say(error_line(prediction))
        return prediction

    def how_to_go_on(self) -> str:
        """What is kept and how to use it, to end a message with; nothing if nothing is."""
        from facevoice.batch import Records

        kept = self._options.cache or self._parts
        count = 0 if kept is None else Records(kept).count()
        if not count:
            if self._parts is not None:
                shutil.rmtree(self._parts, ignore_errors=True)
            return ""
        again = "the same command" if self._options.cache else "the same command and --resume"
        return f"; {count} records are kept in {kept}: go on with {again}"

    def finish(self) -> None:
        """Say how it went; the table holds all now."""
        self.meter.wipe()
        if self._parts is not None:
            shutil.rmtree(self._parts, ignore_errors=True)
        tally = self._tally
        if tally is None:
            return
        parts = [f"{tally.done} files in {duration(tally.seconds)}"]
        if tally.kept:
            parts.append(f"{tally.kept} known already")
        if tally.rate is not None:
            parts.append(speed(tally.rate))
        if self.failed:
            parts.append(f"{self.failed} failed: their rows say why")
        say(", ".join(parts))


def _engine(options: argparse.Namespace) -> "Engine":
    from facevoice.batch import Processes, RayCluster

    if options.engine == "ray":
        return RayCluster(options.workers, options.threads, options.address)
    if options.address is not None:
        raise InvalidInputError("--address is of a Ray cluster: add --engine ray")
    return Processes(options.workers or 1, options.threads)


def _parts(options: argparse.Namespace) -> Path | None:
    """Where records are kept until the table is written: beside it, if they have no other place."""
    if options.output is None and options.resume and options.cache is None:
        raise InvalidInputError("--resume needs -o, the table that was being made, or --cache")
    if options.output is None or options.cache is not None:
        return None
    return Path(f"{options.output}.parts")


def _claim(parts: Path, output: Path, *, resume: bool) -> int:
    """Refuse what an earlier run left, unless it is to be used; gives how many records it left.

    Raises:
        InvalidInputError: another run was interrupted there.
        OutputError: the folder cannot be made.
    """
    from facevoice.batch import Records

    count = Records(parts).count()
    if count and not resume:
        raise InvalidInputError(
            f"{parts} keeps {count} records of a run that was interrupted: go on with --resume, or"
            " delete the folder to start afresh"
        )
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from error
    # what a run that was killed left half-written
    for stale in output.parent.glob(f".{glob.escape(output.name)}.*.tmp"):
        with suppress(OSError):
            stale.unlink()
    return count
