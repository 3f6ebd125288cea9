"""The part of facevoice predict for thousands of files: several workers, resumable."""

import argparse
import glob
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import ProgressLine, facts
from facevoice.cli.inputs import error_line, find_inputs, said_only
from facevoice.cli.options import INTERRUPTED
from facevoice.errors import FacevoiceError, InvalidInputError, OutputError
from facevoice.messages import counted
from facevoice.output.wording import duration
from facevoice.writing import temporary_prefix

if TYPE_CHECKING:
    from facevoice.batch import Engine, Progress
    from facevoice.bundle import Bundle
    from facevoice.cli.people import People
    from facevoice.output.predictions import Format
    from facevoice.predict.prediction import Prediction


def run_batch(options: argparse.Namespace, form: "Format", people: "People | None" = None) -> int:
    """Predict and write; 1 if an input failed, 130 if interrupted.

    people: whom the inputs show; their personal answers are made here, from the plain records.
    """
    from facevoice.bundle import load_bundle
    from facevoice.output.predictions import open_writer

    bundle = load_bundle(options.bundle, threads=1)  # used only for its tree
    bundle.check_extras()
    batch = _Batch(options)
    try:
        with open_writer(form, options.output, bundle.tree, personal=people is not None) as write:
            found = batch.predictions(bundle)
            for prediction in people.read(found, bundle) if people else found:
                if prediction.error is not None and said_only(form, options.output):
                    continue
                write(prediction)
    except KeyboardInterrupt:
        batch.line.say(f"interrupted{batch.how_to_continue()}")
        return INTERRUPTED
    except FacevoiceError as error:
        batch.line.say(f"{error}{batch.how_to_continue()}")
        return 1
    batch.finish()
    return 1 if batch.failed else 0


class _Batch:
    """One run over all inputs, and the folder of its records."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.line = ProgressLine("files")
        self.failed = 0
        self._progress: Progress | None = None
        self._engine = _engine(options)
        self._parts = _parts(options)
        if self._parts is not None:
            kept = _claim(self._parts, options.output, resume=options.resume)
            if options.resume and not kept:
                self.line.say(f"found no interrupted run to {options.output}: starting afresh")

    def predictions(self, bundle: "Bundle") -> Iterator["Prediction"]:
        """All predictions: first the inputs without media files, then the files in order."""
        from facevoice.batch import predict_all
        from facevoice.predict.prediction import Prediction

        options = self._options
        paths, failures = find_inputs(options.inputs)
        for text, error in failures:
            found = (error.kind, str(error))
            yield self._checked(Prediction.failed(text, bundle.name, bundle.sha256, found))
        for prediction in predict_all(
            paths,
            bundle=bundle.folder,
            device=options.device,
            start_seconds=options.start,
            stop_seconds=options.stop,
            audio_track=options.audio_track,
            engine=self._engine,
            cache=options.cache or self._parts,
            progress=self._show,
        ):
            yield self._checked(prediction)

    def _show(self, progress: "Progress") -> None:
        self._progress = progress
        self.line.show(progress)

    def _checked(self, prediction: "Prediction") -> "Prediction":
        if prediction.error is not None:
            self.failed += 1
            self.line.say(error_line(prediction))
        return prediction

    def how_to_continue(self) -> str:
        """The end of a message: what is kept and how to continue; "" if nothing is kept."""
        from facevoice.batch import Records

        kept = self._options.cache or self._parts
        count = 0 if kept is None else Records(kept).count()
        if not count:
            self._discard()
            return ""
        again = "the same command" if self._options.cache else "the same command with --resume"
        return f"; {counted(count, 'record')} kept in {kept}: to continue, run {again}"

    def finish(self) -> None:
        """Print a summary, now that the table is complete."""
        self.line.wipe()
        self._discard()
        progress = self._progress
        if progress is not None:
            progress.failed = self.failed  # with the inputs without media files
            took = f"{counted(progress.done, 'file')} in {duration(progress.seconds)}"
            why = ": their rows say why" if self.failed and self._options.output else ""
            self.line.say(", ".join([took, *facts(progress, left=False)]) + why)

    def _discard(self) -> None:
        if self._parts is not None:
            shutil.rmtree(self._parts, ignore_errors=True)


def _engine(options: argparse.Namespace) -> "Engine":
    from facevoice.batch import Processes, RayCluster

    if options.engine == "ray":
        return RayCluster(options.workers, options.threads, options.address)
    if options.address is not None:
        raise InvalidInputError("--address names a Ray cluster: add --engine ray")
    return Processes(options.workers or 1, options.threads)


def _parts(options: argparse.Namespace) -> Path | None:
    """Where records are kept until the table is written: next to it, unless there is a cache."""
    if options.output is None and options.resume and options.cache is None:
        raise InvalidInputError("--resume needs the -o of the interrupted run, or --cache")
    if options.output is None or options.cache is not None:
        return None
    return Path(f"{options.output}.parts")


def _claim(parts: Path, output: Path, *, resume: bool) -> int:
    """Refuse records of an earlier run unless resuming; returns how many there are.

    Raises:
        InvalidInputError: another run was interrupted there.
        OutputError: the folder cannot be made.
    """
    from facevoice.batch import Records

    count = Records(parts).count()
    if count and not resume:
        raise InvalidInputError(
            f"{parts} holds {counted(count, 'record')} of an interrupted run: continue it with"
            " --resume, or delete the folder to start afresh"
        )
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from error
    # half-written records of a killed run
    for stale in output.parent.glob(f"{glob.escape(temporary_prefix(output))}*.tmp"):
        with suppress(OSError):
            stale.unlink()
    return count
