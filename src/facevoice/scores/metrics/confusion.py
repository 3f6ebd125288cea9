"""Decisions and their figures: accuracy overall, per class and per group.

WAR (weighted average recall) is plain accuracy; UAR (unweighted average recall) is the mean of
the recalls of the classes that occur. A clip without a prediction counts as wrong in both.
Score arrays are (N, K) float64; a row of NaN is a clip without a prediction. Truth is (N,) int,
the label's index, or -1 where it is unknown; clips without truth are left out everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.types import TIE_TOLERANCE, Float64Array

IntArray = NDArray[np.int64]

UNANSWERED: Final = -1
"""The predicted class of a clip without scores."""


def checked_scores(scores: NDArray[Any], truth: NDArray[Any]) -> tuple[Float64Array, IntArray]:
    """Check that scores (N, K) and truth (N,) belong together, and convert them.

    Raises:
        InvalidInputError: shapes do not match, or a truth is not in -1 ... K - 1.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise InvalidInputError(f"scores must be (N, K) with K >= 1, got shape {values.shape}")
    return values, checked_truth(truth, len(values), values.shape[1])


def checked_truth(truth: NDArray[Any], count: int, n_classes: int) -> IntArray:
    """Check a truth of (count,) whole numbers in -1 ... n_classes - 1, and convert it to int64."""
    found = np.asarray(truth)
    if found.shape != (count,):
        raise InvalidInputError(f"truth must be ({count},) like the clips, got {found.shape}")
    if count and not np.issubdtype(found.dtype, np.integer):
        raise InvalidInputError(f"truth must be label indices (integers), got {found.dtype}")
    result = found.astype(np.int64)
    wrong = np.flatnonzero((result < -1) | (result >= n_classes))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(
            f"truth of row {row} is {result[row]}, out of range for {n_classes} labels"
            f" (0 ... {n_classes - 1}, or -1 for unknown)"
        )
    return result


def predicted_classes(scores: NDArray[Any]) -> IntArray:
    """The class with the highest score in each row: (N, K) -> (N,), -1 for rows of NaN.

    The lowest index wins among scores within ``TIE_TOLERANCE`` of the highest.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise InvalidInputError(f"scores must be (N, K) with K >= 1, got shape {values.shape}")
    answered = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
    filled = np.where(np.expand_dims(answered, 1), values, 0.0)
    highest = filled.max(axis=1, keepdims=True)
    first = np.argmax(filled >= highest - TIE_TOLERANCE, axis=1)
    return np.where(answered, first, UNANSWERED).astype(np.int64)


@dataclass(frozen=True, slots=True, repr=False)
class ConfusionMatrix:
    """Counts of truth against prediction, and the figures that follow from them.

    labels: (K,) names.
    counts: (K, K) int64, row = truth, column = prediction.
    unanswered: (K,) int64, clips of each truth without a prediction; they count as wrong.
    """

    labels: tuple[str, ...]
    counts: IntArray
    unanswered: IntArray

    def __post_init__(self) -> None:
        size = len(self.labels)
        if self.counts.shape != (size, size) or self.unanswered.shape != (size,):
            raise InvalidInputError(
                f"{size} labels need counts ({size}, {size}) and unanswered ({size},),"
                f" got {self.counts.shape} and {self.unanswered.shape}"
            )
        if (self.counts < 0).any() or (self.unanswered < 0).any():
            raise InvalidInputError("a confusion matrix holds counts: none may be negative")

    @classmethod
    def of_predictions(
        cls, truth: NDArray[Any], predicted: NDArray[Any], labels: Sequence[str]
    ) -> "ConfusionMatrix":
        """Count truth (N,) against predicted (N,), both label indices; -1 as in the module."""
        size = len(labels)
        known = checked_truth(truth, len(truth), size)
        answer = checked_truth(predicted, len(known), size)
        cells = known * (size + 1) + answer + 1
        counts = np.bincount(cells[known >= 0], minlength=size * (size + 1)).astype(np.int64)
        counts = counts.reshape(size, size + 1)
        return cls(tuple(labels), counts[:, 1:], counts[:, 0])

    @classmethod
    def of_scores(
        cls, scores: NDArray[Any], truth: NDArray[Any], labels: Sequence[str]
    ) -> "ConfusionMatrix":
        """Count the decisions of scores (N, K) against truth (N,)."""
        return cls.of_predictions(truth, predicted_classes(scores), labels)

    @property
    def support(self) -> IntArray:
        """(K,) clips of each truth."""
        total: IntArray = self.counts.sum(axis=1) + self.unanswered
        return total

    @property
    def total(self) -> int:
        """All clips with a truth."""
        return int(self.support.sum())

    @property
    def right(self) -> int:
        """Clips predicted correctly."""
        return int(np.trace(self.counts))

    @property
    def coverage(self) -> float:
        """Share of the clips that have a prediction; NaN without clips."""
        return _ratio(self.total - int(self.unanswered.sum()), self.total)

    @property
    def war(self) -> float:
        """Weighted average recall, which is accuracy: 0 to 1; NaN without clips."""
        return _ratio(self.right, self.total)

    @property
    def recall(self) -> Float64Array:
        """(K,) share of each class that was found; NaN for classes that do not occur."""
        return ratios(np.diag(self.counts), self.support)

    @property
    def precision(self) -> Float64Array:
        """(K,) share of each predicted class that was right; NaN for classes never predicted."""
        return ratios(np.diag(self.counts), self.counts.sum(axis=0))

    @property
    def f1(self) -> Float64Array:
        """(K,) harmonic mean of precision and recall; NaN for classes that do not occur."""
        twice = self.support + self.counts.sum(axis=0)
        scores = ratios(2 * np.diag(self.counts), twice)
        scores[self.support == 0] = np.nan
        return scores

    @property
    def uar(self) -> float:
        """Unweighted average recall over the classes that occur: 0 to 1."""
        return _mean(self.recall)

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur: 0 to 1; a class never found counts as 0."""
        return _mean(self.f1)

    @property
    def row_percent(self) -> Float64Array:
        """(K, K) percent of each truth, as in the paper's Fig. 2; NaN rows for absent classes."""
        return 100.0 * ratios(self.counts, self.support[:, None])

    def __repr__(self) -> str:
        return (
            f"ConfusionMatrix({len(self.labels)} labels, {self.total} clips,"
            f" WAR {100 * self.war:.2f} %, UAR {100 * self.uar:.2f} %)"
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def ratios(part: NDArray[Any], whole: NDArray[Any]) -> Float64Array:
    """Part / whole, NaN where whole is 0; shapes broadcast."""
    result = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=result, where=np.broadcast_to(whole, result.shape) > 0)
    return result


def _mean(values: Float64Array) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if len(present) else float("nan")


def recall_weights(truth: NDArray[Any]) -> Float64Array:
    """(N,) weights whose sum over the right clips is the UAR: 1 / (classes x class size).

    Clips of unknown truth (-1) weigh 0.
    """
    known = np.asarray(truth).astype(np.int64)
    sizes = np.bincount(known[known >= 0], minlength=1)
    weights = 1.0 / np.maximum(np.count_nonzero(sizes) * sizes[known], 1)
    return np.where(known >= 0, weights, 0.0)


def goal_weights(truth: NDArray[Any], goal: str) -> Float64Array:
    """(N,) weights whose sum over the right clips is the goal: "war" or "uar".

    Raises:
        InvalidInputError: another goal.
    """
    if goal not in ("war", "uar"):
        raise InvalidInputError(f"unknown objective {goal!r}; known: war, uar")
    return recall_weights(truth) if goal == "uar" else np.full(len(truth), 1 / max(len(truth), 1))


@dataclass(frozen=True, slots=True)
class GroupSpread:
    """How much accuracy differs between groups (speakers, films).

    groups: names; size: (G,) labelled clips; war: (G,) accuracy of each, 0 to 1.
    """

    groups: tuple[str, ...]
    size: IntArray
    war: Float64Array

    @property
    def deviation(self) -> float:
        """Standard deviation between groups (each counts once); NaN for a single group."""
        return float(self.war.std(ddof=1)) if len(self.war) > 1 else float("nan")


def group_spread(truth: NDArray[Any], predicted: NDArray[Any], groups: NDArray[Any]) -> GroupSpread:
    """Accuracy within each group; truth, predicted and groups are (N,)."""
    known = np.asarray(truth)
    if known.shape != np.shape(predicted) or known.shape != np.shape(groups):
        raise InvalidInputError(
            f"truth, predicted and groups must have one shape, got {known.shape},"
            f" {np.shape(predicted)}, {np.shape(groups)}"
        )
    labelled = known >= 0
    names, member = np.unique(np.asarray(groups)[labelled], return_inverse=True)
    size = np.bincount(member, minlength=len(names)).astype(np.int64)
    right = (known == np.asarray(predicted))[labelled]
    hits = np.bincount(member, weights=right, minlength=len(names))
    return GroupSpread(tuple(str(name) for name in names), size, hits / np.maximum(size, 1))
