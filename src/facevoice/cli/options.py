"""Options and messages that several verbs share."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from facevoice.batch import Tally

_LINE_SECONDS: Final = 0.2  # between changes of a line that somebody watches
_LOG_SECONDS: Final = 30.0  # between lines that go to a file


def positive(text: str) -> int:
    """A whole number from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def add_model_options(command: argparse.ArgumentParser, *, threads: int | None = None) -> None:
    """--bundle, --device and --threads; threads: the default, None for all cores."""
    command.add_argument(
        "--bundle", default="base", metavar="NAME|FOLDER", help="the model (default: base)"
    )
    command.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where the networks run"
    )
    command.add_argument(
        "--threads",
        type=positive,
        default=threads,
        metavar="N",
        help=f"processor threads of each network (default: {threads or 'all cores'})",
    )


def add_training_options(command: argparse.ArgumentParser) -> None:
    """--data and --set: what recipes learn from, and changes of their keys."""
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        metavar="FOLDER",
        help="a prepared folder; given several times, they are joined",
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a recipe key"
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


class Meter:
    """How far a batch is, how fast, how long it will take: a line that changes on a terminal.

    Elsewhere a line now and then, for who looks into the log.
    """

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._shown = time.monotonic()

    def show(self, tally: "Tally") -> None:
        """Say it, unless that was said a moment ago."""
        now = time.monotonic()
        if now - self._shown < (_LINE_SECONDS if self._watched else _LOG_SECONDS):
            return
        self._shown = now
        if self._watched:
            print(f"\r\x1b[K{progress_line(tally)}", end="", file=sys.stderr, flush=True)
        else:
            say(progress_line(tally))

    def wipe(self) -> None:
        """Make room for another message."""
        if self._watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def progress_line(tally: "Tally") -> str:
    """Done of all, rate, time left, errors so far."""
    parts = [f"{tally.done}/{tally.total} files"]
    if tally.kept:
        parts.append(f"{tally.kept} known already")
    if tally.rate is not None and tally.seconds_left is not None:
        parts += [speed(tally.rate), f"{duration(tally.seconds_left)} left"]
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    return ", ".join(parts)


def speed(per_second: float) -> str:
    """So many a second, or a minute where that is less than one: 7.1/s, 12.5/min."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as far as they matter: 2 h 05 min, 3 min 20 s, 12 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
