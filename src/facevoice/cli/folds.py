"""facevoice folds: what a recipe is worth on speakers it has not seen."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevoice.cli.console import say
from facevoice.cli.options import add_training_options, positive
from facevoice.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from facevoice.scores.table import ScoreTable


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "folds",
        help="train recipes once a fold and judge them on the groups left out (extra train)",
        description="Every group (speaker, film) of every corpus is held out once. Prints figures"
        " of the held-out clips by corpus and writes their scores, which facevoice fuse reads. Of"
        " several recipes the mean is judged as well.",
    )
    command.add_argument(
        "recipes",
        nargs="+",
        metavar="RECIPE",
        help="a TOML file, or the name of one that comes with facevoice",
    )
    add_training_options(command)
    command.add_argument("--folds", type=positive, default=5, metavar="N", help="(default: 5)")
    command.add_argument("--among", action="append", default=[], metavar="CORPUS=A,B",
                         help="judge a corpus among these labels alone")  # fmt: skip
    command.add_argument("--weights", type=numbers, metavar="W,W",
                         help="of several recipes in their mean (default: equal)")  # fmt: skip
    command.add_argument("--json", action="store_true", help="figures as one JSON object")
    command.add_argument("-o", "--output", type=Path, default=Path("runs-out") / "folds",
                         help="the folder (default: runs-out/folds); resumes there",
                         )  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, score, print."""
    from facevoice.cli.train import report
    from facevoice.scores.table import write_score_table
    from facevoice.train.prepare.folder import join, open_prepared
    from facevoice.train.recipe import load_recipe

    among = dict(map(_pair, options.among))
    recipes = [load_recipe(path, options.set) for path in options.recipes]
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InvalidInputError(f"the recipes need names of their own, got {', '.join(names)}")
    data = join([open_prepared(folder) for folder in options.data])
    try:
        from facevoice.train.folds import BLENDED, blend_weights, blended, by_corpus, held_out
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "training") from None

    if BLENDED in names:
        raise InvalidInputError(f"a recipe is named {BLENDED!r}, as the mean of all is: rename it")
    weights = blend_weights(options.weights, len(recipes))

    def announce(number: int, groups: tuple[str, ...]) -> None:
        say(f"fold {number} of {options.folds}: without {', '.join(groups)}")

    tables = [
        held_out(recipe, data, options.folds, options.output / recipe.name,
                 announce=announce, report=report)
        for recipe in recipes
    ]  # fmt: skip
    table = tables[0]
    if len(tables) > 1:
        table, temperature = blended(tables, weights)
        say(f"the mean of the recipes asks for a temperature of {temperature:.2f}")
    write_score_table(table, options.output / "held_out.npz")
    found = {
        corpus: {branch: _figures(part, branch) for branch in part.branches}
        for corpus, part in by_corpus(table, data, among).items()
    }
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(line for corpus, each in found.items() for line in _lines(corpus, each)))
    say(f"scores of {len(table)} held-out clips: {options.output / 'held_out.npz'}")
    return 0


def numbers(text: str) -> list[float]:
    """Numbers between commas."""
    return [float(number) for number in text.split(",")]


def _pair(text: str) -> tuple[str, list[str]]:
    corpus, equals, labels = text.partition("=")
    if not equals:
        raise InvalidInputError(f"--among takes CORPUS=LABEL,LABEL, got {text!r}")
    return corpus, labels.split(",")


def _figures(table: "ScoreTable", branch: str) -> dict[str, Any]:
    from facevoice.bundle.measured import FIGURES
    from facevoice.scores.metrics import evaluate

    counts = {"clips": len(table), "groups": len(set(table.groups.tolist()))}
    return counts | evaluate(table, branch).rounded(*FIGURES)


def _lines(corpus: str, branches: dict[str, dict[str, Any]]) -> Iterator[str]:
    first = next(iter(branches.values()))
    yield f"{corpus}: {first['clips']} clips of {first['groups']} groups"
    for branch, found in branches.items():
        recall = " ".join(f"{label} {share:.2f}" for label, share in found["recall"].items())
        yield (
            f"  {branch}: WAR {found['war']:.3f} ({found['war_low']:.3f}-{found['war_high']:.3f})"
            f"  UAR {found['uar']:.3f}  ECE {found['ece']:.3f} (perfect:"
            f" {found['ece_if_perfect']:.3f})  log-loss {found['log_loss']:.3f}"
            f"  Brier {found['brier']:.3f}"
        )
        yield f"    recall: {recall}"
