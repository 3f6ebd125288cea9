"""facevoice predict: videos, sound files and pictures -> a table, JSON Lines or CSV."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from facevoice.cli.options import Counter, add_model_options, positive, say
from facevoice.errors import FacevoiceError, InvalidInputError

if TYPE_CHECKING:
    from facevoice.predict import Predictor
    from facevoice.predict.prediction import Prediction

Format = Literal["table", "json", "csv", "parquet"]
_SUFFIXES: Final[dict[str, Format]] = {
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
        help="say what face and voice show in videos, sound files and pictures",
        description="Predict each input; folders are searched for media files.",
    )
    command.add_argument("inputs", nargs="+", metavar="PATH", help="files or folders")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines, one object an input")
    form.add_argument("--csv", action="store_true", help="CSV, one row an input")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write there; the format follows the suffix: .jsonl .json .csv .parquet .txt",
    )
    command.add_argument(
        "--report", type=Path, metavar="FILE", help="also write a page about the one input (.html)"
    )
    command.add_argument("--start", type=float, metavar="S", help="look from this second on")
    command.add_argument("--stop", type=float, metavar="S", help="look up to this second")
    add_model_options(command)
    _add_batch_options(command)
    command.set_defaults(run=run)


def _add_batch_options(command: argparse.ArgumentParser) -> None:
    batch = command.add_argument_group("thousands of files", "see docs/batch.md")
    batch.add_argument(
        "--workers", type=positive, metavar="N", help="processes that work side by side"
    )
    batch.add_argument(
        "--resume", action="store_true", help="go on where an interrupted run to the same -o was"
    )
    batch.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep records there and use those it holds"
    )
    batch.add_argument(
        "--engine",
        choices=("processes", "ray"),
        help="where the workers are: on this machine, or in a Ray cluster (extra ray)",
    )
    batch.add_argument(
        "--address", metavar="ADDRESS", help="of the Ray cluster: auto, or ray://HOST:PORT"
    )


def run(options: argparse.Namespace) -> int:
    """Predict and write; 1 if an input failed."""
    form = _format(options)
    if _is_batch(options):
        from facevoice.cli.batch import run_batch

        return run_batch(options, form)
    from facevoice.cli.writers import open_writer
    from facevoice.predict import load

    predictor = load(options.bundle, device=options.device, threads=options.threads)
    failed = 0
    with open_writer(form, options.output, predictor.bundle.tree) as write:
        for prediction in _predictions(predictor, options):
            if prediction.error is not None:
                failed += 1
                say(error_line(prediction))
            write(prediction)
    return 1 if failed else 0


def _is_batch(options: argparse.Namespace) -> bool:
    asked = (options.workers, options.cache, options.engine, options.address)
    batch = options.resume or any(value is not None for value in asked)
    if batch and options.report is not None:
        raise InvalidInputError("--report is about one input: leave out the options for thousands")
    return batch


def error_line(prediction: "Prediction") -> str:
    """Why an input gave nothing, with its path."""
    message = prediction.error[1] if prediction.error is not None else ""
    path = prediction.path or ""
    return message if path in message else f"{path}: {message}"


def _format(options: argparse.Namespace) -> Format:
    asked: Format | None = "json" if options.json else "csv" if options.csv else None
    if options.output is None:
        return asked or "table"
    suffix = options.output.suffix.lower()
    if suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise InvalidInputError(f"-o {options.output}: unknown suffix {suffix!r}; known: {known}")
    if asked is not None and _SUFFIXES[suffix] != asked:
        raise InvalidInputError(f"--{asked} contradicts the suffix of -o {options.output}")
    return _SUFFIXES[suffix]


def _predictions(predictor: "Predictor", options: argparse.Namespace) -> Iterator["Prediction"]:
    paths, failures = find_inputs(options.inputs)
    yield from (predictor.failure(text, error) for text, error in failures)
    if options.report is not None:
        yield _reported(predictor, paths, options)
        return
    counter = Counter(len(paths), "inputs")
    with contextlib.closing(counter):
        for number, path in enumerate(paths, start=1):
            counter.show(number, path)
            yield from predictor.predict_many(
                [path], start_seconds=options.start, stop_seconds=options.stop
            )


def find_inputs(texts: list[str]) -> tuple[list[Path], list[tuple[str, FacevoiceError]]]:
    """The files meant; and the inputs that name none, each with the reason."""
    from facevoice.media import find_media

    paths: list[Path] = []
    failures = []
    for text in texts:
        try:
            paths += find_media([Path(text)])
        except FacevoiceError as error:
            failures.append((text, error))
    return paths, failures


def _reported(
    predictor: "Predictor", paths: list[Path], options: argparse.Namespace
) -> "Prediction":
    from facevoice.output.clip import write_clip_page

    if len(paths) != 1:
        raise InvalidInputError(f"--report is about one input, got {len(paths)}")
    prediction = write_clip_page(
        predictor,
        paths[0],
        options.report,
        start_seconds=options.start,
        stop_seconds=options.stop,
    )
    say(f"report written to {options.report}")
    return prediction
