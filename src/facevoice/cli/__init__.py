"""The command line: one module a verb, each thin, heavy imports inside the command.

Exit status 0: every input was read; 1: some failed; 2: wrong usage. Results go to standard
output, messages and progress to standard error.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from facevoice import __version__
from facevoice.cli import (
    adapt,
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
    reweigh,
    score,
    timeline,
    train,
)
from facevoice.errors import FacevoiceError

FAILED = 1
USAGE = 2
INTERRUPTED = 130
_VERBS = (
    predict,
    timeline,
    live,
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
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (try {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="facevoice",
        description="Tell what a face and a voice say together, from an ordinary video.",
    )
    top.add_argument("--version", action="version", version=f"facevoice {__version__}")
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
        print(f"facevoice: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # the reader has left, as `| head` does; keep the interpreter's own flush quiet as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("facevoice: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status
