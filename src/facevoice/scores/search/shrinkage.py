"""Weights between those found and equal ones, for too few clips to fit five free weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.metrics import predicted_classes
from facevoice.scores.metrics.confusion import goal_weights
from facevoice.scores.search.nested import Fit
from facevoice.scores.search.tree import Fusion, Node, WeightTree, weight_tree
from facevoice.scores.table import ScoreTable, grouped_folds
from facevoice.types import Float64Array

AMOUNTS = tuple(index / 10 for index in range(11))


@dataclass(frozen=True, slots=True)
class ShrunkWeights:
    """Weights shrunk by an amount that did best on held-out groups.

    tree: one node. amount: 0 keeps what was found, 1 is equal weights.
    amounts, values: what was tried, and the objective over the held-out clips (0 to 1).
    """

    tree: WeightTree
    amount: float
    amounts: tuple[float, ...]
    values: Float64Array


def shrink(weights: Float64Array, amount: float) -> Float64Array:
    """(1 - amount) x weights (scaled to sum 1) + amount x equal weights: (B,) -> (B,)."""
    if not 0 <= amount <= 1:
        raise InvalidInputError(f"amount must lie in 0 ... 1, got {amount}")
    scaled = weights / weights.sum()
    shrunk: Float64Array = (1 - amount) * scaled + amount / len(weights)
    return shrunk


def fit_shrunk(
    table: ScoreTable,
    fit: Fit,
    *,
    amounts: Sequence[float] = AMOUNTS,
    objective: str = "war",
    n_folds: int = 5,
    seed: int = 0,
) -> ShrunkWeights:
    """Shrink the weights that fit finds towards equal ones.

    The amount is chosen over grouped folds: weights are found on the others, shrunk by each
    amount, and judged on the fold. Of equally good amounts the largest (most equal) is taken.

    Args:
        table: labelled clips of all branches to blend.
        fit: gives a tree of one node, or a result with a ``tree``.
        amounts: what to try, ascending.
        objective: "war" or "uar".
        n_folds: groups stay whole.
        seed: of the folds.
    """
    known = table.rows(table.labelled)
    worth = goal_weights(known.truth, objective)
    folds = grouped_folds(known, n_folds, seed)
    values = np.zeros(len(amounts))
    for fold in range(n_folds):
        held = known.rows(folds == fold)
        found = _one_node(fit(known.rows(folds != fold)))
        for place, amount in enumerate(amounts):
            right = predicted_classes(_shrunk(found, amount).fuse(held)) == held.truth
            values[place] += float(worth[folds == fold] @ right)
    best = amounts[int(np.flatnonzero(values >= values.max() - 1e-12)[-1])]
    tree = WeightTree((_shrunk(_one_node(fit(known)), best),))
    return ShrunkWeights(tree, best, tuple(amounts), values)


def _shrunk(node: Node, amount: float) -> Node:
    return replace(node, weights=tuple(shrink(np.array(node.weights), amount).tolist()))


def _one_node(fitted: Fusion) -> Node:
    tree = weight_tree(fitted)
    if len(tree.nodes) != 1:
        raise InvalidInputError("shrinkage needs a search that gives one node of weights")
    return tree.root
