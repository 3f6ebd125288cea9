"""facevoice folds: what a recipe is worth on speakers, or whole corpora, that it has not seen."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facevoice.cli.console import say, show, when_interrupted
from facevoice.cli.options import add_training_options, positive
from facevoice.errors import InvalidInputError, MissingDependencyError
from facevoice.messages import counted
from facevoice.writing import check_folder

if TYPE_CHECKING:
    from facevoice.scores.table import ScoreTable
    from facevoice.train.folds import Fold
    from facevoice.train.prepare.folder import Prepared
    from facevoice.train.recipe import AnyRecipe

_UAR: Final = ("uar", "uar_low", "uar_high")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "folds",
        help="train recipes once per fold and judge them on what is left out (extra train)",
        description="Every group (speaker, film) of every corpus is held out once, or each corpus"
        " as a whole. Prints figures of the held-out clips by corpus and writes their scores,"
        " which facevoice fuse reads. Of several recipes the mean is judged as well.",
    )
    command.add_argument(
        "recipes",
        nargs="+",
        metavar="RECIPE",
        help="a TOML file, or the name of one that comes with facevoice",
    )
    add_training_options(command)
    command.add_argument("--leave", choices=("groups", "corpus"), default="groups",
                         help="hold out some groups of every corpus, or one corpus as a whole and"
                         " whoever speaks in it (default: groups)")  # fmt: skip
    command.add_argument("--folds", type=positive, default=5, metavar="N",
                         help="of groups (default: 5)")  # fmt: skip
    command.add_argument("--corpora", type=names, default=(), metavar="A,B",
                         help="the corpora to leave out in turn (default: all)")  # fmt: skip
    command.add_argument("--among", action="append", default=[], metavar="CORPUS=A,B",
                         help="judge a corpus among these labels alone")  # fmt: skip
    command.add_argument("--weights", type=numbers, metavar="W,W",
                         help="of several recipes in their mean (default: equal)")  # fmt: skip
    command.add_argument("--record", type=Path, metavar="BUNDLE",
                         help="with --leave corpus: write the figures into its card")  # fmt: skip
    command.add_argument("--json", action="store_true", help="figures as one JSON object")
    command.add_argument("-o", "--output", type=Path, default=Path("runs-out") / "folds",
                         help="the folder (default: runs-out/folds); resumes there",
                         )  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, score, print."""
    from facevoice.bundle import bundle_folder
    from facevoice.bundle.measured import record_left_out
    from facevoice.cli.train import resumes
    from facevoice.train.prepare.folder import join, open_prepared
    from facevoice.train.recipe import load_recipe

    among = dict(map(_pair, options.among))
    recipes = [load_recipe(path, options.set) for path in options.recipes]
    if options.record is not None and options.leave != "corpus":
        raise InvalidInputError("--record belongs to --leave corpus")
    check_folder(options.output)
    recorded = None if options.record is None else bundle_folder(options.record)
    data = join([open_prepared(folder) for folder in options.data])
    try:
        from facevoice.train.folds import by_corpus, calibrated_by_other_folds
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "training") from None

    with when_interrupted(lambda: resumes(options.output)):
        table, folds = _held_out(options, recipes, data)
    if options.leave == "corpus":  # validation rows are of known corpora: they cannot calibrate
        table = calibrated_by_other_folds(table)
    found = {
        corpus: {branch: _figures(part, branch) for branch in part.branches}
        for corpus, part in by_corpus(table, data, among).items()
    }
    if options.json:
        print(json.dumps(found))
    else:
        lines = [line for corpus, each in found.items() for line in _lines(corpus, each)]
        if options.leave == "corpus":
            lines += _means(found, [fold.corpus for fold in folds])
        show("\n".join(lines))
    say(f"scores of {counted(len(table), 'held-out clip')}: {options.output / 'held_out.npz'}")
    if recorded is not None:
        record_left_out(recorded, {fold.corpus: found[fold.corpus] for fold in folds})
        say(f"recorded in {recorded / 'bundle.json'}")
    return 0


def _held_out(
    options: argparse.Namespace, recipes: "Sequence[AnyRecipe]", data: "Prepared"
) -> "tuple[ScoreTable, list[Fold]]":
    """Train all folds of all recipes; their scores, which are written too, and the folds."""
    from facevoice.cli.train import report
    from facevoice.scores.table import write_score_table
    from facevoice.train.fit.run_folder import check_folder as check_run
    from facevoice.train.folds import BLENDED, blend_weights, blended, held_out

    called = [recipe.name for recipe in recipes]
    if len(set(called)) < len(called):
        raise InvalidInputError(f"the recipes need names of their own, got {', '.join(called)}")
    if BLENDED in called:
        raise InvalidInputError(f"a recipe is named {BLENDED!r}, as the mean of all is: rename it")
    weights = blend_weights(options.weights, len(recipes))
    folds = _folds(options, data)
    for recipe in recipes:  # another run in one of the folders is found before hours of training
        for fold in folds:
            check_run(options.output / recipe.name / fold.name, fold.recipe(recipe), data)

    def announce(number: int, fold: "Fold") -> None:
        left = fold.corpus or ", ".join(fold.groups)
        say(f"fold {number} of {len(folds)}: without {left}")

    tables = [
        held_out(recipe, data, folds, options.output / recipe.name,
                 announce=announce, report=report)
        for recipe in recipes
    ]  # fmt: skip
    table = tables[0]
    if len(tables) > 1:
        table, temperature = blended(tables, weights)
        say(f"the mean of the recipes asks for a temperature of {temperature:.2f}")
    write_score_table(table, options.output / "held_out.npz")
    return table, folds


def numbers(text: str) -> list[float]:
    """Numbers between commas."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers between commas") from None


def names(text: str) -> list[str]:
    """Words between commas."""
    return text.split(",")


def _folds(options: argparse.Namespace, data: "Prepared") -> "list[Fold]":
    from facevoice.train.folds import folds_of_corpora, folds_of_groups

    if options.leave == "corpus":
        return folds_of_corpora(data, options.corpora)
    if options.corpora:
        raise InvalidInputError("--corpora belongs to --leave corpus")
    return folds_of_groups(data, options.folds)


def _pair(text: str) -> tuple[str, list[str]]:
    corpus, equals, labels = text.partition("=")
    if not equals:
        raise InvalidInputError(f"--among takes CORPUS=LABEL,LABEL, got {text!r}")
    return corpus, labels.split(",")


def _figures(table: "ScoreTable", branch: str) -> dict[str, Any]:
    """Figures over all labels; over the classes that occur; and how often another is answered."""
    import numpy as np

    from facevoice.bundle.measured import FIGURES
    from facevoice.scores.metrics import evaluate
    from facevoice.train.folds import among_own_classes

    whole, own = evaluate(table, branch), among_own_classes(table)
    among = evaluate(own, branch).rounded(*_UAR)
    shares = np.round(whole.matrix.counts.sum(axis=0) / whole.matrix.total, 4).tolist()
    answers = dict(zip(table.labels, shares, strict=True))
    return {
        "clips": len(table),
        "groups": len(set(table.groups.tolist())),
        **whole.rounded(*FIGURES, *_UAR),
        "own_classes": {"count": len(own.labels), **among},
        "other_classes": {name: answers[name] for name in table.labels if name not in own.labels},
    }


def _lines(corpus: str, branches: dict[str, dict[str, Any]]) -> Iterator[str]:
    first = next(iter(branches.values()))
    yield f"{corpus}: {counted(first['clips'], 'clip')} of {counted(first['groups'], 'group')}"
    for branch, found in branches.items():
        recall = " ".join(f"{label} {share:.2f}" for label, share in found["recall"].items())
        yield (
            f"  {branch}: WAR {found['war']:.3f} ({found['war_low']:.3f}-{found['war_high']:.3f})"
            f"  {_uar(found)}  ECE {found['ece']:.3f} (perfect:"
            f" {found['ece_if_perfect']:.3f})  log-loss {found['log_loss']:.3f}"
            f"  Brier {found['brier']:.3f}"
        )
        yield f"    recall: {recall}"
        own, others = found["own_classes"], found["other_classes"]
        if others:
            said = " ".join(f"{label} {share:.2f}" for label, share in others.items())
            yield f"    among its own {own['count']} classes: {_uar(own)}; others answered: {said}"


def _uar(found: Mapping[str, float]) -> str:
    return f"UAR {found['uar']:.3f} ({found['uar_low']:.3f}-{found['uar_high']:.3f})"


def _means(found: Mapping[str, Mapping[str, Any]], corpora: Sequence[str]) -> Iterator[str]:
    """For each branch its mean over the corpora."""
    for branch in found[corpora[0]]:
        each = [found[corpus][branch] for corpus in corpora]
        whole, own = (
            sum(figures["uar"] for figures in part) / len(corpora)
            for part in (each, [figures["own_classes"] for figures in each])
        )
        yield (
            f"mean of {', '.join(corpora)}: {branch} UAR {whole:.3f}, among their own classes"
            f" {own:.3f}"
        )
