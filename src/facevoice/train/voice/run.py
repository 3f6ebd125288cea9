"""Utterance features -> a finished run, whichever machine learns from them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn

from facevoice.errors import RecipeError
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.session import Session
from facevoice.train.fit.run_folder import add_line, claim, keep_lines, note, save_scores
from facevoice.train.fit.samples import split_of
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import UtteranceRecipe
from facevoice.train.voice.centred import fitted_centred
from facevoice.train.voice.ensemble import fitted_ensemble
from facevoice.train.voice.features import features_of
from facevoice.train.voice.machine import Fitted, Report, Scoring
from facevoice.train.voice.svm import fitted_svm
from facevoice.types import Float32Array

PARITY: Final = 1e-4
"""The largest difference allowed between the machine's probabilities and onnxruntime's."""
_BATCHES: Final = (1, 2, 5)
_FIT: Final[Mapping[str, Callable[..., Fitted]]] = {
    "svm": fitted_svm,
    "ensemble": fitted_ensemble,
    "centred": fitted_centred,
}


def train_utterances(
    recipe: UtteranceRecipe,
    data: Prepared,
    run: Path,
    report: Report | None = None,
    **_of_networks: Any,
) -> Path:
    """Train; a finished run of the same recipe and data is left as it is.

    report: called with each line of the log.
    Returns the run folder.

    Raises:
        RecipeError: the recipe does not fit the data, or the folder holds another run.
        MissingDependencyError: see ``features_of``.
    """
    split = split_of(data, recipe).among(data.has("voice"), recipe.modality)
    features, heard = features_of(data, recipe)
    split = split.among(heard, recipe.modality)
    facts = {
        "unusable": int((~heard).sum()),
        "feature_count": features.shape[1],
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

    fitted = _FIT[recipe.net](features, data, split, recipe, log)
    line = dict(fitted.line)
    parts = (("val", split.val, fitted.held_out), ("test", split.test, fitted.scores))
    for name, rows, scoring in parts:
        if len(rows):
            scores = scoring(features[rows])
            save_scores(run / f"scores_{name}.npz", data, rows, scores)
            matrix = ConfusionMatrix.of_scores(scores, data.y[rows], data.labels)
            line |= {f"{name}_war": round(matrix.war, 4), f"{name}_uar": round(matrix.uar, 4)}
    log(line)
    candidate = run / "candidate.onnx"  # model.onnx says that the run is finished
    fitted.write(candidate)
    parity = parity_of(fitted.scores, candidate, features[heard])
    note(run, {**fitted.facts, "parity": parity})
    candidate.replace(run / "model.onnx")
    return run


def parity_of(scores: Scoring, path: Path, features: Float32Array) -> float:
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
