"""facevoice train and facevoice bundle: a recipe -> a run; runs and a tree -> a bundle."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from facevoice.cli.console import ProgressLine, say
from facevoice.cli.options import add_training_options
from facevoice.errors import InvalidInputError, MissingDependencyError


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verbs."""
    command = verbs.add_parser("train", help="train a branch from a recipe (extra train)")
    command.add_argument("recipe", type=Path, help="a TOML file, see recipes/")
    add_training_options(command)
    command.add_argument(
        "-o", "--output", type=Path, help="the run folder (default: runs-out/NAME); resumes there"
    )
    command.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="GPUs, or processes without one, that share each batch (default: 1)",
    )
    command.set_defaults(run=run_train)
    bundle = verbs.add_parser(
        "bundle",
        help="make a bundle from finished runs (extra train), or from a bundle and new weights",
    )
    bundle.add_argument(
        "runs", nargs="+", type=Path, help="run folders; with --weights the one bundle"
    )
    source = bundle.add_mutually_exclusive_group(required=True)
    source.add_argument("--tree", type=Path, help="a TOML file, see recipes/")
    source.add_argument("--weights", type=Path, help="weights.json, as facevoice fuse writes it")
    bundle.add_argument("-o", "--output", type=Path, required=True, help="the bundle folder")
    bundle.set_defaults(run=run_bundle)


def run_train(options: argparse.Namespace) -> int:
    """Train, printing one line an epoch on standard error."""
    from facevoice.train.fit.joined import join
    from facevoice.train.prepare.folder import open_prepared
    from facevoice.train.recipe import load_recipe

    recipe = load_recipe(options.recipe, options.set)
    prepared = join([open_prepared(folder) for folder in options.data])
    try:
        from facevoice.train.fit.loop import train
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "training") from None
    run = options.output or Path("runs-out") / recipe.name
    say(f"training {recipe.name} on {len(prepared.ids)} samples of {prepared.meta['corpus']}")
    with ProgressLine("batches", logged=False) as line:
        progress = partial(_show, line)
        train(recipe, prepared, run, report, progress=progress, devices=options.devices)
    say(f"run finished: {run}")
    return 0


def report(line: dict[str, Any]) -> None:
    """Say how an epoch went."""
    say("  ".join(f"{key} {value}" for key, value in line.items()))


def _show(line: ProgressLine, stage: str, done: int, total: int, loss: float) -> None:
    line(done, total, f"of {stage}, loss {loss:.4f}")


def run_bundle(options: argparse.Namespace) -> int:
    """Assemble a bundle and say where it is."""
    if options.weights is not None:
        return _reweight(options)
    try:
        from facevoice.train.export.assemble import assemble
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "bundling") from None
    folder = assemble(options.runs, options.tree, options.output)
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0


def _reweight(options: argparse.Namespace) -> int:
    """The same networks under other weights; needs no training library."""
    from facevoice.bundle.reweigh import reweighted
    from facevoice.scores.weights_file import read_weights

    if len(options.runs) != 1:
        raise InvalidInputError(f"--weights are for one bundle, got {len(options.runs)}")
    folder = reweighted(options.runs[0], read_weights(options.weights), options.output)
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0
