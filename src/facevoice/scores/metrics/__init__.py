"""What recognition is judged by: figures, their intervals, and tests between systems."""

from facevoice.scores.metrics.confusion import (
    ConfusionMatrix,
    GroupSpread,
    group_spread,
    predicted_classes,
    recall_weights,
)
from facevoice.scores.metrics.intervals import (
    FEW_GROUPS,
    Interval,
    PairedTest,
    bootstrap,
    paired_permutation,
    uar_statistic,
    war_statistic,
    wilson,
)
from facevoice.scores.metrics.reliability import (
    ReliabilityBins,
    brier,
    ece_when_calibrated,
    expected_calibration_error,
    log_loss,
    reliability_bins,
)

__all__ = [
    "FEW_GROUPS",
    "ConfusionMatrix",
    "GroupSpread",
    "Interval",
    "PairedTest",
    "ReliabilityBins",
    "bootstrap",
    "brier",
    "ece_when_calibrated",
    "expected_calibration_error",
    "group_spread",
    "log_loss",
    "paired_permutation",
    "predicted_classes",
    "recall_weights",
    "reliability_bins",
    "uar_statistic",
    "war_statistic",
    "wilson",
]
