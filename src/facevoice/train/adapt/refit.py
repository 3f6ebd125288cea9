"""A refitted branch: the choice among kinds of heads by grouped folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from facevoice.branches.base import tempered
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import log_loss
from facevoice.train.adapt.blstm import fit_blstm
from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.heads import Clips, Head, Rows, fit_linear
from facevoice.types import Float64Array

Temporal = Literal["choose", "moments", "blstm"]
Kind = Literal["linear", "moments", "blstm"]
"""Ways of refitting: a linear layer on speech (a window, or the whole) or on a machine's features,
on mean and deviation of a network's features over time, or a BLSTM."""


_FIT: Final[Mapping[Kind, Callable[[LeafFeatures, Clips, Rows], Head]]] = {
    "linear": fit_linear,
    "moments": fit_linear,
    "blstm": fit_blstm,
}


def kinds(leaf: LeafFeatures, temporal: Temporal) -> tuple[Kind, ...]:
    """What is tried for a branch; nothing if it cannot be adapted."""
    if leaf.items is None:
        return ()
    if leaf.modality == "voice" or leaf.machine is not None:
        return ("linear",)
    return ("moments", "blstm") if temporal == "choose" else (temporal,)


def fit_head(leaf: LeafFeatures, clips: Clips, rows: Rows, kind: Kind) -> Head:
    """Fit one kind of head on some clips, in all views."""
    return _FIT[kind](leaf, clips, rows)


def adapted_name(name: str) -> str:
    """What a branch is called once it is refitted."""
    return f"{name}_adapted"


@dataclass(frozen=True, slots=True)
class Refit:
    """A refitted branch.

    head: fitted on all given clips. temperature: of its held-out scores.
    losses: held-out log-loss (nats, after one temperature) of each kind that was tried.
    """

    kind: Kind
    head: Head
    temperature: float
    losses: dict[str, float]

    def scores(self, leaf: LeafFeatures, rows: Rows) -> Float64Array:
        """(R, K) calibrated scores; NaN where the clip lacks the modality."""
        return tempered(self.head.scores(leaf, rows), self.temperature)


def refit(leaf: LeafFeatures, clips: Clips, rows: Rows, tried: Sequence[Kind]) -> Refit:
    """Choose a kind of head by grouped folds over the given clips, then fit it on all of them."""
    rows = rows[leaf.speaks[rows]]
    if len(np.unique(clips.groups[rows])) < 2:  # nothing can be held out: the first kind
        return Refit(tried[0], fit_head(leaf, clips, rows, tried[0]), 1.0, {})
    folds = clips.folds(rows)
    losses: dict[Kind, float] = {}
    temperatures: dict[Kind, float] = {}
    for kind in tried:
        held = np.full((len(rows), clips.size), np.nan)
        for fold in np.unique(folds):
            head = fit_head(leaf, clips, rows[folds != fold], kind)
            held[folds == fold] = head.scores(leaf, rows[folds == fold])
        temperatures[kind] = round(fit_temperature(held, clips.y[rows]), 4)
        losses[kind] = log_loss(tempered(held, temperatures[kind]), clips.y[rows])
    best = min(tried, key=lambda kind: losses[kind])
    told = {str(kind): round(loss, 4) for kind, loss in losses.items()}
    return Refit(best, fit_head(leaf, clips, rows, best), temperatures[best], told)
