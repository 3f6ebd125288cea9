"""facevoice quantize: a bundle and prepared data -> the bundle with its networks in int8."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import say, show
from facevoice.cli.options import add_overwrite_option, positive
from facevoice.errors import BundleError, MissingDependencyError

if TYPE_CHECKING:
    from facevoice.train.export.quantize import Outcome


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "quantize",
        help="put a bundle's networks into int8 where its scores stay as they are (extra train)",
        description="Finds the range of every value on some clips of a prepared folder and judges"
        " by others: a branch whose scores or labels would change keeps its networks.",
    )
    command.add_argument("bundle", metavar="NAME|FOLDER", help="the bundle")
    command.add_argument("--data", type=Path, required=True, metavar="FOLDER",
                         help="the output of facevoice prepare")  # fmt: skip
    command.add_argument("-o", "--output", type=Path, required=True, help="the new bundle folder")
    command.add_argument("--name", default="", help="of the new bundle (default: OLD-int8)")
    command.add_argument("--clips", type=positive, default=64, metavar="N",
                         help="clips to find ranges on (default: 64)")  # fmt: skip
    command.add_argument("--shared-parts", action="store_true",
                         help="copy no networks that ship with facevoice")  # fmt: skip
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Quantise, and print one line per branch."""
    from facevoice.bundle.write import check_place
    from facevoice.train.prepare.folder import open_prepared

    check_place(options.output, overwrite=options.overwrite)
    data = open_prepared(options.data)
    try:
        from facevoice.train.export.quantize import quantize
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "quantising") from None
    outcomes = quantize(
        options.bundle, data, options.output, name=options.name, clips=options.clips,
        shared_parts=options.shared_parts, report=lambda outcome: show(line(outcome)),
    )  # fmt: skip
    if all(outcome.reason for outcome in outcomes):
        raise BundleError("no branch can be put into int8: no bundle was written")
    folder = options.output
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0


def line(outcome: "Outcome") -> str:
    """What a branch came to."""
    verdict = f"stays as it is: {outcome.reason}" if outcome.reason else "int8"
    if not outcome.clips:
        return f"{outcome.name}: {verdict}"
    before, after = (size / 1e6 for size in outcome.sizes)
    slow, fast = outcome.milliseconds
    return (
        f"{outcome.name}: {verdict}; {before:.3g} -> {after:.3g} MB, {slow:.3g} -> {fast:.3g} ms"
        f" per clip; scores change by {outcome.change:.4f}, same label in {outcome.same:.1%} of"
        f" {outcome.clips} clips"
    )
