"""The paper's voice stream, step 3: a support vector machine on openSMILE functionals.

Cost and kernel are chosen by cross-validation over whole groups (speakers) of the training rows,
by UAR; the temperature is fitted on the same held-out scores; the machine is then fitted on all
training rows. Validation and test rows are only scored.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.session import Session
from facevoice.train.fit.joined import TrainingData
from facevoice.train.fit.run_folder import add_line, claim, keep_lines, save_scores
from facevoice.train.fit.samples import Indices, split_of
from facevoice.train.recipe import Recipe
from facevoice.train.voice.features import functional_features
from facevoice.train.voice.svm_model import KERNELS, Kernel, Svm, fit_svm, write_onnx
from facevoice.types import Float32Array, Float64Array
from facevoice.writing import replacing

PARITY: Final = 1e-4
"""The largest difference allowed between scikit-learn's probabilities and onnxruntime's."""
_BATCHES: Final = (1, 2, 5)
_FOLDS: Final = 5

Report = Callable[[dict[str, Any]], None]


def train_svm(recipe: Recipe, data: TrainingData, run: Path, report: Report | None = None) -> Path:
    """Train; a finished run of the same recipe and data is left as it is.

    report: called with each line of the log.
    Returns the run folder.

    Raises:
        RecipeError: the recipe does not fit the data, or the folder holds another run.
        DatasetError: the data holds no speech.
        MissingDependencyError: see ``functional_features``.
    """
    _check(recipe)
    features, heard = functional_features(data, recipe.feature_set)
    split = split_of(data, recipe).among(heard)
    y = data.y
    absent = [data.labels[k] for k in range(len(data.labels)) if k not in y[split.train]]
    facts = {
        "unusable": int((~heard).sum()),
        "feature_count": features.shape[1],
        "never_answered": absent,
        "scikit_learn": sklearn.__version__,
    }
    claim(run, recipe, data, split, facts)
    if (run / "model.onnx").exists():
        return run
    keep_lines(run, 0)

    def log(line: dict[str, Any]) -> None:
        add_line(run, line)
        if report is not None:
            report(line)

    train = split.train
    groups = np.array(data.groups)[train]
    model, chosen = choose_svm(features[train], y[train], groups, len(data.labels), recipe, log)
    scores = {}
    for name, rows in (("val", split.val), ("test", split.test)):
        if len(rows):
            scores[name] = model.scores(features[rows])
            save_scores(run / f"scores_{name}.npz", data, rows, scores[name])
    matrix = ConfusionMatrix.of_scores(scores["val"], y[split.val], data.labels)
    log({**chosen, "val_war": round(matrix.war, 4), "val_uar": round(matrix.uar, 4)})
    candidate = run / "candidate.onnx"  # model.onnx says that the run is finished
    write_onnx(model, candidate)
    note(run, {**chosen, "parity": parity_of(model.scores, candidate, features[heard])})
    candidate.replace(run / "model.onnx")
    return run


def _check(recipe: Recipe) -> None:
    if recipe.net != "svm":
        raise RecipeError(f"recipe key net must be 'svm' for functionals_svm, got {recipe.net!r}")
    if min(recipe.svm_costs, default=0) <= 0:
        raise RecipeError(
            f"recipe key svm_costs must hold positive numbers, got {list(recipe.svm_costs)}"
        )


def choose_svm(
    features: Float32Array,
    y: NDArray[np.int64],
    groups: NDArray[np.str_],
    size: int,
    recipe: Recipe,
    log: Report | None = None,
) -> tuple[Svm, dict[str, Any]]:
    """The SVM of best UAR on held-out groups, calibrated on them and fitted on all rows.

    features: (N, D); y: (N,) label indices below ``size``; groups: (N,).
    log: called with cost, kernel, uar of each candidate. Of equal ones the smaller cost wins, then
        the linear kernel.
    Returns it with its cost, kernel and temperature.

    Raises:
        RecipeError: nothing can be held out, or nothing is to be chosen from.
    """
    folds = grouped_folds(y, groups, recipe.seed)
    truth = _predictable(y, folds)
    power = 0.0 if recipe.balance == "none" else recipe.balance_power
    labels = tuple(str(k) for k in range(size))
    kernels = [kernel for kernel in KERNELS if kernel in recipe.svm_kernels]
    best: tuple[float, float, Kernel, Float64Array] | None = None
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
        if best is None or uar > best[0]:
            best = uar, cost, kernel, scores
    if best is None:
        raise RecipeError("recipe keys svm_costs and svm_kernels leave nothing to choose from")
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


def parity_of(
    scores: Callable[[Float32Array], Float64Array], path: Path, features: Float32Array
) -> float:
    """The largest difference between probabilities (N, K) and the file's, on real rows.

    Raises:
        RecipeError: it exceeds PARITY.
    """
    session = Session(path)
    worst = 0.0
    for batch in _BATCHES:
        rows = features[np.linspace(0, len(features) - 1, batch).astype(int)]
        found = session.run(rows)[-1]
        worst = max(worst, float(np.abs(found - scores(rows)).max()))
    if worst > PARITY:
        raise RecipeError(
            f"{path}: the exported machine differs from the fitted one by {worst:.2g}, more than"
            f" {PARITY:g}"
        )
    return worst


def note(run: Path, facts: Mapping[str, Any]) -> None:
    """Add facts to ``run.json``."""
    path = run / "run.json"
    present = json.loads(path.read_text(encoding="utf-8"))
    with replacing(path) as temporary:
        text = json.dumps({**present, **facts}, indent=2, sort_keys=True) + "\n"
        temporary.write_text(text, encoding="utf-8")
