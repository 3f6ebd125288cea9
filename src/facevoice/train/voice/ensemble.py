"""Utterance features -> the mean of a logistic regression and two small networks, as one ONNX file.

Both learn from the speech as it is and from changed copies of it (``speech_views``), so that a few
dozen speakers stand for more. They err differently: their mean does better than either.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional

from facevoice.branches.base import softmax
from facevoice.train.fit.samples import Split, mixed, soft_targets
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import EnsembleRecipe
from facevoice.train.voice.features import changed_features
from facevoice.train.voice.machine import Fitted, Report
from facevoice.types import Float32Array, Float64Array
from facevoice.writing import replacing

_NETS: Final = 2
_FARTHEST: Final = 6.0  # standard deviations; what lies beyond counts as that far
_INPUT_DROPOUT: Final = 0.2
_UNKNOWN: Final = -30.0  # logit of a class that training lacked
_OPSET: Final = 17
_IR_VERSION: Final = 9

Layer = tuple[Float64Array, Float64Array]
"""Weights (inputs, outputs) and biases (outputs,)."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A fitted regression and networks.

    mean, scale: (D,) of the features. linear: the regression. nets: the layers of each network,
    with ReLU between them.
    """

    mean: Float64Array
    scale: Float64Array
    linear: Layer
    nets: tuple[tuple[Layer, ...], ...]

    def scores(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, K) distributions: half the regression's, half the networks' mean."""
        values = np.clip((features - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        nets = [softmax(_through(values, layers)) for layers in self.nets]
        halves = [softmax(_through(values, [self.linear])), sum(nets) / len(nets)]
        scores: Float64Array = np.asarray(sum(halves) / 2)
        return scores


def fitted_ensemble(
    features: Float32Array, data: Prepared, split: Split, recipe: EnsembleRecipe, _log: Report
) -> Fitted:
    """Fit twice: on the training rows alone, and for good on these and the validation rows.

    The validation scores, by which the temperature is fitted, are those of the first.
    """
    looks = np.concatenate([features[None], changed_features(data, recipe)])

    def fitted(rows: NDArray[np.intp]) -> Ensemble:
        return fit(looks[:, rows], data.y[rows], len(data.labels), recipe)

    first = fitted(split.train)
    model = fitted(np.sort(np.concatenate([split.train, split.val])))
    return Fitted(model.scores, first.scores, partial(write_onnx, model), {"stage": "ensemble"})


def fit(looks: Float32Array, y: NDArray[np.int64], size: int, recipe: EnsembleRecipe) -> Ensemble:
    """Fit on looks (V, N, D), the first unchanged, with labels (N,) below ``size``."""
    every = looks.reshape(-1, looks.shape[-1]).astype(np.float64)
    mean, scale = every.mean(axis=0), every.std(axis=0) + 1e-6
    values = np.clip((looks - mean) / scale, -_FARTHEST, _FARTHEST).astype(np.float32)
    flat = values.reshape(-1, values.shape[-1])
    linear = _regression(flat, np.tile(y, len(looks)), size, recipe)
    nets = tuple(_network(values, y, size, recipe, number) for number in range(_NETS))
    return Ensemble(mean, scale, linear, nets)


def _regression(
    values: Float32Array, y: NDArray[np.int64], size: int, recipe: EnsembleRecipe
) -> Layer:
    power = 0.0 if recipe.balance == "none" else recipe.balance_power
    classes, counts = np.unique(y, return_counts=True)
    weights = (len(y) / (len(classes) * counts)) ** power
    regression = LogisticRegression(
        C=recipe.svm_costs[0],
        max_iter=200,
        class_weight=dict(zip(classes.tolist(), weights.tolist(), strict=True)),
    ).fit(values, y)
    matrix, bias = np.zeros((values.shape[1], size)), np.full(size, _UNKNOWN)
    own, intercepts = regression.coef_.T, regression.intercept_
    if len(classes) == 2:  # scikit-learn keeps the second one's logit alone
        own, intercepts = np.hstack([-own / 2, own / 2]), np.array([-1, 1]) * intercepts / 2
    matrix[:, classes], bias[classes] = own, intercepts
    return matrix, bias


def _network(
    looks: Float32Array, y: NDArray[np.int64], size: int, recipe: EnsembleRecipe, number: int
) -> tuple[Layer, ...]:
    """Train one network: one-cycle AdamW, mixup; each sample is drawn ``draws`` times an epoch."""
    torch.manual_seed(recipe.seed * _NETS + number)
    rng = np.random.default_rng([recipe.seed, number])
    width, values = recipe.width, torch.from_numpy(looks)
    hidden = (nn.ReLU(), nn.Dropout(recipe.dropout))
    net = nn.Sequential(
        nn.Dropout(_INPUT_DROPOUT),
        nn.Linear(looks.shape[-1], width), nn.BatchNorm1d(width), *hidden,
        nn.Linear(width, width // 2), nn.BatchNorm1d(width // 2), *hidden,
        nn.Linear(width // 2, size),
    )  # fmt: skip
    batches = math.ceil(len(y) * recipe.draws / recipe.batch_size)
    optimizer = torch.optim.AdamW(
        net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, batches * recipe.epochs
    )
    for _ in range(recipe.epochs):
        order = np.concatenate([rng.permutation(len(y)) for _ in range(recipe.draws)])
        for rows in np.array_split(order, batches):
            pictures = values[torch.from_numpy(rng.integers(len(looks), size=len(rows))), rows]
            targets = soft_targets(y[rows], size, recipe.label_smoothing)
            pictures, targets = mixed(pictures, targets, recipe.mixup, rng)
            loss = functional.cross_entropy(net(pictures), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return _layers(net.eval())


def _layers(net: nn.Sequential) -> tuple[Layer, ...]:
    """The linear layers, each with the batch norm behind it folded in."""
    layers: list[Layer] = []
    for module in net:
        if isinstance(module, nn.Linear):
            layers.append((_array(module.weight).T, _array(module.bias)))
        elif isinstance(module, nn.BatchNorm1d):
            weights, biases = layers.pop()
            gain = _array(module.weight) / np.sqrt(_array(module.running_var) + module.eps)
            shift = _array(module.bias) - _array(module.running_mean) * gain
            layers.append((weights * gain, biases * gain + shift))
    return tuple(layers)


def _array(tensor: Any) -> Float64Array:
    values: Float64Array = tensor.detach().double().numpy()
    return values


def _through(values: Float64Array, layers: Sequence[Layer]) -> Float64Array:
    for weights, biases in layers[:-1]:
        values = np.maximum(values @ weights + biases, 0)
    weights, biases = layers[-1]
    logits: Float64Array = values @ weights + biases
    return logits


def write_onnx(model: Ensemble, path: Path) -> None:
    """Write the model: features (N, D) float32 -> probabilities (N, K) float32."""
    constants: dict[str, NDArray[Any]] = {
        "mean": model.mean,
        "scale": model.scale,
        "least": np.array(-_FARTHEST),
        "most": np.array(_FARTHEST),
        "half": np.array(0.5),
        "net_share": np.array(0.5 / len(model.nets)),
    }
    node = helper.make_node
    nodes = [
        node("Sub", ["features", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Clip", ["scaled", "least", "most"], ["x"]),
    ]
    shares = []
    for name, layers in (("linear", (model.linear,)), *_named(model.nets)):
        last = "x"
        for number, (weights, biases) in enumerate(layers):
            part = f"{name}_{number}"
            constants[f"{part}_weights"], constants[f"{part}_biases"] = weights, biases
            nodes.append(node("Gemm", [last, f"{part}_weights", f"{part}_biases"], [part]))
            last = part
            if number < len(layers) - 1:
                nodes.append(node("Relu", [part], [f"{part}_relu"]))
                last = f"{part}_relu"
        share = "half" if name == "linear" else "net_share"
        nodes += [
            node("Softmax", [last], [f"{name}_shares"], axis=1),
            node("Mul", [f"{name}_shares", share], [f"{name}_part"]),
        ]
        shares.append(f"{name}_part")
    nodes.append(node("Sum", shares, ["probabilities"]))
    size = len(model.linear[1])
    graph = helper.make_graph(
        nodes,
        "ensemble",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(model.mean)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", size])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in constants.items()
        ],
    )
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(built)
    with replacing(path) as temporary:
        onnx.save(built, str(temporary))


def _named(nets: tuple[tuple[Layer, ...], ...]) -> list[tuple[str, tuple[Layer, ...]]]:
    return [(f"net{number}", layers) for number, layers in enumerate(nets)]
