"""What recognition is judged by: figures, their intervals, and tests between systems."""

from facevoice.scores.metrics.confusion import (
    ConfusionMatrix,
    GroupSpread,
    group_spread,
    predicted_classes,
    recall_weights,
)
from facevoice.scores.metrics.figures import Calibration, Figures, evaluate
from facevoice.scores.metrics.intervals import (
    FEW_GROUPS,
    Interval,
    PairedTest,
    bootstrap,
    macro_f1_statistic,
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
    "Calibration",
    "ConfusionMatrix",
    "Figures",
    "GroupSpread",
    "Interval",
    "PairedTest",
    "ReliabilityBins",
    "bootstrap",
    "brier",
    "ece_when_calibrated",
    "evaluate",
    "expected_calibration_error",
    "group_spread",
    "log_loss",
    "macro_f1_statistic",
    "paired_permutation",
    "predicted_classes",
    "recall_weights",
    "reliability_bins",
    "uar_statistic",
    "war_statistic",
    "wilson",
]
