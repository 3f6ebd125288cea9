"""Weights of least log-loss: a smooth objective that uses the scores, not just their ranks."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from facevoice.branches.base import SMALLEST_SCORE, softmax
from facevoice.branches.blend import Rule
from facevoice.errors import InvalidInputError
from facevoice.scores.search.tree import WeightTree
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

_SMALLEST_WEIGHT: Final = 1e-6
_MOST_ROUNDS: Final = 50_000
_GAP: Final = 1e-7
_SMALLEST_RATE: Final = 1e-9


def blend_log_loss(table: ScoreTable, vectors: Float64Array, rule: Rule = "sum") -> Float64Array:
    """Mean log-loss of a blend for each weight vector: (M, B) -> (M,), in nats.

    All clips must have a truth. Scores are floored at 1e-12; a clip on which no member of
    positive weight has scores counts as scored uniformly.
    """
    if rule == "product":
        logs, present, truth = _logs(table)
        return np.array([_product(vector, logs, present, truth)[0] for vector in vectors])
    own, present = _own_scores(table)
    mass = vectors @ present.T
    mixed = np.full_like(mass, 1.0 / len(table.labels))
    np.divide(vectors @ own.T, mass, out=mixed, where=mass > 0)
    losses: Float64Array = -np.log(np.maximum(mixed, SMALLEST_SCORE)).mean(axis=1)
    return losses


def fit_log_loss(
    table: ScoreTable,
    members: Sequence[str] | None = None,
    name: str = "system",
    rule: Rule = "sum",
) -> WeightTree:
    """The weights on the simplex (>= 0, sum 1) of least mean log-loss of the blend.

    The sum: for clips on which all members have scores the problem is convex and this is the
    mixture-weights step of expectation maximisation (Dempster, Laird and Rubin, 1977), which never
    goes uphill. Where members are absent the blend divides by the weights of the others; the
    logarithm of that sum is bounded by its tangent, which keeps every step downhill
    (majorise-minimise). The product: exponentiated gradients (Kivinen and Warmuth, 1997), also
    convex where all members have scores.

    The result is within 1e-7 nats of the optimum where all have scores. No weight is below 1e-6, so
    a clip that only one member can score is still answered.

    Raises:
        InvalidInputError: no labelled clip on which a member gives the truth a positive score.
    """
    chosen = table.select(members or table.branches).rows(table.labelled)
    useful = chosen.rows(_own_scores(chosen)[0].sum(axis=1) > 0)
    if not len(useful):
        raise InvalidInputError("no labelled clip has a positive score for its truth")
    speaking = useful.present.any(axis=0)
    descend = _mixture if rule == "sum" else _exponentiated
    weights = descend(useful, speaking / speaking.sum())
    return WeightTree.of(chosen.branches, np.maximum(weights, _SMALLEST_WEIGHT), name, rule)


def _own_scores(table: ScoreTable) -> tuple[Float64Array, Float64Array]:
    """(N, B) each member's score of the truth, 0 if it has none; (N, B) 1 if it has scores."""
    own = table.scores[np.arange(len(table)), :, table.truth]
    return np.nan_to_num(own, nan=0.0), table.present.astype(np.float64)


def _mixture(table: ScoreTable, weights: Float64Array) -> Float64Array:
    own, present = _own_scores(table)
    for _ in range(_MOST_ROUNDS):
        pull = (own / (own @ weights)[:, None]).sum(axis=0)
        mass = (present / (present @ weights)[:, None]).sum(axis=0)
        if ((pull - mass) / len(own)).max() < _GAP:
            break
        weights = weights * np.divide(pull, mass, out=np.zeros_like(pull), where=mass > 0)
        weights = weights / weights.sum()
    return weights


def _exponentiated(table: ScoreTable, weights: Float64Array) -> Float64Array:
    logs, present, truth = _logs(table)
    loss, gradient = _product(weights, logs, present, truth)
    rate = 1.0
    for _ in range(_MOST_ROUNDS):
        if -gradient.min() < _GAP or rate < _SMALLEST_RATE:  # gradient @ weights is 0
            break
        trial = weights * np.exp(rate * (gradient.min() - gradient))
        trial /= trial.sum()
        there, slope = _product(trial, logs, present, truth)
        if there < loss:
            weights, loss, gradient, rate = trial, there, slope, rate * 1.5
        else:
            rate /= 2
    return weights


def _logs(table: ScoreTable) -> tuple[Float64Array, Float64Array, IntArray]:
    """(N, B, K) log scores, 0 where absent; (N, B) 1 where present; (N,) truth."""
    floored = np.maximum(np.nan_to_num(table.scores, nan=1.0), SMALLEST_SCORE)
    return np.log(floored), table.present.astype(np.float64), table.truth


def _product(
    weights: Float64Array, logs: Float64Array, present: Float64Array, truth: IntArray
) -> tuple[float, Float64Array]:
    """Mean log-loss of the product under weights (B,), and its gradient (B,)."""
    clip = np.arange(len(truth))
    mass = (present @ weights)[:, None]
    counted = np.divide(present, mass, out=np.zeros_like(present), where=mass > 0)
    shares = counted * weights
    mixed = softmax(np.einsum("nb,nbk->nk", shares, logs))
    pull = np.einsum("nk,nbk->nb", mixed, logs) - logs[clip, :, truth]
    pull -= (shares * pull).sum(axis=1, keepdims=True)
    losses = -np.log(np.maximum(mixed[clip, truth], SMALLEST_SCORE))
    return float(losses.mean()), (counted * pull).mean(axis=0)
