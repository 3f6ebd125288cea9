"""Fitting a stack: a multinomial logistic regression over all branches' scores (Wolpert, 1992)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from facevoice.branches.base import softmax
from facevoice.branches.stack import stack, stacking_features
from facevoice.errors import InvalidInputError, LabelMismatchError
from facevoice.scores.newton import minimise
from facevoice.scores.search.tree import check_format
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

_INTERCEPT_PENALTY: Final = 1e-8


@dataclass(frozen=True, slots=True, repr=False)
class StackedRegression:
    """A fitted regression; ``branches.Stack`` applies it to the scores of one clip.

    members: (B,) branches read. labels: (K,). inverse_penalty: C, as in scikit-learn.
    coefficients: (B x K + 1, K); the last row is the intercept. name: of the node.

    Raises InvalidInputError if the coefficients are of another shape.
    """

    members: tuple[str, ...]
    labels: tuple[str, ...]
    inverse_penalty: float
    coefficients: Float64Array
    name: str = "system"

    def __post_init__(self) -> None:
        size = len(self.labels)
        found, wanted = self.coefficients.shape, (len(self.members) * size + 1, size)
        if found != wanted:
            raise InvalidInputError(f"coefficients must be {wanted}, got {found}")

    @property
    def leaves(self) -> tuple[str, ...]:
        """The branches read, under the name that ``WeightTree`` uses."""
        return self.members

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores; a row of NaN where no member has any.

        Raises:
            LabelMismatchError: the table's labels are others, or in another order.
        """
        self.check_labels(table.labels)
        return stack(table.select(self.members).scores, self.coefficients)

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelMismatchError unless these are the labels that it was fitted on, in order."""
        if tuple(labels) != self.labels:
            raise LabelMismatchError(
                f"the regression was fitted on the labels {', '.join(self.labels)},"
                f" not on {', '.join(labels)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """What weights.json holds."""
        return {
            "format": 1,
            "kind": "stacking",
            "members": list(self.members),
            "labels": list(self.labels),
            "inverse_penalty": self.inverse_penalty,
            "coefficients": self.coefficients.tolist(),
        }

    @classmethod
    def of_dict(cls, card: Mapping[str, Any]) -> "StackedRegression":
        """Read back what ``to_dict`` gave; other keys are ignored.

        Raises:
            InvalidInputError: another format or shape. KeyError, TypeError: a key is absent or of a
                wrong type.
        """
        check_format(card)
        coefficients = np.array(card["coefficients"], np.float64)
        members, labels = tuple(card["members"]), tuple(card["labels"])
        return cls(members, labels, float(card["inverse_penalty"]), coefficients)

    def __repr__(self) -> str:
        return f"StackedRegression({', '.join(self.members)}; C={self.inverse_penalty:g})"


def fit_stacking(
    table: ScoreTable,
    members: Sequence[str] | None = None,
    *,
    inverse_penalty: float = 0.01,
    name: str = "system",
) -> StackedRegression:
    """Fit by Newton's method on the labelled clips on which a member has scores.

    Minimises C x (sum of log-losses) + half the squared coefficients, intercepts free: the
    objective of scikit-learn's ``LogisticRegression``. A class that never occurs gets almost no
    score, since its intercept falls.

    Args:
        table: training clips.
        members: branches to read; all by default.
        inverse_penalty: C > 0; small means close to the class shares.
        name: of the node.

    Raises:
        InvalidInputError: C is not positive, or no clip to fit on.
    """
    if inverse_penalty <= 0:
        raise InvalidInputError(f"inverse_penalty must be positive, got {inverse_penalty}")
    chosen = table.select(members or table.branches)
    chosen = chosen.rows(chosen.labelled & chosen.answered)
    if not len(chosen):
        raise InvalidInputError("stacking needs a labelled clip with scores")
    features = stacking_features(chosen.scores)
    found = _regression(features, chosen.truth, len(chosen.labels), inverse_penalty)
    return StackedRegression(chosen.branches, chosen.labels, inverse_penalty, found, name)


def _regression(
    features: Float64Array, truth: IntArray, size: int, inverse_penalty: float
) -> Float64Array:
    """(F, K) coefficients; the points of the search are (K x F,), class by class."""
    count, width = features.shape
    target = np.eye(size)[truth]
    decay = np.full(width, 1 / inverse_penalty)
    decay[-1] = _INTERCEPT_PENALTY

    def loss(point: Float64Array) -> float:
        at = point.reshape(size, width).T
        logits = features @ at
        top = logits.max(axis=1)
        spread = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        own = logits[np.arange(count), truth]
        return float((spread - own).sum() + (decay[:, None] * at**2).sum() / 2)

    def derivatives(point: Float64Array) -> tuple[Float64Array, Float64Array]:
        at = point.reshape(size, width).T
        mixed = softmax(features @ at)
        gradient = features.T @ (mixed - target) + decay[:, None] * at
        return gradient.T.reshape(-1), _hessian(features, mixed, decay)

    found = minimise(np.zeros(size * width), loss, derivatives, promise=1e-10)
    return found.reshape(size, width).T


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
