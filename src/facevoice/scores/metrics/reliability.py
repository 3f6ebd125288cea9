"""How well calibrated scores are: log-loss, Brier score, calibration error.

Only clips that have both scores and a truth count here; every row is scaled to sum 1 first.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.scores.metrics.confusion import IntArray, checked_scores, predicted_classes, ratios
from facevoice.types import Float64Array

SMALLEST_PROBABILITY: Final = float(np.finfo(np.float64).eps)
"""Scores are floored here (2.2e-16) before a logarithm, as in scikit-learn."""


def _answered(scores: NDArray[Any], truth: NDArray[Any]) -> tuple[Float64Array, IntArray]:
    """The rows with truth and scores, each row scaled to sum 1."""
    values, known = checked_scores(scores, truth)
    keep = (known >= 0) & np.isfinite(values).all(axis=1)
    if not keep.any():
        raise InvalidInputError("no clip has both scores and a truth")
    kept = values[keep]
    return kept / kept.sum(axis=1, keepdims=True), known[keep]


def log_loss(scores: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean of -ln(score of the truth) over answered clips, in nats.

    Scores are floored at 2.2e-16, as in scikit-learn.
    """
    values, known = _answered(scores, truth)
    chosen = values[np.arange(len(known)), known]
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def brier(scores: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean squared distance to the one-hot truth, summed over classes: 0 (best) to 2.

    Brier, 1950: the original form for several classes.
    """
    values, known = _answered(scores, truth)
    distance = values.copy()
    distance[np.arange(len(known)), known] -= 1.0
    return float((distance**2).sum(axis=1).mean())


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Confidence against accuracy in equal-width bins (a reliability diagram).

    edges: (M + 1,) from 0 to 1; a bin holds its upper edge.
    count: (M,) clips. confidence, accuracy: (M,) means, NaN for empty bins.
    """

    edges: Float64Array
    count: IntArray
    confidence: Float64Array
    accuracy: Float64Array

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean gap, weighted by count (Guo et al. 2017, eq. 3)."""
        filled = self.count > 0
        gaps = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float((gaps * self.count[filled]).sum() / self.count.sum())


def reliability_bins(
    scores: NDArray[Any], truth: NDArray[Any], n_bins: int = 15
) -> ReliabilityBins:
    """Group answered clips by the score of the predicted class."""
    values, known = _answered(scores, truth)
    chosen = predicted_classes(values)
    confidence = values[np.arange(len(known)), chosen]
    place = _bin_of(confidence, n_bins)
    count = np.bincount(place, minlength=n_bins).astype(np.int64)
    right = np.bincount(place, weights=chosen == known, minlength=n_bins)
    total = np.bincount(place, weights=confidence, minlength=n_bins)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    return ReliabilityBins(edges, count, ratios(total, count), ratios(right, count))


def _bin_of(confidence: Float64Array, n_bins: int) -> IntArray:
    if n_bins < 1:
        raise InvalidInputError(f"n_bins must be at least 1, got {n_bins}")
    return np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)


def ece_when_calibrated(
    scores: NDArray[Any],
    truth: NDArray[Any],
    n_bins: int = 15,
    simulations: int = 1000,
    seed: int = 0,
) -> float:
    """The mean ECE that these scores would show if they were perfectly calibrated.

    ECE is biased upwards on few clips; this is the value to compare a measured ECE with. Each
    simulation draws whether a clip is right with probability equal to its highest score.
    """
    values, _ = _answered(scores, truth)
    confidence = values.max(axis=1)
    place = _bin_of(confidence, n_bins)
    total = np.bincount(place, weights=confidence, minlength=n_bins)
    rng = np.random.default_rng(seed)
    gaps = np.empty(simulations)
    for index in range(simulations):
        right = rng.random(len(confidence)) < confidence
        gaps[index] = np.abs(total - np.bincount(place, weights=right, minlength=n_bins)).sum()
    return float(gaps.mean() / len(confidence))
