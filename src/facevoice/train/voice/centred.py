"""Utterance features, each group's mean taken away -> a multinomial regression, as one ONNX file.

A linear model of centred features needs no features of a person later on: W (x - m) = W x - W m,
so the mean of a person's log scores is all there is to keep. The file scores features as they are;
its scores mean something once a person's own mean is taken from their logarithms and ``centred``,
what someone's mean clip scores, is put in its place (``facevoice.person``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper

from facevoice.branches.base import softmax
from facevoice.scores.calibration import fit_temperature
from facevoice.train.fit.samples import Split
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import EnsembleRecipe
from facevoice.train.voice.ensemble import (
    UNKNOWN,
    Lesson,
    lesson_of,
    principal,
    regression,
    write_graph,
)
from facevoice.train.voice.features import looks_of
from facevoice.train.voice.machine import Fitted, Report
from facevoice.types import Float32Array, Float64Array

_FARTHEST: Final = 6.0  # standard deviations, in training


@dataclass(frozen=True, slots=True)
class Centred:
    """A fitted regression.

    mean: (D,) of the features. linear: (D, K) and biases: (K,), which give the logits.
    """

    mean: Float64Array
    linear: Float64Array
    biases: Float64Array

    def logits(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, K)."""
        logits: Float64Array = (features - self.mean) @ self.linear + self.biases
        return logits

    def scores(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, K) distributions, which mean little by themselves."""
        return softmax(self.logits(features))

    def cooled(self, temperature: float) -> "Centred":
        """With its logits divided."""
        return Centred(self.mean, self.linear / temperature, self.biases / temperature)


def fitted_centred(
    features: Float32Array, data: Prepared, split: Split, recipe: EnsembleRecipe, _log: Report
) -> Fitted:
    """Fit twice: on the training rows alone, and for good on these and the validation rows.

    The temperature is what the validation rows ask of the first, centred on their groups.
    """
    plain, groups = looks_of(features, data, recipe), np.array(data.groups)
    looks = np.stack([centred_on_groups(look, groups) for look in plain])

    def fitted(rows: NDArray[np.intp]) -> Centred:
        model = fit_centred(lesson_of(looks, data, rows, recipe), recipe)
        return Centred(features[rows].mean(axis=0, dtype=np.float64), model.linear, model.biases)

    first, temperature = fitted(split.train), 1.0
    if len(split.val):
        scores = softmax(centred_on_groups(first.logits(features[split.val]), groups[split.val])
                         + first.biases)  # fmt: skip
        temperature = fit_temperature(scores, data.y[split.val])
    rows = np.sort(np.concatenate([split.train, split.val]))
    model = fitted(rows).cooled(temperature)
    facts = {"temperature": round(temperature, 4), "centred": model.biases.round(6).tolist()}
    line = {"stage": "centred", "temperature": facts["temperature"]}
    scores_of = model.scores
    return Fitted(
        scores_of, first.cooled(temperature).scores, partial(write_onnx, model), line, facts
    )


def centred_on_groups(values: NDArray[Any], groups: NDArray[np.str_]) -> NDArray[Any]:
    """(N, D) without the mean of each group, (N,); rows of NaN stay so."""
    centred = values.copy()
    for group in np.unique(groups):
        rows = np.flatnonzero((groups == group) & np.isfinite(values).all(axis=1))
        if len(rows):
            centred[rows] -= values[rows].mean(axis=0)
    return centred


def fit_centred(lesson: Lesson, recipe: EnsembleRecipe) -> Centred:
    """Fit the regression on principal components of scaled features."""
    every = lesson.looks.reshape(-1, lesson.looks.shape[-1])
    mean, scale = every.mean(axis=0, dtype=np.float64), every.std(axis=0, dtype=np.float64) + 1e-6
    values = np.clip((lesson.looks - mean) / scale, -_FARTHEST, _FARTHEST).astype(np.float32)
    axes = principal(torch.from_numpy(values).flatten(0, 1), recipe.components, recipe.seed)
    weights, biases = regression(torch.from_numpy(values) @ axes, lesson, recipe)
    intercepts = biases.double().numpy()
    intercepts[np.setdiff1d(np.arange(lesson.size), lesson.y)] = UNKNOWN
    return Centred(mean, (axes @ weights).double().numpy() / scale[:, None], intercepts)


def write_onnx(model: Centred, path: Path) -> None:
    """Write the model: features (N, D) float32 -> probabilities (N, K) float32."""
    constants = {"mean": model.mean, "linear": model.linear, "biases": model.biases}
    node: Callable[..., Any] = helper.make_node
    nodes = [
        node("Sub", ["features", "mean"], ["centred"]),
        node("Gemm", ["centred", "linear", "biases"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    write_graph("centred", nodes, constants, path)
