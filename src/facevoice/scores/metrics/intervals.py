"""How certain a figure is: confidence intervals and paired tests.

Clips of one speaker or film resemble each other: where groups are known, resample and permute
whole groups. Everything random takes a seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.scores.metrics.confusion import ConfusionMatrix, checked_truth
from facevoice.types import Float64Array

IndexArray = NDArray[np.intp]
Statistic = Callable[[IndexArray], float]

FEW_GROUPS: Final = 20
"""A bootstrap over fewer groups gives intervals that are too narrow (they under-cover)."""

_MOST_EXACT_STATES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    level: e.g. 0.95. units: what was resampled (clips or groups), and how many.
    """

    low: float
    high: float
    level: float
    method: Literal["wilson", "clip bootstrap", "group bootstrap"]
    units: int

    @property
    def caution(self) -> str:
        """What a reader needs to know before trusting the interval; may be empty."""
        if self.method == "group bootstrap" and self.units < FEW_GROUPS:
            if self.units == 1:
                return "only one group: an interval over groups needs several"
            return f"only {self.units} groups: the true interval is wider"
        return ""


def wilson(right: int, total: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a share (Wilson, 1927), right out of total independent clips.

    Raises:
        InvalidInputError: no clips, more right than total, or a level outside (0, 1).
    """
    _check_level(level)
    if total < 1 or not 0 <= right <= total:
        raise InvalidInputError(f"need 0 <= right <= total and total >= 1, got {right} of {total}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = right / total
    centre = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low, high = (centre - reach) / scale, (centre + reach) / scale
    return Interval(
        0.0 if right == 0 else low, 1.0 if right == total else high, level, "wilson", total
    )


def bootstrap(
    statistic: Statistic,
    count: int,
    *,
    groups: NDArray[Any] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap (Efron, 1979) over clips, or over whole groups.

    Args:
        statistic: from clip indices (M,), with repeats, to the figure; NaN draws are left out.
        count: number of clips.
        groups: (count,) group of each clip; None resamples clips.
        resamples: how many times to draw.
        level: coverage aimed at. With fewer than 20 groups the interval is too narrow:
            ``Interval.caution`` says so.
        seed: of the draws.

    Raises:
        InvalidInputError: no clips, groups of another length, or no draw gave a number.
    """
    _check_level(level)
    if count < 1:
        raise InvalidInputError("a bootstrap needs at least one clip")
    members = None if groups is None else _members(groups, count)
    units = count if members is None else len(members)
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for index in range(resamples):
        drawn = rng.integers(0, units, units)
        clips = drawn if members is None else np.concatenate([members[unit] for unit in drawn])
        values[index] = statistic(clips)
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise InvalidInputError("the statistic was not a number in any resample")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    method: Literal["clip bootstrap", "group bootstrap"] = (
        "clip bootstrap" if groups is None else "group bootstrap"
    )
    return Interval(float(low), float(high), level, method, units)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired permutation test.

    difference: mean of a minus mean of b (weighted if weights were given).
    p_value: two-sided. exact: all sign patterns were counted, none drawn at random.
    units: how many clips or groups could be swapped (those that differ).
    """

    difference: float
    p_value: float
    exact: bool
    units: int


def paired_permutation(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Test whether two systems differ on the same clips, by swapping them (Fisher, 1935).

    Under the null hypothesis either system may have given either result, in each clip or, with
    groups, in all clips of a group at once. Whole-number differences (right or wrong, unweighted)
    are counted exactly over all sign patterns; without groups that is McNemar's exact test.

    Args:
        first: (N,) a figure per clip, e.g. 1 where the first system is right.
        second: (N,) the same for the second system.
        groups: (N,) units that are swapped as a whole.
        weights: (N,) weight of each clip, e.g. ``metrics.recall_weights`` for UAR.
        permutations: how many sign patterns to draw where they cannot be counted.
        seed: of the draws.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if gaps.ndim != 1 or len(gaps) == 0 or np.shape(first) != np.shape(second):
        raise InvalidInputError(
            f"need two arrays (N,) of one length, got {np.shape(first)} and {np.shape(second)}"
        )
    if not np.isfinite(gaps).all():
        raise InvalidInputError("the paired figures hold NaN or infinity")
    weighted = gaps / len(gaps) if weights is None else gaps * np.asarray(weights, np.float64)
    difference = float(weighted.sum())
    parts = gaps if weights is None else weighted
    if groups is not None:
        parts = np.array([parts[clips].sum() for clips in _members(groups, len(gaps))])
    parts = np.abs(parts[parts != 0])
    whole = bool((parts == np.rint(parts)).all())
    if whole and parts.sum() * max(len(parts), 1) <= 100 * _MOST_EXACT_STATES:
        observed = round(abs(float(gaps.sum() if weights is None else weighted.sum())))
        return PairedTest(difference, _exact_p(parts, observed), exact=True, units=len(parts))
    observed_sum = abs(float((gaps if weights is None else weighted).sum()))
    p_value = _drawn_p(parts, observed_sum, permutations, seed)
    return PairedTest(difference, p_value, exact=False, units=len(parts))


def _exact_p(parts: Float64Array, observed: int) -> float:
    """P(|sum of +-parts| >= observed) by convolution; parts are positive whole numbers."""
    total = int(parts.sum())
    chance = np.zeros(2 * total + 1)
    chance[total] = 1.0
    for part in parts.astype(np.int64):
        moved = np.zeros_like(chance)
        moved[part:] += 0.5 * chance[:-part]
        moved[:-part] += 0.5 * chance[part:]
        chance = moved
    sums = np.abs(np.arange(-total, total + 1))
    return float(min(1.0, chance[sums >= observed].sum()))


def _drawn_p(parts: Float64Array, observed: float, permutations: int, seed: int) -> float:
    """The same by random signs; the observed pattern counts as one (never a p of 0)."""
    rng = np.random.default_rng(seed)
    as_far = 0
    for start in range(0, permutations, 1000):
        count = min(1000, permutations - start)
        signs = rng.integers(0, 2, (count, len(parts))) * 2.0 - 1.0
        as_far += int((np.abs(signs @ parts) >= observed * (1 - 1e-12)).sum())
    return (as_far + 1) / (permutations + 1)


def _members(groups: NDArray[Any], count: int) -> list[IndexArray]:
    names = np.asarray(groups)
    if names.shape != (count,):
        raise InvalidInputError(f"groups must be ({count},) like the clips, got {names.shape}")
    _, member = np.unique(names, return_inverse=True)
    order = np.argsort(member, kind="stable")
    return np.split(order, np.cumsum(np.bincount(member))[:-1])


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InvalidInputError(f"level must lie between 0 and 1, got {level}")


def matrix_statistic(
    figure: Callable[[ConfusionMatrix], float],
    truth: NDArray[Any],
    predicted: NDArray[Any],
    labels: Sequence[str],
) -> Statistic:
    """A figure of a resample of labelled clips (over the classes in it), for ``bootstrap``.

    figure: reads it off a confusion matrix. truth, predicted: (N,) indices of labels; predicted
        -1 where there is no answer.

    Raises:
        InvalidInputError: a truth is unknown.
    """
    size = len(labels)
    known = checked_truth(truth, len(truth), size)
    if (known < 0).any():
        raise InvalidInputError("leave out clips of unknown truth before a bootstrap")
    cells = known * (size + 1) + np.asarray(predicted) + 1

    def statistic(clips: IndexArray) -> float:
        counts = np.bincount(cells[clips], minlength=size * (size + 1)).reshape(size, size + 1)
        return figure(ConfusionMatrix(tuple(labels), counts[:, 1:], counts[:, 0]))

    return statistic
