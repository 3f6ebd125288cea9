"""What the support vector machine reaches on speakers it has never heard.

    python benchmarks/svm_folds.py PREPARED [--set is10] [--folds 6] [--least 10] [--power 1]

For each outer fold of whole groups, cost and kernel are chosen and the temperature is fitted on
the other groups alone, as ``facevoice train`` does; all folds are then judged together. Beside it
stands scikit-learn's way (sigmoids, ``CalibratedClassifierCV``) with the same machines and folds.
"changed": answers that differ from those of the SVC itself.

Seen (scikit-learn 1.9.1, openSMILE 2.6.0; EMO-DB leaving one speaker out, RAVDESS speech without
calm in six folds of speakers; WAR, UAR, log-loss, changed):

| data, set | options | ours | sigmoids |
|---|---|---|---|
| EMO-DB IS09, 4 labels | --least 10 --set is09 | .826 .825 .479 .000 | .826 .825 .522 .000 |
| the same, not balanced | --least 10 --power 0 | .826 .814 .478 .000 | .826 .814 .516 .000 |
| EMO-DB IS10, 4 labels | --least 10 --set is10 | .847 .850 .417 .000 | .844 .846 .435 .003 |
| the same, not balanced | --least 10 --power 0 | .858 .857 .394 .000 | .855 .853 .408 .009 |
| the same, smaller costs | --costs .001 .01 .1 1 10 | .853 .856 .411 .000 | .850 .852 .427 .003 |
| EMO-DB IS10, 6 labels | two have 9 and 5 clips | .822 .570 .735 .000 | .813 .562 .721 .028 |
| RAVDESS IS09, 7 labels | --folds 6 --set is09 | .580 .577 1.224 .000 | .583 .581 1.289 .015 |
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from facevoice.scores.metrics import ConfusionMatrix
from facevoice.train.prepare.folder import open_prepared
from facevoice.train.recipe import SvmRecipe
from facevoice.train.voice.features import functional_features
from facevoice.train.voice.svm import choose_svm, grouped_folds

Array = NDArray[Any]


def main() -> None:
    """Print a line a fold, then the figures over all folds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--set", default="is10", choices=("is09", "is10"))
    parser.add_argument("--folds", type=int, default=0, help="0: leave one group out")
    parser.add_argument("--least", type=int, default=1, help="leave out classes of fewer clips")
    parser.add_argument("--costs", type=float, nargs="+", default=[0.1, 1.0, 10.0])
    parser.add_argument("--power", type=float, default=1.0, help="balance_power; 0: no balance")
    options = parser.parse_args()
    recipe = SvmRecipe(
        name="svm",
        net="svm",
        feature_set=options.set,
        svm_costs=tuple(options.costs),
        balance="sampler",
        balance_power=options.power,
    )
    data = open_prepared(options.prepared)
    features, heard = functional_features(data, recipe.feature_set)
    keep = heard & (np.bincount(data.y)[data.y] >= options.least)
    names, y = np.unique(data.y[keep], return_inverse=True)
    labels = tuple(data.labels[k] for k in names)
    groups = np.array(data.groups)[keep]
    judge(features[keep], y, groups, labels, options.folds, recipe)


def judge(
    features: Array, y: Array, groups: Array, labels: tuple[str, ...], count: int, recipe: SvmRecipe
) -> None:
    """Score all rows by folds and print the figures."""
    ours, theirs = np.zeros((2, len(y), len(labels)))
    own = np.zeros(len(y), np.int64)
    started = time.monotonic()
    for train, held in outer_folds(y, groups, count):
        model, chosen = choose_svm(features[train], y[train], groups[train], len(labels), recipe)
        print(f"  {sorted(set(groups[held].tolist()))} {chosen}", flush=True)
        ours[held] = model.scores(features[held])
        scaled = model.scaler.transform(features[held].astype(np.float64))
        own[held] = svc_answers(model.svc, scaled)
        plain = make_pipeline(model.scaler, model.svc.set_params(decision_function_shape="ovr"))
        calibrated = CalibratedClassifierCV(
            plain, cv=grouped_folds(y[train], groups[train], recipe.seed), ensemble=False
        ).fit(features[train].astype(np.float64), y[train])
        probabilities = calibrated.predict_proba(features[held].astype(np.float64))
        theirs[np.ix_(held, calibrated.classes_)] = probabilities
    print(f"{len(y)} clips, {len(labels)} labels, {time.monotonic() - started:.0f} s")
    for name, scores in (("ours", ours), ("sigmoids", theirs)):
        matrix = ConfusionMatrix.of_scores(scores, y, labels)
        loss = -np.log(np.maximum(scores[np.arange(len(y)), y], 1e-12)).mean()
        changed = (scores.argmax(axis=1) != own).mean()
        print(
            f"{name:9s} WAR {matrix.war:.3f}  UAR {matrix.uar:.3f}  log-loss {loss:.3f}"
            f"  changed {changed:.3f}"
        )


def svc_answers(svc: Any, scaled: Array) -> Array:
    """The SVC's answers, equal counts of won pairs decided by margin."""
    decisions = svc.set_params(decision_function_shape="ovr").decision_function(scaled)
    answers: Array = svc.classes_[decisions.argmax(axis=1)]
    return answers


def outer_folds(y: Array, groups: Array, count: int) -> Iterator[tuple[Array, Array]]:
    """Whole groups, in ``count`` folds, or each one alone."""
    splitter = GroupKFold(count or len(np.unique(groups)))
    yield from splitter.split(np.zeros(len(y)), y, groups)


if __name__ == "__main__":
    main()
