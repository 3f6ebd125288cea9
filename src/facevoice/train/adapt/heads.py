"""Linear heads on frozen features, fitted on few clips."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from facevoice.scores.table import ScoreTable, grouped_folds
from facevoice.train.adapt.features import Items, LeafFeatures
from facevoice.train.adapt.onnx_heads import (
    Answer,
    Linear,
    feature_model,
    machine_model,
    moments_model,
    picture_model,
)
from facevoice.types import Float64Array

Rows = NDArray[np.int64]
FOLDS: Final = 5
_STRENGTHS: Final = (0.3, 3.0, 30.0)
_STEADY: Final = 0.03  # of the mean deviation: what nearly never moves is not blown up
_ROUNDS: Final = 500


@dataclass(frozen=True, slots=True)
class Clips:
    """What is known of the N clips.

    y: (N,) indices into the bundle's labels. groups: (N,). size: K. seed: of folds and fits.
    """

    y: Rows
    groups: NDArray[np.str_]
    size: int
    seed: int = 0

    def folds(self, rows: Rows, count: int = FOLDS) -> Rows:
        """(R,) fold of each of the rows; no group is cut."""
        groups = self.groups[rows]
        table = ScoreTable.of_arrays(
            np.full((len(rows), 1, self.size), 1 / self.size),
            self.y[rows],
            labels=[str(label) for label in range(self.size)],
            groups=groups,
        )
        return grouped_folds(table, min(count, len(np.unique(groups))), self.seed)


class Head(Protocol):
    """A refitted head of one branch."""

    def scores(self, leaf: LeafFeatures, rows: Rows) -> Float64Array:
        """(R, K) distributions, temperature 1; NaN where the clip lacks the modality."""
        ...

    @property
    def answer(self) -> Answer: ...  # noqa: D102

    def models(self, leaf: LeafFeatures) -> tuple[onnx.ModelProto, ...]:
        """New networks that a bundle runs: one of pictures, one over time for faces, or both."""
        ...


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logistic regression on standardised features; the scaling is part of the layer."""

    layer: Linear
    answer: Answer

    def scores(self, leaf: LeafFeatures, rows: Rows) -> Float64Array:
        """See ``Head``: the mean over a clip's items."""
        items = leaf.read.chosen(rows, views=1)
        each = self.answer.distributions(self.layer.logits(items.values), items.original)
        return mean_by_row(each, items.rows, rows)

    def models(self, leaf: LeafFeatures) -> tuple[onnx.ModelProto, ...]:
        """See ``Head``."""
        if leaf.modality == "voice" and leaf.trunk is not None:
            return (picture_model(leaf.trunk, self.layer, self.answer),)
        if leaf.machine is not None:
            return (machine_model(leaf.machine, self.layer, self.answer),)
        temporal = moments_model(leaf.original, self.layer, self.answer)
        return (*picture_part(leaf, levels=True), temporal)


def picture_part(leaf: LeafFeatures, *, levels: bool) -> tuple[onnx.ModelProto, ...]:
    """The network of single faces; none for a face_sequence, whose own file serves."""
    return () if leaf.trunk is None else (feature_model(leaf.trunk, levels=levels),)


def mean_by_row(values: Float64Array, owners: Rows, rows: Rows) -> Float64Array:
    """(M, K) values of items -> (R, K) means by row; NaN for a row without items."""
    place = np.searchsorted(rows, owners)
    sums, counts = np.zeros((len(rows), values.shape[1])), np.zeros((len(rows), 1))
    np.add.at(sums, place, values)
    np.add.at(counts, place, 1)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def fit_linear(leaf: LeafFeatures, clips: Clips, rows: Rows) -> LinearHead:
    """Fit a linear head on some clips, in all views."""
    items = leaf.read.chosen(rows)
    present = tuple(int(label) for label in np.unique(clips.y[items.rows]))
    layer = _averaged(items, clips.y[items.rows], leaf.last_columns)
    return LinearHead(layer, answer_of(items.chosen(rows, views=1), present, clips.size, rows))


def _averaged(items: Items, y: Rows, last: NDArray[np.intp]) -> Linear:
    """The mean of logistic regressions of several strengths, on the last features and on all.

    Choosing one of them by inner folds did worse on speakers held out than their mean
    (docs/adapt.md): few clips cannot tell them apart.
    """
    values = items.values.astype(np.float64)
    plain = values[items.views == 0]
    counts = np.bincount(items.rows)[items.rows]
    classes = len(np.unique(y))
    weight, bias = np.zeros((values.shape[1], classes)), np.zeros(classes)
    every = np.arange(values.shape[1])
    sets = (last, every) if len(last) < len(every) else (every,)
    for columns in sets:
        mean, deviation = plain[:, columns].mean(axis=0), plain[:, columns].std(axis=0)
        scale = deviation + _STEADY * deviation.mean() + 1e-9
        scale *= np.sqrt(len(columns))  # so that C means the same for any number of features
        scaled, back = _narrowed((values[:, columns] - mean) / scale)
        for strength in _STRENGTHS:
            model = LogisticRegression(C=strength, max_iter=_ROUNDS)
            model.fit(scaled, y, sample_weight=1 / counts)
            found, offset = model.coef_.T, model.intercept_
            if classes == 2:  # scikit-learn then gives the second class's logit alone
                found, offset = np.hstack([-found, found]) / 2, np.hstack([-offset, offset]) / 2
            found = (back @ found) / scale[:, None]
            weight[columns] += found / (len(sets) * len(_STRENGTHS))
            bias += (offset - mean @ found) / (len(sets) * len(_STRENGTHS))
    return Linear(weight, bias)


def _narrowed(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Values (M, D) turned into at most M columns, and the way back for weights: (D, M).

    A penalty on the length of the weights does not change under a rotation, and weights outside
    the span of the values are 0: the regression stays the same and takes a fraction of the time.
    """
    if values.shape[0] >= values.shape[1]:
        return values, np.eye(values.shape[1])
    left, lengths, right = np.linalg.svd(values, full_matrices=False)
    return left * lengths, right.T


def answer_of(items: Items, present: tuple[int, ...], size: int, rows: Rows) -> Answer:
    """The absent labels' share, lowered to that of one imagined clip for each of them.

    The original finds absent labels on clips that do not show them; ``ratio`` brings the mean of
    what it finds down to A / (N + A) for A absent labels and N clips, and never up.
    """
    answer = Answer(present, size)
    absent = len(answer.absent)
    if not absent:
        return answer
    away = items.original[:, answer.absent].sum(axis=1)
    share = absent / (len(rows) + absent)

    def mean(ratio: float) -> float:
        return float((ratio * away / (1 - away + ratio * away)).mean())

    if mean(1.0) <= share:
        return answer
    low, high = -30.0, 0.0  # logarithms; the mean grows with the ratio
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(float(np.exp(middle))) < share else (low, middle)
    return replace(answer, ratio=float(np.exp(high)))
