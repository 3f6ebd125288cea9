"""How well a search for weights does on clips that it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.search.tree import Fusion, WeightTree, weight_tree
from facevoice.scores.table import ScoreTable, grouped_folds
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

Fit = Callable[[ScoreTable], Fusion]
"""A way of choosing weights: from labelled clips to something that fuses."""


@dataclass(frozen=True, slots=True)
class NestedResult:
    """Out-of-fold predictions, and how much the weights vary.

    scores: (N, K) each clip fused with what was fitted without its fold; NaN where none has
        scores.
    folds: (N,) fold of each clip. fitted: one for each fold.
    """

    scores: Float64Array
    folds: IntArray
    fitted: tuple[Fusion, ...]

    def weights(self, node: str | None = None) -> tuple[tuple[str, ...], Float64Array]:
        """Members of a node (the root by default) and its weights in each fold, (F, B), sum 1.

        Raises:
            InvalidInputError: what was fitted has no weights (e.g. a stacked regression).
        """
        rows: list[Float64Array] = []
        members: tuple[str, ...] = ()
        for fitted in self.fitted:
            tree = weight_tree(fitted)
            found = tree.root if node is None else tree.node(node)
            members = found.members
            rows.append(np.array(found.weights) / sum(found.weights))
        return members, np.stack(rows)

    @property
    def mean_tree(self) -> WeightTree:
        """A tree with the mean weights of the folds, which vary less."""
        nodes = weight_tree(self.fitted[0]).nodes
        means = (self.weights(node.name)[1].mean(axis=0).tolist() for node in nodes)
        return WeightTree(
            tuple(
                replace(node, weights=tuple(mean)) for node, mean in zip(nodes, means, strict=True)
            )
        )


def fit_nested(
    table: ScoreTable,
    fit: Fit,
    *,
    n_folds: int = 5,
    seed: int = 0,
    folds: IntArray | None = None,
) -> NestedResult:
    """Fit on all folds but one, predict that one, for every fold in turn.

    Args:
        table: clips; those of unknown truth are predicted, never fitted on.
        fit: chooses weights, by itself or by folds of its own inside the training clips.
        n_folds: groups stay whole.
        seed: of the folds.
        folds: (N,) fold of each clip, instead of n_folds and seed.

    Raises:
        InvalidInputError: a group is in two folds, or there are too few groups.
    """
    fold_of = grouped_folds(table, n_folds, seed) if folds is None else np.asarray(folds)
    if fold_of.shape != (len(table),) or len(np.unique(fold_of)) < 2:
        raise InvalidInputError(f"folds must be ({len(table)},) with at least two folds")
    _check_groups(table, fold_of)
    scores = np.full((len(table), len(table.labels)), np.nan)
    fitted = []
    for fold in np.unique(fold_of):
        held = fold_of == fold
        fitted.append(fit(table.rows(~held & table.labelled)))
        scores[held] = fitted[-1].fuse(table.rows(held))
    return NestedResult(scores, fold_of, tuple(fitted))


def _check_groups(table: ScoreTable, folds: IntArray) -> None:
    pairs = np.unique(np.stack([table.groups, folds.astype(np.str_)]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        raise InvalidInputError(
            f"group {str(names[counts > 1][0])!r} is in {counts.max()} folds: the weights"
            " would be judged on people they were fitted on"
        )
