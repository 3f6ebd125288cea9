"""A fitted support vector machine whose class scores are a distribution, and the same as ONNX.

An SVC of K classes decides K (K - 1) / 2 pairs; the class with most pairs won is its answer. That
count says little about how sure it is, so a class scores

    pairs won + 2 * mean margin against the others        (K > 2)
    2 * mean margin                                       (K = 2: the margin says who won)

and a softmax with a fitted temperature turns scores into probabilities. scikit-learn's own way, a
sigmoid for each class, changes up to 3 % of the answers and has the higher log-loss unless classes
are very rare (``benchmarks/svm_folds.py`` has figures).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from facevoice.branches.base import softmax
from facevoice.types import Float32Array, Float64Array
from facevoice.writing import replacing

Kernel = Literal["linear", "rbf"]
KERNELS: Final[tuple[Kernel, ...]] = ("linear", "rbf")
"""In the order of preference: the simpler one first."""
_MARGIN_WEIGHT: Final = 2.0
_OPSET: Final = 17
_IR_VERSION: Final = 9  # what onnxruntime 1.20 reads, and some before it


@dataclass(frozen=True, slots=True)
class Svm:
    """A scaler and an SVC, fitted.

    size: of the label set; classes that training lacked score 0.
    temperature: of the softmax.
    """

    scaler: Any
    svc: Any
    size: int
    temperature: float = 1.0

    @property
    def classes(self) -> NDArray[np.int64]:
        """(C,) indices of the classes that training had, ascending."""
        classes: NDArray[np.int64] = self.svc.classes_
        return classes

    def margins(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, P): of each pair of classes, > 0 where the first one wins."""
        pairs = self.svc.decision_function(self.scaler.transform(features.astype(np.float64)))
        if pairs.ndim == 1:  # of two classes scikit-learn gives the second one's margin
            pairs = -pairs[:, None]
        margins: Float64Array = pairs
        return margins

    def scores(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, size) probabilities over all labels."""
        margins = self.margins(features)
        by_margin, by_win = pair_matrices(len(self.classes))
        logits = margins @ by_margin + np.where(margins < 0, -1.0, 1.0) @ by_win
        scores = np.zeros((len(features), self.size))
        scores[:, self.classes] = softmax(logits / self.temperature)
        return scores


def fit_svm(
    features: Float32Array,
    y: NDArray[np.int64],
    size: int,
    *,
    cost: float,
    kernel: Kernel,
    balance_power: float = 0.0,
) -> Svm:
    """Fit a scaler and an SVC on rows (N, D) with labels (N,) of at least two classes.

    balance_power: weigh each class by its inverse frequency to this power; 0 leaves them alone.
    """
    scaler = StandardScaler().fit(features.astype(np.float64))
    classes, counts = np.unique(y, return_counts=True)
    weights = (len(y) / (len(classes) * counts)) ** balance_power
    svc = SVC(
        C=cost,
        kernel=kernel,
        gamma="auto",  # 1 / D, which is what "scale" means for scaled features
        decision_function_shape="ovo",
        class_weight=dict(zip(classes.tolist(), weights.tolist(), strict=True)),
    )
    svc.fit(scaler.transform(features.astype(np.float64)), y)
    return Svm(scaler, svc, size)


def pair_matrices(count: int) -> tuple[Float64Array, Float64Array]:
    """Two (P, C) matrices that carry margins, and the signs of margins, to class scores."""
    signs = np.zeros((count * (count - 1) // 2, count))
    for row, (first, second) in enumerate(combinations(range(count), 2)):
        signs[row, first], signs[row, second] = 1, -1
    wins = signs / 2 if count > 2 else np.zeros_like(signs)
    return signs * (_MARGIN_WEIGHT / count), wins


def write_onnx(model: Svm, path: Path) -> None:
    """Write the model: features (N, D) float32 -> label (N,) int64, probabilities (N, size)."""
    dimension = len(model.scaler.mean_)
    graph = helper.make_graph(
        _nodes(model.svc.kernel == "linear"),
        "svm",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", dimension])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["batch", model.size]
            ),
        ],
        [numpy_helper.from_array(array, name) for name, array in _constants(model).items()],
    )
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(built)
    with replacing(path) as temporary:
        onnx.save(built, str(temporary))


def _constants(model: Svm) -> dict[str, NDArray[Any]]:
    by_margin, by_win = pair_matrices(len(model.classes))
    placed = np.zeros((len(model.classes), model.size), np.float32)
    placed[np.arange(len(model.classes)), model.classes] = 1
    pairs, intercepts = _pair_weights(model.svc)
    support = model.svc.support_vectors_
    constants: dict[str, NDArray[Any]] = {
        "mean": model.scaler.mean_,
        "scale": model.scaler.scale_,
        "intercepts": intercepts,
        "zero": np.array(0.0, np.float32),
        "one": np.array(1.0, np.float32),
        "minus_one": np.array(-1.0, np.float32),
        "by_margin": by_margin / model.temperature,
        "by_win": by_win / model.temperature,
        "placed": placed,
    }
    if model.svc.kernel == "linear":
        constants["pairs"] = support.T @ pairs  # one weight a feature and pair: no vector is kept
    else:
        gamma = 1.0 / support.shape[1]
        constants |= {
            "pairs": pairs,
            "cross": support.T * (2 * gamma),
            "own": -gamma * (support**2).sum(axis=1)[None],
            "minus_gamma": np.array(-gamma),
            "last_axis": np.array([1], np.int64),
        }
    double = ("mean", "scale")  # features reach 1e9: their difference from the mean needs it
    return {
        name: array
        if name in double or array.dtype == np.int64
        else np.ascontiguousarray(array, np.float32)
        for name, array in constants.items()
    }


def _pair_weights(svc: Any) -> tuple[Float64Array, Float64Array]:
    """(V, P) weights of the support vectors in each pair's margin, and (P,) intercepts.

    scikit-learn keeps (C - 1, V): the vectors stand sorted by class, and a vector's rows are its
    weights against the other classes in order (its user guide, "Multi-class classification").
    """
    owner = np.repeat(np.arange(len(svc.classes_)), svc.n_support_)
    columns = []
    for first, second in combinations(range(len(svc.classes_)), 2):
        column = np.zeros(len(owner))
        column[owner == first] = svc.dual_coef_[second - 1, owner == first]
        column[owner == second] = svc.dual_coef_[first, owner == second]
        columns.append(column)
    sign = -1.0 if len(columns) == 1 else 1.0
    return sign * np.stack(columns, axis=1), sign * svc.intercept_


def _nodes(linear: bool) -> Sequence[Any]:  # noqa: FBT001 - the only choice there is
    node = helper.make_node
    scaling = [
        node("Cast", ["features"], ["exact"], to=TensorProto.DOUBLE),
        node("Sub", ["exact", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Cast", ["scaled"], ["x"], to=TensorProto.FLOAT),
    ]
    kernel = [
        node("Mul", ["x", "x"], ["squares"]),
        node("ReduceSum", ["squares", "last_axis"], ["norms"], keepdims=1),
        node("Mul", ["norms", "minus_gamma"], ["norm_terms"]),
        node("MatMul", ["x", "cross"], ["cross_terms"]),
        node("Add", ["norm_terms", "own"], ["outer_terms"]),
        node("Add", ["outer_terms", "cross_terms"], ["exponents"]),
        node("Exp", ["exponents"], ["similar"]),
    ]
    pairs = [
        node("MatMul", ["x" if linear else "similar", "pairs"], ["weighed"]),
        node("Add", ["weighed", "intercepts"], ["margins"]),
        node("Less", ["margins", "zero"], ["lost"]),
        node("Where", ["lost", "minus_one", "one"], ["signs"]),
        node("MatMul", ["margins", "by_margin"], ["from_margins"]),
        node("MatMul", ["signs", "by_win"], ["from_wins"]),
        node("Add", ["from_margins", "from_wins"], ["logits"]),
        node("Softmax", ["logits"], ["shares"], axis=1),
        node("MatMul", ["shares", "placed"], ["probabilities"]),
        node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    return [*scaling, *([] if linear else kernel), *pairs]
