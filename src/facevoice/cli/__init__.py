"""The command line: one thin module per verb; heavy imports are inside the command.

Exit status 0: every input was read; 1: some failed; 2: wrong usage; 130: interrupted. Results go
to standard output, messages and progress to standard error.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from facevoice.cli import (
    adapt,
    baseline,
    bundle,
    demo,
    doctor,
    evaluate,
    folds,
    fuse,
    live,
    models,
    predict,
    prepare,
    quantize,
    reweigh,
    score,
    serve,
    timeline,
    train,
)
from facevoice.cli.console import say, show
from facevoice.cli.options import INTERRUPTED
from facevoice.errors import FacevoiceError
from facevoice.messages import near
from facevoice.output.wording import visible

FAILED = 1
USAGE = 2
_VERBS = (
    predict,
    baseline,
    timeline,
    live,
    serve,
    demo,
    models,
    doctor,
    score,
    fuse,
    evaluate,
    prepare,
    train,
    folds,
    bundle,
    reweigh,
    adapt,
    quantize,
)


class _Parser(argparse.ArgumentParser):
    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse what is not one of an option's choices, with the one that was perhaps meant."""
        known = [str(each) for each in action.choices or ()]
        if known and value not in known:
            raise argparse.ArgumentError(
                action, f"{value!r} is none of {', '.join(known)}{near(str(value), known)}"
            )

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """The options that begin so; refuse a misspelt one, before any other complaint.

        Not where a command comes first: what follows it are the command's own options.
        """
        found: list[Any] = super()._get_option_tuples(option_string)
        name, _, _ = option_string.partition("=")
        if not found and name.startswith("--") and " " not in name and self._subparsers is None:
            meant = near(name, self._option_string_actions)
            self.error(f"{name} is not an option of this command{meant}")
        return found

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {visible(message)} (try {self.prog} --help)\n")


class _ShowVersion(argparse.Action):
    """Prints the version, which takes a while to look up, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from facevoice import __version__

        show(f"facevoice {__version__}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="facevoice",
        description="Recognise emotion in face and voice from an ordinary video, offline.",
    )
    top.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for verb in _VERBS:
        verb.add(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except FacevoiceError as error:
        say(str(error))
        return FAILED
    except BrokenPipeError:
        # the reader closed the pipe, as `| head` does; silence the interpreter's final flush too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that may not be read, a disk that is full
        if error.filename is None:
            raise
        say(f"{error.filename}: {error.strerror}")
        return FAILED
    except KeyboardInterrupt as error:
        say(": ".join(filter(None, ("interrupted", str(error)))))
        return INTERRUPTED
    return status
