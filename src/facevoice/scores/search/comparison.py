"""Whether the fusion is better than its parts, and what each part contributes."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from facevoice.scores.metrics import (
    ConfusionMatrix,
    PairedTest,
    paired_permutation,
    predicted_classes,
    recall_weights,
)
from facevoice.scores.search.tree import Fusion
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

Figure = Literal["war", "uar"]


def best_branch(table: ScoreTable, figure: Figure = "war") -> str:
    """The branch with the highest WAR or UAR on the labelled clips; the first of equals."""
    values = []
    for name in table.branches:
        matrix = ConfusionMatrix.of_scores(table.column(name), table.truth, table.labels)
        values.append(matrix.war if figure == "war" else matrix.uar)
    return table.branches[int(np.argmax(values))]


def compare(
    table: ScoreTable,
    first: Float64Array,
    second: Float64Array,
    *,
    figure: Figure = "war",
    by_group: bool = True,
    permutations: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Paired permutation test of two systems' scores (N, K) on a table's labelled clips.

    by_group: swap whole groups (speakers, films), whose clips are alike; else single clips.
    Clips without a prediction count as wrong.
    """
    known = table.labelled
    truth = table.truth[known]
    return paired_permutation(
        predicted_classes(first)[known] == truth,
        predicted_classes(second)[known] == truth,
        groups=table.groups[known] if by_group else None,
        weights=recall_weights(truth) if figure == "uar" else None,
        permutations=permutations,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class Contribution:
    """One branch's contribution: the figure without it, and the test of with against without."""

    branch: str
    without: float
    test: PairedTest


def leave_one_branch_out(
    table: ScoreTable,
    fusion: Fusion,
    *,
    figure: Figure = "war",
    by_group: bool = True,
    seed: int = 0,
) -> tuple[Contribution, ...]:
    """Leave out each branch in turn, with frozen weights, as if the clips lacked it.

    The weights of the others are scaled up as in any clip without a modality. Branches that the
    fusion does not read show a difference of 0.
    """
    whole = fusion.fuse(table)
    found = []
    for name in table.branches:
        less = fusion.fuse(silenced(table, name))
        matrix = ConfusionMatrix.of_scores(less, table.truth, table.labels)
        test = compare(table, whole, less, figure=figure, by_group=by_group, seed=seed)
        found.append(Contribution(name, matrix.war if figure == "war" else matrix.uar, test))
    return tuple(found)


def silenced(table: ScoreTable, branch: str) -> ScoreTable:
    """The table as if no clip had this branch's modality."""
    scores = table.scores.copy()
    scores[:, table.branch_index(branch)] = np.nan
    return replace(table, scores=scores)
