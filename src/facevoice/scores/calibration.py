"""Calibrated scores: temperature, vector scaling, class offsets, abstention.

Everything here is fitted on clips that neither trained the model nor are reported on. Scores are
(N, K) distributions; rows of NaN (no prediction) stay so. Truth is (N,), -1 where unknown.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.adjustment import Adjustment
from facevoice.branches.base import SMALLEST_SCORE, softmax
from facevoice.errors import InvalidInputError
from facevoice.scores.metrics import predicted_classes
from facevoice.scores.metrics.confusion import IntArray, checked_scores, goal_weights
from facevoice.scores.newton import minimise
from facevoice.types import Float64Array

_LOWEST_TEMPERATURE: Final = 0.05
_HIGHEST_TEMPERATURE: Final = 20.0


def _logits_and_truth(scores: NDArray[Any], truth: NDArray[Any]) -> tuple[Float64Array, IntArray]:
    values, known = checked_scores(scores, truth)
    keep = (known >= 0) & np.isfinite(values).all(axis=1)
    if not keep.any():
        raise InvalidInputError("calibration needs a clip with both scores and a truth")
    return np.log(np.maximum(values[keep], SMALLEST_SCORE)), known[keep]


def fit_temperature(scores: NDArray[Any], truth: NDArray[Any]) -> float:
    """The temperature of least log-loss, between 0.05 and 20 (Guo et al. 2017).

    Log-loss is convex in 1 / T: its slope is bisected.
    """
    logits, known = _logits_and_truth(scores, truth)
    own = logits[np.arange(len(known)), known]

    def slope(inverse: float) -> float:
        expected = (softmax(inverse * logits) * logits).sum(axis=1)
        return float((expected - own).mean())

    low, high = 1 / _HIGHEST_TEMPERATURE, 1 / _LOWEST_TEMPERATURE
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def fit_vector_scaling(
    scores: NDArray[Any], truth: NDArray[Any], penalty: float = 1e-2
) -> Adjustment:
    """Class scale and offsets of least log-loss (Guo et al. 2017).

    Minimises log-loss plus penalty / 2 times the squared distance from (1, 0), by Newton's method.

    penalty: keeps classes that hardly occur near scale 1 and offset 0.
    """
    if penalty <= 0:
        raise InvalidInputError(f"penalty must be positive, got {penalty}")
    logits, known = _logits_and_truth(scores, truth)
    count, size = logits.shape
    target = np.zeros_like(logits)
    target[np.arange(count), known] = 1.0
    rest = np.concatenate([np.ones(size), np.zeros(size)])

    def loss(at: Float64Array) -> float:
        mixed = softmax(logits * at[:size] + at[size:])
        own = np.maximum(mixed[np.arange(count), known], 1e-300)
        return float(-np.log(own).mean() + penalty / 2 * ((at - rest) ** 2).sum())

    def derivatives(at: Float64Array) -> tuple[Float64Array, Float64Array]:
        mixed = softmax(logits * at[:size] + at[size:])
        both = np.hstack([(mixed - target) * logits, mixed - target])
        gradient = both.mean(axis=0) + penalty * (at - rest)
        inner = np.einsum("ni,ij->nij", mixed, np.eye(size)) - mixed[:, :, None] * mixed[:, None]
        wide = np.hstack([logits, np.ones_like(logits)])
        hessian = (np.tile(inner, (1, 2, 2)) * wide[:, :, None] * wide[:, None]).mean(axis=0)
        return gradient, hessian + penalty * np.eye(2 * size)

    point = minimise(rest, loss, derivatives, promise=1e-18, rounds=50)
    return Adjustment(
        class_scale=tuple(point[:size].tolist()), class_offsets=tuple(point[size:].tolist())
    )


def logit_adjustment(priors: NDArray[Any], strength: float = 1.0) -> Adjustment:
    """Offsets -strength * ln(prior) (Menon et al. 2021, eq. 9); 1 aims at the best UAR.

    priors: (K,) class shares or counts of the training clips, each above 0.
    """
    shares = np.asarray(priors, np.float64)
    if shares.ndim != 1 or (shares <= 0).any():
        raise InvalidInputError(f"priors must be (K,) and above 0, got {shares.tolist()}")
    offsets = -strength * np.log(shares / shares.sum())
    return Adjustment(class_offsets=tuple((offsets - offsets.mean()).tolist()))


Goal = Literal["uar", "war"]


def fit_class_offsets(
    scores: NDArray[Any],
    truth: NDArray[Any],
    goal: Goal = "uar",
    *,
    reach: float = 2.0,
    step: float = 0.1,
    rounds: int = 10,
) -> Adjustment:
    """Class offsets that maximise the goal on these clips, found one class after the other.

    Every class in turn gets the offset in -reach ... reach (multiples of step) of the best value;
    among equal values the one nearest to 0. Deterministic. The offsets overfit these clips: judge
    them on others, e.g. with ``nested_class_offsets``.
    """
    logits, known = _logits_and_truth(scores, truth)
    size = logits.shape[1]
    weights = goal_weights(known, goal)
    count = round(reach / step)
    line = np.array(sorted(range(-count, count + 1), key=lambda place: (abs(place), place))) * step
    offsets = np.zeros(size)
    best = float(weights @ (predicted_classes(logits) == known))
    for _ in range(rounds):
        before = best
        for label in range(size):
            values = []
            for offset in line:
                trial = offsets.copy()
                trial[label] = offset
                values.append(float(weights @ (predicted_classes(logits + trial) == known)))
            top = int(np.argmax(np.array(values) > max(values) - 1e-12))
            if values[top] > best + 1e-12:
                best, offsets[label] = values[top], line[top]
        if best <= before + 1e-12:
            break
    return Adjustment(class_offsets=tuple(offsets.tolist()))


def nested_class_offsets(
    scores: NDArray[Any], truth: NDArray[Any], folds: NDArray[Any], goal: Goal = "uar"
) -> tuple[Float64Array, tuple[Adjustment, ...]]:
    """Adjust every fold by offsets fitted on the others.

    folds: (N,) fold of each clip, grouped (``scores.table.grouped_folds``).

    Returns:
        (N, K) adjusted scores, each from clips of other groups, and the offsets of each fold.
    """
    values, known = checked_scores(scores, truth)
    fold_of = np.asarray(folds)
    if fold_of.shape != known.shape or len(np.unique(fold_of)) < 2:
        raise InvalidInputError("folds must be (N,) like the truth, with at least two folds")
    adjusted = np.full_like(values, np.nan)
    fitted = []
    for fold in np.unique(fold_of):
        held = fold_of == fold
        fitted.append(fit_class_offsets(values[~held], known[~held], goal))
        adjusted[held] = fitted[-1].apply(values[held])
    return adjusted, tuple(fitted)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What abstaining when unsure gains (El-Yaniv and Wiener, 2010).

    threshold: (M,) decreasing; a clip is answered if its highest score is at least this.
    coverage: (M,) share of clips answered. risk: (M,) share of the answered that are wrong.
    """

    threshold: Float64Array
    coverage: Float64Array
    risk: Float64Array

    @property
    def area(self) -> float:
        """Mean risk over all numbers of answered clips, weighted by the coverage they add."""
        return float((np.diff(self.coverage, prepend=0.0) * self.risk).sum() / self.coverage[-1])

    def threshold_for_risk(self, risk: float) -> float:
        """The threshold that answers most clips at no more than this risk on these clips.

        Raises:
            InvalidInputError: no threshold is good enough.
        """
        good = np.flatnonzero(self.risk <= risk)
        if not len(good):
            raise InvalidInputError(
                f"no threshold brings the risk to {risk:g}; the least is {self.risk.min():.3f}"
            )
        return float(self.threshold[good[-1]])


def risk_coverage(scores: NDArray[Any], truth: NDArray[Any]) -> RiskCoverage:
    """The risk-coverage curve of labelled clips; clips without scores are never answered."""
    values, known = checked_scores(scores, truth)
    values, known = values[known >= 0], known[known >= 0]
    chosen = predicted_classes(values)
    answered = chosen >= 0
    if not answered.any():
        raise InvalidInputError("a risk-coverage curve needs a clip with scores and a truth")
    confidence = values[answered].max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum((chosen != known)[answered][order])
    ranked = confidence[order]
    last = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))  # equal scores go together
    taken = last + 1.0
    return RiskCoverage(ranked[last], taken / len(known), wrong[last] / taken)
