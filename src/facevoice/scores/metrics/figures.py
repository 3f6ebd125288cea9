"""The figures of one system on labelled clips: the only place where they are computed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.scores.metrics.confusion import ConfusionMatrix, predicted_classes
from facevoice.scores.metrics.intervals import (
    Interval,
    bootstrap,
    matrix_statistic,
    wilson,
)
from facevoice.scores.metrics.reliability import (
    ReliabilityBins,
    brier,
    ece_when_calibrated,
    log_loss,
    reliability_bins,
)
from facevoice.scores.provenance import groups_known
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, repr=False)
class Calibration:
    """How well the scores match how often they are right, on the clips that have any.

    log_loss: nats. brier: 0 to 2. ece: 15 bins; ece_calibrated: the ECE that perfectly calibrated
    scores would show on this many clips.
    """

    log_loss: float
    brier: float
    ece: float
    ece_calibrated: float
    bins: ReliabilityBins

    @classmethod
    def of_scores(cls, scores: NDArray[Any], truth: NDArray[Any]) -> "Calibration":
        """Measure scores (N, K) against truth (N,).

        Raises:
            InvalidInputError: no clip has both scores and a truth.
        """
        bins = reliability_bins(scores, truth)
        return cls(
            log_loss(scores, truth),
            brier(scores, truth),
            bins.ece,
            ece_when_calibrated(scores, truth),
            bins,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Figures:
    """How one system did. Shares are 0 to 1; every figure is computed when it is first read.

    name: of the system.
    labels: (K,) names.
    scores: (N, K) float64; a row of NaN is a clip without scores, which counts as wrong.
    truth: (N,) int64 label indices, -1 where unknown: such clips are left out.
    groups: (N,) speakers or films, None if unknown.
    resamples, seed: of each bootstrap.
    """

    name: str
    labels: tuple[str, ...]
    scores: Float64Array
    truth: NDArray[np.int64]
    groups: NDArray[Any] | None = None
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        known = np.asarray(self.truth) >= 0
        for name in ("scores", "truth", "groups"):
            values = getattr(self, name)
            object.__setattr__(self, name, None if values is None else np.asarray(values)[known])

    @cached_property
    def matrix(self) -> ConfusionMatrix:
        """Truth against prediction; WAR, UAR, macro-F1 and the figures of each class."""
        return ConfusionMatrix.of_scores(self.scores, self.truth, self.labels)

    @cached_property
    def war(self) -> Interval:
        """Wilson's 95 % interval of the WAR."""
        return wilson(self.matrix.right, self.matrix.total)

    @cached_property
    def war_by_group(self) -> Interval | None:
        """95 % bootstrap interval of the WAR over groups; None if these are unknown."""
        return None if self.groups is None else self._resampled(lambda matrix: matrix.war)

    @cached_property
    def uar(self) -> Interval:
        """95 % bootstrap interval of the UAR, over groups, else over clips."""
        return self._resampled(lambda matrix: matrix.uar)

    @cached_property
    def macro_f1(self) -> Interval:
        """95 % bootstrap interval of the macro-F1, over groups, else over clips."""
        return self._resampled(lambda matrix: matrix.macro_f1)

    @property
    def coverage(self) -> float:
        """Share of the clips that have scores; NaN without clips."""
        return self.matrix.coverage

    @cached_property
    def calibration(self) -> Calibration | None:
        """How well calibrated the scores are; None if no clip has any."""
        if not self.matrix.coverage > 0:
            return None
        return Calibration.of_scores(self.scores, self.truth)

    @property
    def recall(self) -> dict[str, float]:
        """Recall by label, for the classes that occur."""
        pairs = zip(self.labels, self.matrix.recall, strict=True)
        return {label: float(share) for label, share in pairs if np.isfinite(share)}

    def rounded(self, *names: str) -> dict[str, Any]:
        """Some figures as cards and records hold them, to four digits.

        names: of count, war, war_low, war_high, uar, uar_low, uar_high, ece, ece_if_perfect (the
            ECE that perfectly calibrated scores would show), log_loss, brier, recall (by label).

        Raises:
            InvalidInputError: a calibration figure is asked for and no clip has scores.
        """
        values = {name: _NAMED[name](self) for name in names}
        return {
            name: {key: round(share, _DIGITS) for key, share in value.items()}
            if isinstance(value, dict)
            else round(value, _DIGITS)
            for name, value in values.items()
        }

    def _resampled(self, figure: Callable[[ConfusionMatrix], float]) -> Interval:
        answers = predicted_classes(self.scores)
        return bootstrap(
            matrix_statistic(figure, self.truth, answers, self.labels),
            len(self.truth),
            groups=self.groups,
            resamples=self.resamples,
            seed=self.seed,
        )


def _honesty(figures: Figures) -> Calibration:
    if figures.calibration is None:
        raise InvalidInputError("no clip has both scores and a truth")
    return figures.calibration


_NAMED: Final[dict[str, Callable[[Figures], Any]]] = {
    "count": lambda figures: figures.matrix.total,
    "war": lambda figures: figures.matrix.war,
    "war_low": lambda figures: figures.war.low,
    "war_high": lambda figures: figures.war.high,
    "uar": lambda figures: figures.matrix.uar,
    "uar_low": lambda figures: figures.uar.low,
    "uar_high": lambda figures: figures.uar.high,
    "ece": lambda figures: _honesty(figures).ece,
    "ece_if_perfect": lambda figures: _honesty(figures).ece_calibrated,
    "log_loss": lambda figures: _honesty(figures).log_loss,
    "brier": lambda figures: _honesty(figures).brier,
    "recall": lambda figures: figures.recall,
}


def evaluate(
    table: ScoreTable,
    scores: Float64Array | str,
    name: str = "",
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Figures:
    """Measure one system on the labelled clips of a table; the others are left out.

    A clip without scores counts as wrong.

    Args:
        table: the clips: their truth, and their groups where these are known.
        scores: a branch of the table, or (N, K) scores of its clips.
        name: what to call the system; by default that of the branch.
        resamples: of each bootstrap.
        seed: of everything random.

    Raises:
        InvalidInputError: no clip has a known truth, or the table has no such branch.
    """
    if not table.labelled.any():
        raise InvalidInputError("no clip has a known truth")
    if isinstance(scores, str):
        name, scores = name or scores, table.column(scores)
    groups = table.groups if groups_known(table) else None
    return Figures(name, table.labels, scores, table.truth, groups, resamples, seed)
