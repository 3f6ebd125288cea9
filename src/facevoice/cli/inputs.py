"""The inputs on a command line, and the message for one that cannot be read."""

from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.errors import FacevoiceError

if TYPE_CHECKING:
    from facevoice.predict.prediction import Prediction


def find_inputs(texts: list[str]) -> tuple[list[Path], list[tuple[str, FacevoiceError]]]:
    """The media files in files and folders; and the inputs without any, each with the reason."""
    from facevoice.media import find_media

    paths: list[Path] = []
    failures = []
    for text in texts:
        try:
            paths += find_media([Path(text)])
        except FacevoiceError as error:
            failures.append((text, error))
    return paths, failures


def error_line(prediction: "Prediction") -> str:
    """Why an input gave no scores, with its path."""
    message = prediction.error[1] if prediction.error is not None else ""
    path = prediction.path or ""
    return message if path in message else f"{path}: {message}"
