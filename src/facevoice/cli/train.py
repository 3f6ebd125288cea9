"""facevoice train: a recipe and prepared data -> a run."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from facevoice.cli.console import ProgressLine, say, when_interrupted
from facevoice.cli.options import add_training_options, positive
from facevoice.errors import MissingDependencyError
from facevoice.messages import counted


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser("train", help="train a branch from a recipe (extra train)")
    command.add_argument("recipe", help="a TOML file, or the name of one that comes with facevoice")
    add_training_options(command)
    command.add_argument(
        "-o", "--output", type=Path, help="the run folder (default: runs-out/NAME); resumes there"
    )
    command.add_argument(
        "--devices",
        type=positive,
        default=1,
        metavar="N",
        help="GPUs, or processes without one, that share each batch (default: 1)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, printing one line per epoch on standard error."""
    from facevoice.train.prepare.folder import join, open_prepared
    from facevoice.train.recipe import load_recipe
    from facevoice.writing import check_folder

    recipe = load_recipe(options.recipe, options.set)
    folder = options.output or Path("runs-out") / recipe.name
    check_folder(folder)
    prepared = join([open_prepared(folder) for folder in options.data])
    try:
        from facevoice.train.run import train
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "training") from None
    samples = counted(len(prepared.ids), "sample")
    say(f"training {recipe.name} on {samples} of {prepared.meta['corpus']}")
    with ProgressLine("batches", logged=False) as line, when_interrupted(lambda: resumes(folder)):
        progress = partial(_show, line)
        train(recipe, prepared, folder, report, progress=progress, devices=options.devices)
    say(f"run finished: {folder}")
    return 0


def resumes(folder: Path) -> str:
    """What Ctrl-C leaves of training, and how to continue."""
    return f"what is finished is kept in {folder}: to continue, run the same command"


def report(line: dict[str, Any]) -> None:
    """Say how an epoch went."""
    say("  ".join(f"{key} {value}" for key, value in line.items()))


def _show(line: ProgressLine, stage: str, done: int, total: int, loss: float) -> None:
    line(done, total, f"of {stage}, loss {loss:.4f}")
