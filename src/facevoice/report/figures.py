"""The figures of one system on labelled clips, each with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.scores import metrics
from facevoice.scores.metrics import ConfusionMatrix, Interval
from facevoice.scores.metrics.intervals import IndexArray, Statistic
from facevoice.scores.provenance import groups_known
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array


@dataclass(frozen=True, slots=True, repr=False)
class Calibration:
    """How honest the scores are, over clips with scores.

    log_loss: nats. brier: 0 to 2. ece: 15 bins; ece_calibrated: the ECE that perfectly calibrated
    scores would show on so many clips.
    """

    log_loss: float
    brier: float
    ece: float
    ece_calibrated: float
    bins: metrics.ReliabilityBins


@dataclass(frozen=True, slots=True, repr=False)
class Figures:
    """How one system did; shares are 0 to 1.

    war: Wilson's interval. war_by_group: bootstrap over groups, None where nobody knows them.
    uar, macro_f1: bootstrap over groups, else over clips.
    coverage: share of all clips that got scores. calibration: None if no clip did.
    """

    name: str
    matrix: ConfusionMatrix
    war: Interval
    war_by_group: Interval | None
    uar: Interval
    macro_f1: Interval
    coverage: float
    calibration: Calibration | None


def figures_of_scores(
    table: ScoreTable, scores: Float64Array, name: str, *, resamples: int = 1000, seed: int = 0
) -> Figures:
    """Measure scores (N, K) of a table's clips; those of unknown truth are left out.

    A clip without scores counts as wrong.

    Raises:
        InvalidInputError: no clip has a known truth.
    """
    known = table.labelled
    truth, values = table.truth[known], scores[known]
    matrix = ConfusionMatrix.of_scores(values, truth, table.labels)
    war = metrics.wilson(matrix.right, matrix.total)
    predicted = metrics.predicted_classes(values)
    groups = table.groups[known] if groups_known(table) else None

    def resampled(statistic: Statistic) -> Interval:
        return metrics.bootstrap(
            statistic, len(truth), groups=groups, resamples=resamples, seed=seed
        )

    size = len(table.labels)
    answered = np.isfinite(values).all(axis=1)
    return Figures(
        name=name,
        matrix=matrix,
        war=war,
        war_by_group=None if groups is None else resampled(metrics.war_statistic(truth, predicted)),
        uar=resampled(metrics.uar_statistic(truth, predicted, size)),
        macro_f1=resampled(macro_f1_statistic(truth, predicted, size)),
        coverage=float(answered.mean()),
        calibration=_calibration(values, truth) if answered.any() else None,
    )


def _calibration(scores: Float64Array, truth: NDArray[Any]) -> Calibration:
    bins = metrics.reliability_bins(scores, truth)
    return Calibration(
        metrics.log_loss(scores, truth),
        metrics.brier(scores, truth),
        bins.ece,
        metrics.ece_when_calibrated(scores, truth),
        bins,
    )


def macro_f1_statistic(truth: NDArray[Any], predicted: NDArray[Any], n_classes: int) -> Statistic:
    """The macro-F1 of a resample of labelled clips (over the classes in it), for ``bootstrap``."""
    known = np.asarray(truth)
    answer = np.asarray(predicted)
    right = (known == answer).astype(np.float64)

    def macro_f1(clips: IndexArray) -> float:
        size = np.bincount(known[clips], minlength=n_classes)
        hits = np.bincount(known[clips], weights=right[clips], minlength=n_classes)
        chosen = np.bincount(answer[clips] + 1, minlength=n_classes + 1)[1:]
        occurs = size > 0
        return float((2 * hits[occurs] / (size + chosen)[occurs]).mean())

    return macro_f1
