"""facevoice bundle: finished runs and a tree -> a bundle."""

import argparse
from pathlib import Path

from facevoice.cli.console import say
from facevoice.cli.options import add_overwrite_option
from facevoice.errors import MissingDependencyError


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser("bundle", help="make a bundle from finished runs (extra train)")
    command.add_argument("runs", nargs="+", type=Path, help="run folders")
    command.add_argument(
        "--tree", required=True, help="a TOML file, or the name of one that comes with facevoice"
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the bundle folder")
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Assemble a bundle and print where it is."""
    from facevoice.bundle.write import check_place
    from facevoice.train.fit.run_facts import read_facts

    check_place(options.output, overwrite=options.overwrite)
    for folder in options.runs:
        read_facts(folder)
    try:
        from facevoice.train.export.assemble import assemble
        from facevoice.train.recipe import find_recipe
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "bundling") from None
    folder = assemble(options.runs, find_recipe(options.tree), options.output)
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0
