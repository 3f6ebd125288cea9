"""Options and messages that several verbs share."""

import argparse
import sys
from pathlib import Path


def positive(text: str) -> int:
    """A whole number from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def add_model_options(command: argparse.ArgumentParser) -> None:
    """--bundle, --device and --threads."""
    command.add_argument(
        "--bundle", default="base", metavar="NAME|FOLDER", help="the model (default: base)"
    )
    command.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where the networks run"
    )
    command.add_argument(
        "--threads", type=positive, metavar="N", help="processor threads (default: all cores)"
    )


def say(message: str) -> None:
    """A message for the user, on standard error."""
    print(f"facevoice: {message}", file=sys.stderr)


class Counter:
    """One line on standard error that counts up; silent where nobody watches."""

    def __init__(self, total: int, noun: str) -> None:
        self._total, self._noun = total, noun
        self._watched = sys.stderr.isatty() and total > 1

    def show(self, done: int, name: str | Path = "") -> None:
        """Say how far it is."""
        if self._watched:
            line = f"\r\x1b[K{done}/{self._total} {self._noun} {Path(name).name if name else ''}"
            print(line, end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Wipe the line."""
        if self._watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
