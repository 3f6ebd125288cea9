"""Weights of least log-loss: a smooth objective that uses scores, not only their ranks."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.search.tree import WeightTree
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

_SMALLEST_SCORE: Final = 1e-12
_SMALLEST_WEIGHT: Final = 1e-6
_MOST_ROUNDS: Final = 50_000
_GAP: Final = 1e-7


def blend_log_loss(table: ScoreTable, vectors: Float64Array) -> Float64Array:
    """Mean log-loss of a blend for each weight vector: (M, B) -> (M,), in nats.

    All clips must have a truth. Scores are floored at 1e-12; a clip on which no member of
    positive weight speaks counts as scored uniformly.
    """
    own, present = _own_scores(table)
    mass = vectors @ present.T
    mixed = np.full_like(mass, 1.0 / len(table.labels))
    np.divide(vectors @ own.T, mass, out=mixed, where=mass > 0)
    losses: Float64Array = -np.log(np.maximum(mixed, _SMALLEST_SCORE)).mean(axis=1)
    return losses


def _own_scores(table: ScoreTable) -> tuple[Float64Array, Float64Array]:
    """(N, B) each member's score of the truth, 0 where it is silent; (N, B) 1 where it speaks."""
    own = table.scores[np.arange(len(table)), :, table.truth]
    return np.nan_to_num(own, nan=0.0), table.present.astype(np.float64)


def fit_log_loss(
    table: ScoreTable, members: Sequence[str] | None = None, name: str = "system"
) -> WeightTree:
    """The weights on the simplex (>= 0, sum 1) of least mean log-loss of the blend.

    For clips on which all members speak the problem is convex and this is the mixture-weights step
    of expectation maximisation (Dempster, Laird and Rubin, 1977), which never goes uphill. Where
    members are silent the blend divides by the weights of those that speak; the logarithm of that
    sum is bounded by its tangent, which keeps every step downhill (majorise-minimise).

    The result is within 1e-7 nats of the optimum where all speak. No weight is below 1e-6, so a
    clip that one member alone can judge is still answered.

    Raises:
        InvalidInputError: no labelled clip on which a member gives the truth a positive score.
    """
    chosen = table.select(members or table.branches).rows(table.labelled)
    own, present = _own_scores(chosen)
    useful = own.sum(axis=1) > 0
    if not useful.any():
        raise InvalidInputError("no labelled clip has a positive score for its truth")
    own, present = own[useful], present[useful]
    speaking = present.any(axis=0)
    weights = speaking / speaking.sum()
    for _ in range(_MOST_ROUNDS):
        pull = (own / (own @ weights)[:, None]).sum(axis=0)
        mass = (present / (present @ weights)[:, None]).sum(axis=0)
        if ((pull - mass) / len(own)).max() < _GAP:
            break
        weights = weights * np.divide(pull, mass, out=np.zeros_like(pull), where=mass > 0)
        weights = weights / weights.sum()
    return WeightTree.of(chosen.branches, np.maximum(weights, _SMALLEST_WEIGHT), name)
