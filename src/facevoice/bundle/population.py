"""The block ``population`` of a bundle's card: made from score tables, and kept under a new tree.

Its statistics are those of a branch at its temperature. A branch that is fitted anew or gets
another temperature needs new ones.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import SMALLEST_SCORE, tempered
from facevoice.branches.tree import dotted_leaves
from facevoice.bundle.read import read_card
from facevoice.bundle.write import write_card
from facevoice.person import BranchPopulation, Population
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

POPULATION: Final = "population"
NEUTRAL: Final = "neutral"
_FEWEST_EMOTIONS: Final = 3
_WITHOUT_EFFECT: Final = ("name", "weight", "licences")

Tree = Mapping[str, Any]


def branch_population(
    scores: Float64Array,
    people: NDArray[np.str_],
    factor: float = 1.0,
    *,
    truth: NDArray[np.int64] | None = None,
    labels: Sequence[str] = (),
) -> BranchPopulation | None:
    """The statistics of a branch from its scores (N, K), NaN where it has none.

    people: (N,) whose clip each is. factor: a further temperature to take the scores to.
    truth: (N,) label indices, -1 where unknown; None: all count alike.
    labels: (K,) their names; a label "neutral" gets statistics of its own.
    """
    present = np.isfinite(scores).all(axis=1)
    if not present.any():
        return None
    logs = np.log(np.maximum(tempered(scores[present], factor), SMALLEST_SCORE))
    classes = None if truth is None else truth[present].tolist()
    neutral = [*labels].index(NEUTRAL) if NEUTRAL in labels else None
    return BranchPopulation.of(logs, people[present].tolist(), classes, neutral=neutral)


def table_population(
    table: ScoreTable, column: str, factor: float = 1.0
) -> BranchPopulation | None:
    """The statistics of a branch from a column of a score table; see ``branch_population``."""
    scores, people = table.column(column), table.groups
    return branch_population(scores, people, factor, truth=table.truth, labels=table.labels)


def centred_neutral(table: ScoreTable, factor: float = 1.0) -> Float64Array | None:
    """How the second model's mean log scores (K,) of people's neutral clips differ from their own.

    table: scores of the second model alone, of clips that it has not learnt from. A person's mean
    is that over the emotions, and a person counts who shows three of them, neutral included.
    Returns None if nobody does.
    """
    scores = tempered(table.column(table.branches[0]), factor)
    logs = np.log(np.maximum(scores, SMALLEST_SCORE))
    if NEUTRAL not in table.labels:
        return None
    neutral, found = table.labels.index(NEUTRAL), []
    known = np.isfinite(logs).all(axis=1) & (table.truth >= 0)
    for person in np.unique(table.groups[known]):
        own = known & (table.groups == person)
        means = {
            each: logs[own & (table.truth == each)].mean(axis=0)
            for each in np.unique(table.truth[own]).tolist()
        }
        if neutral in means and len(means) >= _FEWEST_EMOTIONS:
            found.append(means[neutral] - np.mean([*means.values()], axis=0))
    return np.mean(found, axis=0) if found else None


def kept_population(card: Mapping[str, Any], tree: Tree) -> Population:
    """The statistics of a bundle's branches that a new tree has just as they were, by new name.

    card: bundle.json of the old bundle; empty statistics if it has none.
    """
    block = card.get(POPULATION)
    if block is None:
        return Population({})
    known = Population.from_dict(block).branches
    old = {name: _effect(node) for name, node in dotted_leaves(card["tree"]).items()}
    found = {}
    for name, node in dotted_leaves(tree).items():
        same = next((each for each, effect in old.items() if effect == _effect(node)), None)
        if same is not None and same in known:
            found[name] = known[same]
    return Population(found)


def with_population(card: Mapping[str, Any], population: Population) -> dict[str, Any]:
    """A card with these statistics, or without any if there are none."""
    rest = {key: value for key, value in card.items() if key != POPULATION}
    return rest | ({POPULATION: population.to_dict()} if population.branches else {})


def record_population(folder: Path, population: Population) -> None:
    """Put statistics into a bundle's card; those of other branches stay.

    Raises:
        BundleError: there is no bundle in the folder, or they do not fit it.
        OutputError: the card cannot be written.
    """
    card = read_card(folder)
    earlier = Population.from_dict(card.get(POPULATION, {})).branches
    every = Population({**earlier, **population.branches})
    every.check([*dotted_leaves(card["tree"])], card["labels"])
    write_card(folder, with_population(card, every))


def _effect(node: Tree) -> dict[str, Any]:
    """What a branch's scores depend on."""
    return {key: value for key, value in node.items() if key not in _WITHOUT_EFFECT}
