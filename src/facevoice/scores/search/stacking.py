"""Stacking: a multinomial logistic regression over all branches' scores (Wolpert, 1992)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

_SMALLEST_SCORE: Final = 1e-3
"""Scores are floored here before the logarithm: a vote of 0 in 16 frames is no certainty."""

_MOST_STEPS: Final = 100
_INTERCEPT_PENALTY: Final = 1e-8


@dataclass(frozen=True, slots=True, repr=False)
class StackedRegression:
    """A fitted regression.

    members: (B,) branches read. labels: (K,). inverse_penalty: C, as in scikit-learn.
    coefficients: (B x K + 1, K); the last row is the intercept.
    """

    members: tuple[str, ...]
    labels: tuple[str, ...]
    inverse_penalty: float
    coefficients: Float64Array

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores; a row of NaN where no member speaks."""
        chosen = table.select(self.members)
        logits = stacking_features(chosen) @ self.coefficients
        scores = _softmax(logits)
        scores[~chosen.answered] = np.nan
        return scores

    def __repr__(self) -> str:
        return f"StackedRegression({', '.join(self.members)}; C={self.inverse_penalty:g})"


def stacking_features(table: ScoreTable) -> Float64Array:
    """(N, B x K + 1): centred log-scores of each branch, and a 1.

    A silent branch gives zeros, which is what a uniform distribution gives.
    """
    logs = np.log(np.maximum(np.nan_to_num(table.scores, nan=1.0), _SMALLEST_SCORE))
    centred = logs - logs.mean(axis=2, keepdims=True)
    flat = centred.reshape(len(table), -1)
    return np.hstack([flat, np.ones((len(table), 1))])


def fit_stacking(
    table: ScoreTable, members: Sequence[str] | None = None, *, inverse_penalty: float = 0.01
) -> StackedRegression:
    """Fit by Newton's method on the labelled clips on which a member speaks.

    Minimises C x (sum of log-losses) + half the squared coefficients, intercepts free: the
    objective of scikit-learn's ``LogisticRegression``.

    Args:
        table: training clips.
        members: branches to read; all by default.
        inverse_penalty: C > 0; small means close to the class shares.

    Raises:
        InvalidInputError: C is not positive, or no clip to fit on.
    """
    if inverse_penalty <= 0:
        raise InvalidInputError(f"inverse_penalty must be positive, got {inverse_penalty}")
    chosen = table.select(members or table.branches)
    chosen = chosen.rows(chosen.labelled & chosen.answered)
    if not len(chosen):
        raise InvalidInputError("stacking needs a labelled clip with scores")
    coefficients = _newton(
        stacking_features(chosen), chosen.truth, len(chosen.labels), inverse_penalty
    )
    return StackedRegression(chosen.branches, chosen.labels, inverse_penalty, coefficients)


def _softmax(logits: Float64Array) -> Float64Array:
    powered = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: Float64Array = powered / powered.sum(axis=1, keepdims=True)
    return normalised


def _newton(
    features: Float64Array, truth: IntArray, size: int, inverse_penalty: float
) -> Float64Array:
    """Damped Newton; classes that never occur get no score of note, as their offset falls."""
    width = features.shape[1]
    target = np.eye(size)[truth]
    decay = np.full(width, 1 / inverse_penalty)
    decay[-1] = _INTERCEPT_PENALTY

    def loss(at: Float64Array) -> float:
        logits = features @ at
        top = logits.max(axis=1)
        spread = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        own = logits[np.arange(len(truth)), truth]
        return float((spread - own).sum() + (decay[:, None] * at**2).sum() / 2)

    at = np.zeros((width, size))
    here = loss(at)
    for _ in range(_MOST_STEPS):
        mixed = _softmax(features @ at)
        gradient = features.T @ (mixed - target) + decay[:, None] * at
        move = np.linalg.solve(_hessian(features, mixed, decay), gradient.T.reshape(-1))
        step = move.reshape(size, width).T
        promise = float((gradient * step).sum())
        if promise < 1e-10:
            break
        length = 1.0
        while (there := loss(at - length * step)) > here - 1e-4 * length * promise:
            length /= 2
            if length < 1e-8:
                return at
        at, here = at - length * step, there
    return at


def _hessian(features: Float64Array, mixed: Float64Array, decay: Float64Array) -> Float64Array:
    """(K x F, K x F), class by class."""
    width, size = features.shape[1], mixed.shape[1]
    whole = np.empty((size, width, size, width))
    for row in range(size):
        for column in range(row, size):
            share = mixed[:, row] * (float(row == column) - mixed[:, column])
            block = features.T @ (features * share[:, None])
            whole[row, :, column, :] = block
            whole[column, :, row, :] = block
        whole[row, :, row, :] += np.diag(decay)
    return whole.reshape(size * width, size * width)
