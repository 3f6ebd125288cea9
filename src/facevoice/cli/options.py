"""Options that several verbs share."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.errors import InvalidInputError

if TYPE_CHECKING:
    from facevoice.person import Baseline


_TIME: Final = re.compile(
    r"(?:(?:(\d+):(?=\d\d:))?(\d+):(?=[0-5]\d(?:\.|$)))?(\d+(?:\.\d*)?|\.\d+)", re.ASCII
)

INTERRUPTED: Final = 130
"""Exit status of a command that Ctrl-C ended."""


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def natural(text: str) -> int:
    """A whole number of at least 0."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def seconds(text: str) -> float:
    """A time from 0 on, in seconds (75, 75.5) or as on a clock (1:15, 0:01:15)."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: give seconds of at least 0 (75.5), m:ss (1:15) or h:mm:ss"
        )
    hours, minutes, rest = found.groups()
    return 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(rest)


def length(text: str) -> float:
    """A length of time above 0, see ``seconds``."""
    found = seconds(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 s")
    return found


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return number


def key_value(text: str) -> tuple[str, str]:
    """KEY=VALUE as a pair."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def add_model_options(
    command: argparse.ArgumentParser, *, threads: int | None = None, otherwise: str = "all cores"
) -> None:
    """--bundle, --device and --threads; threads: the default; otherwise: what None stands for."""
    command.add_argument(
        "--bundle",
        default="base",
        metavar="NAME|FOLDER",
        help="the model: a bundle's name or folder (default: base)",
    )
    command.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where networks run (default: cpu); cuda needs onnxruntime-gpu and is untested",
    )
    command.add_argument(
        "--threads",
        type=positive,
        default=threads,
        metavar="N",
        help=f"threads per network (default: {threads or otherwise})",
    )


def add_span_options(command: argparse.ArgumentParser) -> None:
    """--start and --stop: the part of the input to analyse."""
    for name in ("start", "stop"):
        command.add_argument(
            f"--{name}", type=seconds, metavar="T", help=f"{name} at this time: s, m:ss or h:mm:ss"
        )


def check_span(options: argparse.Namespace) -> None:
    """Check --start and --stop before any file is read.

    Raises:
        InvalidInputError: nothing lies between them.
    """
    if None not in (options.start, options.stop) and options.start >= options.stop:
        raise InvalidInputError(
            f"--start {options.start:g} s is not before --stop {options.stop:g} s"
        )


def add_track_option(command: argparse.ArgumentParser) -> None:
    """--audio-track: which of several sound tracks to read."""
    command.add_argument(
        "--audio-track",
        type=natural,
        metavar="N",
        help="read this sound track, counted from 0 (default: the main one)",
    )


def add_window_options(command: argparse.ArgumentParser) -> None:
    """--window and --hop: the windows of a timeline."""
    command.add_argument(
        "--window", type=length, default=3.0, metavar="S", help="window length in s (default: 3)"
    )
    command.add_argument(
        "--hop",
        type=length,
        default=1.0,
        metavar="S",
        help="time from one window to the next in s (default: 1)",
    )


def check_windows(options: argparse.Namespace) -> None:
    """Check --window and --hop before any file is read.

    Raises:
        InvalidInputError: windows would leave gaps.
    """
    if options.hop > options.window:
        raise InvalidInputError(
            f"--hop {options.hop:g} s is longer than --window {options.window:g} s, which would"
            " leave gaps: make the hop shorter or the window longer"
        )


def add_overwrite_option(command: argparse.ArgumentParser) -> None:
    """--overwrite: whether -o may replace what is there."""
    command.add_argument("--overwrite", action="store_true", help="replace what is at -o already")


def add_personal_options(command: argparse.ArgumentParser, against: str) -> None:
    """--personal and --baseline of what follows people; against: what people are read against."""
    command.add_argument(
        "--personal",
        action="store_true",
        help=f"also read everyone against {against}; see docs/person.md",
    )
    command.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="with --personal: where everyone's own baseline starts, as facevoice baseline has"
        " enrolled the one person to be seen and heard",
    )


def baseline_of(options: argparse.Namespace) -> "Baseline | None":
    """The baseline of --baseline, read before any work.

    Raises:
        InvalidInputError: it cannot be read, or --personal is not given.
    """
    if options.baseline is None:
        return None
    if not options.personal:
        raise InvalidInputError("--baseline is what people are read against: add --personal")
    from facevoice.person import Baseline

    return Baseline.load(options.baseline)


CROWD: Final = (
    "{} people are in view at once, and the baseline is of one of them: it is taken for each"
)
"""Said where --baseline meets several people."""


def add_training_options(command: argparse.ArgumentParser) -> None:
    """--data and --set: what recipes are trained on, and changes to their keys."""
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        metavar="FOLDER",
        help="a prepared folder; may be repeated to train on several together",
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a recipe key"
    )


def output_file(text: str) -> Path:
    """The name of a file to write; one that ends in a slash is that of a folder."""
    if text.endswith(("/", os.sep)):
        raise argparse.ArgumentTypeError(f"{text} names a folder: give the name of a file to write")
    return Path(text)


def page_file(text: str) -> Path:
    """The name of a page to write: browsers open .html and .htm, and no film is replaced by it."""
    if output_file(text).suffix.lower() not in (".html", ".htm"):
        raise argparse.ArgumentTypeError(f"a page's name ends in .html, got {text}")
    return Path(text)
