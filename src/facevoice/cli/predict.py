"""facevoice predict: videos, sound files and pictures -> a table, JSON Lines or CSV."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from facevoice.cli.options import Counter, add_model_options, say
from facevoice.errors import FacevoiceError, InvalidInputError

if TYPE_CHECKING:
    from facevoice.predict import Predictor
    from facevoice.prediction import Prediction

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
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict and write; 1 if an input failed."""
    from facevoice.cli import writers
    from facevoice.predict import load

    form = _format(options)
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    failed = 0
    with writers.open_writer(form, options.output, predictor) as write:
        for prediction in _predictions(predictor, options):
            if prediction.error is not None:
                failed += 1
                say(_error_line(prediction))
            write(prediction)
    return 1 if failed else 0


def _error_line(prediction: "Prediction") -> str:
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
    paths, failures = _inputs(predictor, options.inputs)
    yield from failures
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


def _inputs(predictor: "Predictor", texts: list[str]) -> tuple[list[Path], list["Prediction"]]:
    """The files meant, and a failed record for each input that names none."""
    from facevoice.media import find_media

    paths: list[Path] = []
    failures = []
    for text in texts:
        try:
            paths += find_media([Path(text)])
        except FacevoiceError as error:
            failures.append(predictor.failure(text, error))
    return paths, failures


def _reported(
    predictor: "Predictor", paths: list[Path], options: argparse.Namespace
) -> "Prediction":
    from facevoice.page import write_clip_page

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
