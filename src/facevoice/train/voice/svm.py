"""The paper's voice stream, step 3: a support vector machine on openSMILE functionals.

Cost and kernel are chosen by cross-validation over whole groups (speakers) of the training rows,
by UAR; the temperature is fitted on the same held-out scores; the machine is then fitted on all
training rows. Validation and test rows are only scored.
"""

import warnings
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.train.fit.samples import Indices, Split
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import SvmRecipe
from facevoice.train.voice.machine import Fitted, Report
from facevoice.train.voice.svm_model import KERNELS, Kernel, Svm, fit_svm, write_onnx
from facevoice.types import Float32Array, Float64Array

_FOLDS: Final = 5


def fitted_svm(
    features: Float32Array, data: Prepared, split: Split, recipe: SvmRecipe, log: Report
) -> Fitted:
    """Choose and fit on the training rows; log each candidate and what was chosen.

    Raises:
        RecipeError: see ``choose_svm``.
    """
    train, groups = split.train, np.array(data.groups)
    size = len(data.labels)
    model, chosen = choose_svm(features[train], data.y[train], groups[train], size, recipe, log)
    absent = [data.labels[k] for k in range(size) if k not in data.y[train]]
    facts = {"never_answered": absent, **chosen}
    return Fitted(model.scores, model.scores, partial(write_onnx, model), chosen, facts)


def choose_svm(
    features: Float32Array,
    y: NDArray[np.int64],
    groups: NDArray[np.str_],
    size: int,
    recipe: SvmRecipe,
    log: Report | None = None,
) -> tuple[Svm, dict[str, Any]]:
    """The SVM of best UAR on held-out groups, calibrated on them and fitted on all rows.

    features: (N, D); y: (N,) label indices below ``size``; groups: (N,).
    log: called with cost, kernel, uar of each candidate. Of equal ones the smaller cost wins, then
        the linear kernel.
    Returns it with its cost, kernel and temperature.

    Raises:
        RecipeError: nothing can be held out.
    """
    folds = grouped_folds(y, groups, recipe.seed)
    truth = _predictable(y, folds)
    power = 0.0 if recipe.balance == "none" else recipe.balance_power
    labels = tuple(str(k) for k in range(size))
    kernels = [kernel for kernel in KERNELS if kernel in recipe.svm_kernels]
    best: tuple[float, float, Kernel, Float64Array] = (-1.0, 0.0, kernels[0], np.zeros(0))
    for cost, kernel in product(sorted(set(recipe.svm_costs)), kernels):
        scores = np.full((len(y), size), np.nan)
        for train, held in folds:
            fitted = fit_svm(
                features[train], y[train], size, cost=cost, kernel=kernel, balance_power=power
            )
            scores[held] = fitted.scores(features[held])
        # a row of a class that its fold could not know counts as wrong, for all candidates alike
        uar = ConfusionMatrix.of_scores(scores, y, labels).uar
        if log is not None:
            log({"cost": cost, "kernel": kernel, "uar": round(uar, 4)})
        if uar > best[0]:
            best = uar, cost, kernel, scores
    _, cost, kernel, scores = best
    temperature = round(fit_temperature(scores, truth), 6)
    model = fit_svm(features, y, size, cost=cost, kernel=kernel, balance_power=power)
    chosen = {"cost": cost, "kernel": kernel, "temperature": temperature}
    return replace(model, temperature=temperature), chosen


def grouped_folds(
    y: NDArray[np.int64], groups: NDArray[np.str_], seed: int
) -> list[tuple[Indices, Indices]]:
    """Up to five folds of whole groups, with classes spread over them as evenly as groups allow.

    A fold is left out if nothing is held out in it, or if fewer than two classes remain.
    """
    count = min(_FOLDS, len(np.unique(groups)), int(np.bincount(y).max()))
    found = []
    if count > 1:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # a class of fewer samples than folds is held out in some folds only: that is right
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            found = list(splitter.split(np.zeros(len(y)), y, groups))
    return [(train, held) for train, held in found if len(held) and len(np.unique(y[train])) > 1]


def _predictable(y: NDArray[np.int64], folds: list[tuple[Indices, Indices]]) -> NDArray[np.int64]:
    """Labels where the row is held out by a fold that knows its class, else -1.

    Raises:
        RecipeError: such rows are of fewer than two classes.
    """
    truth = np.full(len(y), -1)
    for train, held in folds:
        known = np.isin(y[held], y[train])
        truth[held[known]] = y[held[known]]
    if len(np.unique(truth[truth >= 0])) < 2:
        raise RecipeError(
            "a support vector machine is chosen on held-out groups of the training rows: at least"
            " two classes must occur in two groups or more"
        )
    return truth
