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
    matrix_statistic,
    paired_permutation,
    wilson,
)
from facevoice.scores.metrics.reliability import (
    ReliabilityBins,
    brier,
    ece_when_calibrated,
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
    "group_spread",
    "log_loss",
    "matrix_statistic",
    "paired_permutation",
    "predicted_classes",
    "recall_weights",
    "reliability_bins",
    "wilson",
]
