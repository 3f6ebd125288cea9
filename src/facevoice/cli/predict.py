"""facevoice predict: videos, sound files and pictures -> a table, JSON Lines, CSV or Parquet."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.console import ProgressLine, when_interrupted
from facevoice.cli.inputs import error_line, find_inputs, predicted, said_only
from facevoice.cli.options import (
    add_model_options,
    add_span_options,
    add_track_option,
    check_span,
    output_file,
    page_file,
    positive,
)
from facevoice.cli.people import add_people_options, people_of
from facevoice.errors import InvalidInputError
from facevoice.messages import counted, near
from facevoice.writing import check_file, check_folder

if TYPE_CHECKING:
    from facevoice.output.predictions import Format
    from facevoice.person import Baseline
    from facevoice.predict import Predictor
    from facevoice.predict.prediction import Prediction

_SUFFIXES: Final[dict[str, "Format"]] = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "table",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "predict",
        help="recognise emotions in videos, sound files and pictures",
        description="Predict the emotion of each input. Folders are searched for media files.",
    )
    command.add_argument("inputs", nargs="+", metavar="PATH", help="files or folders")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines: one object per input")
    form.add_argument("--csv", action="store_true", help="CSV: one row per input")
    command.add_argument(
        "-o",
        "--output",
        type=output_file,
        metavar="FILE",
        help="write to this file; its suffix sets the format: .jsonl .json .csv .parquet .txt",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace the files of -o and --report"
    )
    command.add_argument(
        "--report",
        type=page_file,
        metavar="FILE",
        help="also write an HTML report; needs exactly one input",
    )
    add_span_options(command)
    add_track_option(command)
    add_model_options(command)
    add_people_options(command)
    batch = command.add_argument_group("options for thousands of files", "See docs/batch.md.")
    batch.add_argument("--workers", type=positive, metavar="N", help="number of worker processes")
    batch.add_argument(
        "--resume", action="store_true", help="continue an interrupted run to the same -o"
    )
    batch.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep finished records in this folder and reuse them",
    )
    batch.add_argument(
        "--engine",
        choices=("processes", "ray"),
        help="run workers on this machine, or in a Ray cluster (extra ray)",
    )
    batch.add_argument(
        "--address", metavar="ADDRESS", help="address of the Ray cluster: auto, or ray://HOST:PORT"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict and write; 1 if an input failed."""
    form = _format(options)
    _check_outputs(options)
    check_span(options)
    people = people_of(options)
    asked = (options.workers, options.cache, options.engine, options.address)
    if options.resume or any(value is not None for value in asked):
        if options.report is not None:
            raise InvalidInputError(
                "--report takes one input: leave out the options for thousands of files"
            )
        from facevoice.cli.batch import run_batch

        return run_batch(options, form, people)
    from facevoice.output.predictions import open_writer
    from facevoice.predict import load

    predictor = load(options.bundle, device=options.device, threads=options.threads)
    bundle, failed, done = predictor.bundle, 0, 0
    with (
        when_interrupted(lambda: _kept(done, options.output)),
        open_writer(form, options.output, bundle.tree, personal=people is not None) as write,
        ProgressLine("inputs") as line,
    ):
        found = _predictions(predictor, options, line, people.start if people else None)
        for prediction in people.read(found, bundle) if people else found:
            done += 1
            failed += prediction.error is not None
            if options.output is None:
                line.wipe()
            if prediction.error is not None and said_only(form, options.output):
                continue
            write(prediction)
    return 1 if failed else 0


def _kept(done: int, output: Path | None) -> str:
    """What is left of an interrupted command."""
    if output is None:
        return f"{counted(done, 'input')} done"
    return (
        f"{output} is not written; with --workers N what is finished is kept, and --resume goes on"
    )


def _check_outputs(options: argparse.Namespace) -> None:
    """Check the files to write; an interrupted run of -o may go on."""
    if options.output is not None:
        parts = Path(f"{options.output}.parts")
        if options.resume:
            check_folder(parts)
        goes_on = options.resume and parts.exists()
        check_file(options.output, overwrite=options.overwrite or goes_on)
    if options.cache is not None:
        check_folder(options.cache)
    if options.report is not None:
        check_file(options.report, overwrite=options.overwrite)


def _format(options: argparse.Namespace) -> "Format":
    asked: Format | None = "json" if options.json else "csv" if options.csv else None
    if options.output is None:
        return asked or "table"
    suffix = options.output.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InvalidInputError(
            f"-o {options.output}: its suffix sets the format, which is one of"
            f" {', '.join(_SUFFIXES)}{near(suffix, _SUFFIXES)}"
        )
    if asked is not None and _SUFFIXES[suffix] != asked:
        raise InvalidInputError(f"--{asked} contradicts the suffix of -o {options.output}")
    return _SUFFIXES[suffix]


def _predictions(
    predictor: "Predictor",
    options: argparse.Namespace,
    line: ProgressLine,
    baseline: "Baseline | None",
) -> Iterator["Prediction"]:
    """All predictions in order; what cannot be read is said at once. baseline: for the page."""
    paths, failures = find_inputs(options.inputs)
    for text, error in failures:
        failure = predictor.failure(text, error)
        line.say(error_line(failure))
        yield failure
    if options.report is not None:
        yield _reported(predictor, paths, options, line, baseline)
        return
    yield from predicted(predictor, paths, options, line)


def _reported(
    predictor: "Predictor",
    paths: list[Path],
    options: argparse.Namespace,
    line: ProgressLine,
    baseline: "Baseline | None",
) -> "Prediction":
    from facevoice.output.clip import write_clip_page

    if len(paths) != 1:
        raise InvalidInputError(f"--report takes one input, got {len(paths)}")
    prediction = write_clip_page(
        predictor,
        paths[0],
        options.report,
        start_seconds=options.start,
        stop_seconds=options.stop,
        audio_track=options.audio_track,
        baseline=baseline,
    )
    line.say(f"report written to {options.report}")
    return prediction
