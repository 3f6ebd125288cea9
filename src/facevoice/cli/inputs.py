"""The inputs on a command line, and the message for one that cannot be read."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import ProgressLine, beside_messages, say
from facevoice.errors import FacevoiceError, InvalidInputError

if TYPE_CHECKING:
    from facevoice.predict import Predictor
    from facevoice.predict.prediction import Prediction


def find_inputs(texts: list[str]) -> tuple[list[Path], list[tuple[str, FacevoiceError]]]:
    """The media files of inputs, each once; and the inputs without any, each with the reason.

    What else folders hold is counted and named on standard error.
    """
    from facevoice.media import search_media

    paths: list[Path] = []
    failures = []
    for text in texts:
        try:
            if text == "-":
                raise InvalidInputError(
                    "- stands for a pipe, which facevoice live reads: name a file or a folder here"
                )
            if "://" in text:
                raise InvalidInputError(
                    f"{text} is a URL, and files are read here: download it first, or follow it"
                    " with facevoice live"
                )
            found = search_media([Path(text)])
            paths += found.files
            for line in found.lines():
                say(f"{text}: {line}")
        except FacevoiceError as error:
            failures.append((text, error))
    found_once = {path.absolute(): path for path in reversed(paths)}  # the first spelling stays
    return list(reversed(found_once.values())), failures


def predicted(
    predictor: "Predictor", paths: list[Path], options: argparse.Namespace, line: ProgressLine
) -> "Iterator[Prediction]":
    """The predictions of files in order, with progress; what cannot be read is said at once."""
    for done, path in enumerate(paths):
        line(done, len(paths), path.name)
        (prediction,) = predictor.predict_many(
            [path],
            start_seconds=options.start,
            stop_seconds=options.stop,
            audio_track=options.audio_track,
        )
        if prediction.error is not None:
            line.say(error_line(prediction))
        yield prediction


def said_only(form: str, output: Path | None) -> bool:
    """Whether messages alone name failed inputs: a table on the same terminal would repeat them."""
    return form == "table" and output is None and beside_messages()


def error_line(prediction: "Prediction") -> str:
    """Why an input gave no scores, with its path."""
    message = prediction.error[1] if prediction.error is not None else ""
    path = prediction.path or ""
    return message if path in message else f"{path}: {message}"
