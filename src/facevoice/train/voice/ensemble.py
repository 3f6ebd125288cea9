"""Utterance features -> the log-mean of a regression and a few small networks, as one ONNX file.

All learn from the same principal components of standardised features, of the speech as it is and
of changed copies of it (``speech_views``). A log-mean is a mean of logits but for a constant, so
what comes out is a single network: one hidden layer, beside one that is linear.

Corpora differ in what they hold. Every corpus may weigh the same (``balance_corpora``), and where a
corpus lacks a class, the class may be held to be unlikely in training rather than wrong
(``absent``), so that a class that few corpora have does not come to stand for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from facevoice.branches.base import softmax
from facevoice.train.fit.samples import Split
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import EnsembleRecipe
from facevoice.train.voice.features import looks_of
from facevoice.train.voice.machine import Fitted, Report
from facevoice.types import Float32Array, Float64Array
from facevoice.writing import replacing

_FARTHEST: Final = 6.0  # standard deviations; what lies beyond counts as that far
UNKNOWN: Final = -30.0  # logit of a class that training lacked
_REGRESSION_STEPS: Final = 60
_PASSES: Final = 3  # of the randomised search for principal components
_SPARE: Final = 40  # components that it looks for beyond those wanted
_OPSET: Final = 17
_IR_VERSION: Final = 9


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A fitted regression and networks, as one network.

    mean, scale: (D,) of the features. linear: (D, K) and biases: (K,) of what reaches the logits
    without a hidden layer. hidden: (D, H) and hidden_biases: (H,). out: (H, K).
    """

    mean: Float64Array
    scale: Float64Array
    linear: Float64Array
    biases: Float64Array
    hidden: Float64Array
    hidden_biases: Float64Array
    out: Float64Array

    def scores(self, features: Float32Array) -> Float64Array:
        """(N, D) -> (N, K) distributions."""
        values = np.clip((features - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        reached = np.maximum(values @ self.hidden + self.hidden_biases, 0)
        return softmax(values @ self.linear + self.biases + reached @ self.out)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from: N samples in V looks, the first unchanged.

    looks: (V, N, D) features. y: (N,) labels below ``size``. weights: (N,), of mean 1.
    offsets: (N, K) added to the logits in training.
    """

    looks: Float32Array
    y: NDArray[np.int64]
    size: int
    weights: Float32Array
    offsets: Float32Array


def fitted_ensemble(
    features: Float32Array, data: Prepared, split: Split, recipe: EnsembleRecipe, _log: Report
) -> Fitted:
    """Fit twice: on the training rows alone, and for good on these and the validation rows.

    The validation scores, by which the temperature is fitted, are those of the first.
    """
    looks = looks_of(features, data, recipe)

    def fitted(rows: NDArray[np.intp]) -> Ensemble:
        return fit(lesson_of(looks, data, rows, recipe), recipe)

    first = fitted(split.train)
    model = fitted(np.sort(np.concatenate([split.train, split.val])))
    return Fitted(model.scores, first.scores, partial(write_onnx, model), {"stage": "ensemble"})


def lesson_of(
    looks: Float32Array, data: Prepared, rows: NDArray[np.intp], recipe: EnsembleRecipe
) -> Lesson:
    """Some rows of the data, weighed as the recipe says. looks: (V, N, D) of all rows."""
    y, size = data.y[rows], len(data.labels)
    corpora = np.array([data.corpora[row] for row in rows])
    noted = [recipe.note_weights.get(data.notes[row], 1.0) for row in rows]
    weights = np.array(noted, np.float64)
    offsets = np.zeros((len(rows), size), np.float32)
    power = 0.0 if recipe.balance == "none" else recipe.balance_power
    for own in _members(corpora if recipe.balance_corpora else np.zeros(len(rows), np.int64)):
        for same in _members(y[own]):
            weights[own[same]] *= weights[own[same]].sum() ** -power
        if recipe.balance_corpora:
            weights[own] /= weights[own].sum()
    for own in _members(corpora):
        absent = np.setdiff1d(np.arange(size), y[own])
        offsets[np.ix_(own, absent)] = np.log(recipe.absent)
    weights = (weights / weights.mean()).astype(np.float32)
    return Lesson(looks[:, rows], y, size, weights, offsets)


def _members(values: NDArray[Any]) -> list[NDArray[np.intp]]:
    """The places of each value that occurs."""
    return [np.flatnonzero(values == value) for value in np.unique(values)]


def fit(lesson: Lesson, recipe: EnsembleRecipe) -> Ensemble:
    """Fit regression and networks on principal components, and put them together."""
    every = lesson.looks.reshape(-1, lesson.looks.shape[-1])
    mean, scale = every.mean(axis=0, dtype=np.float64), every.std(axis=0, dtype=np.float64) + 1e-6
    values = np.clip((lesson.looks - mean) / scale, -_FARTHEST, _FARTHEST).astype(np.float32)
    axes = principal(torch.from_numpy(values).flatten(0, 1), recipe.components, recipe.seed)
    looks = torch.from_numpy(values) @ axes
    weights, biases = regression(looks, lesson, recipe)
    hidden, hidden_biases, out, out_biases = _networks(looks, lesson, recipe)
    biases = (biases + out_biases.mean(dim=0)) / 2
    biases[np.setdiff1d(np.arange(lesson.size), lesson.y)] = UNKNOWN
    return Ensemble(
        mean,
        scale,
        linear=_array(axes @ weights / 2),
        biases=_array(biases),
        hidden=_array(axes @ hidden.movedim(0, 1).flatten(1)),
        hidden_biases=_array(hidden_biases.flatten()),
        out=_array(out.flatten(0, 1) / (2 * recipe.nets)),
    )


def principal(values: Tensor, count: int, seed: int) -> Tensor:
    """(N, D) -> (D, C): the directions of largest variance, found by subspace iteration.

    Halko, Martinsson and Tropp, *Finding structure with randomness*, SIAM Review 53(2), 2011.
    """
    width = values.shape[1]
    count = min(count, width)
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(width, min(count + _SPARE, width), generator=generator)
    for _ in range(_PASSES):
        found = torch.linalg.qr(values.T @ (values @ found))[0]
    _, within = torch.linalg.eigh(found.T @ (values.T @ (values @ found)))
    axes: Tensor = found @ within[:, -count:]
    return axes


def regression(looks: Tensor, lesson: Lesson, recipe: EnsembleRecipe) -> tuple[Tensor, Tensor]:
    """(C, K) and (K,): multinomial logistic regression with scikit-learn's meaning of C."""
    views, count, width = looks.shape
    flat, y = looks.flatten(0, 1), torch.from_numpy(np.tile(lesson.y, views))
    share = torch.from_numpy(np.tile(lesson.weights, views)) / views
    offsets = torch.from_numpy(np.tile(lesson.offsets, (views, 1)))
    weights = torch.zeros(width, lesson.size, requires_grad=True)
    biases = torch.zeros(lesson.size, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights, biases], max_iter=_REGRESSION_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = flat @ weights + biases + offsets
        each = functional.cross_entropy(logits, y, reduction="none")
        whole = ((each * share).sum() + weights.square().sum() / (2 * recipe.cost)) / count
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), biases.detach()


def _networks(
    looks: Tensor, lesson: Lesson, recipe: EnsembleRecipe
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(G, C, H), (G, 1, H), (G, H, K), (G, K): networks of one hidden layer, trained side by side.

    AdamW whose rate falls to 0. Samples are drawn by their weights, each time in one of the looks.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    views, count, inputs = looks.shape
    nets, width = recipe.nets, recipe.width
    hidden = torch.randn(nets, inputs, width, generator=generator) / inputs**0.5
    out = torch.randn(nets, width, lesson.size, generator=generator) / width**0.5
    hidden_biases, out_biases = torch.zeros(nets, 1, width), torch.zeros(nets, 1, lesson.size)
    learnt = [each.requires_grad_() for each in (hidden, hidden_biases, out, out_biases)]
    optimizer = torch.optim.AdamW(learnt, recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * max(1, round(count / recipe.batch_size))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    dropped = partial(_dropped, generator=generator)
    y, offsets = torch.from_numpy(lesson.y), torch.from_numpy(lesson.offsets)
    shares = torch.from_numpy(lesson.weights)
    for _ in range(steps):
        drawn = nets * recipe.batch_size
        rows = torch.multinomial(shares, drawn, replacement=True, generator=generator)
        which = torch.randint(views, (drawn,), generator=generator)
        values = dropped(looks[which, rows], recipe.input_dropout).view(nets, -1, inputs)
        reached = torch.relu(torch.baddbmm(hidden_biases, values, hidden))
        logits = torch.baddbmm(out_biases, dropped(reached, recipe.dropout), out)
        loss = functional.cross_entropy(logits.flatten(0, 1) + offsets[rows], y[rows]) * nets
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    hidden, hidden_biases, out, out_biases = (each.detach() for each in learnt)
    return hidden, hidden_biases, out, out_biases[:, 0]


def _dropped(values: Tensor, share: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(values.shape, generator=generator) >= share
    return values * kept / (1 - share)


def _array(tensor: Tensor) -> Float64Array:
    values: Float64Array = tensor.double().numpy()
    return values


def write_onnx(model: Ensemble, path: Path) -> None:
    """Write the model: features (N, D) float32 -> probabilities (N, K) float32."""
    constants: dict[str, NDArray[Any]] = {
        "mean": model.mean,
        "scale": model.scale,
        "least": np.array(-_FARTHEST),
        "most": np.array(_FARTHEST),
        "linear": model.linear,
        "biases": model.biases,
        "hidden": model.hidden,
        "hidden_biases": model.hidden_biases,
        "out": model.out,
    }
    node: Callable[..., Any] = helper.make_node
    nodes = [
        node("Sub", ["features", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Clip", ["scaled", "least", "most"], ["x"]),
        node("Gemm", ["x", "linear", "biases"], ["direct"]),
        node("Gemm", ["x", "hidden", "hidden_biases"], ["before"]),
        node("Relu", ["before"], ["reached"]),
        node("Gemm", ["reached", "out", "direct"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    write_graph("ensemble", nodes, constants, path)


def write_graph(
    name: str, nodes: Sequence[Any], constants: Mapping[str, NDArray[Any]], path: Path
) -> None:
    """Write a model of features (N, D) float32 -> probabilities (N, K) float32.

    nodes: of ONNX, from "features" to "probabilities". constants: their further inputs; that
        called "linear" is (D, K).
    """
    width, size = constants["linear"].shape
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", size])],
        [
            numpy_helper.from_array(np.ascontiguousarray(array, np.float32), called)
            for called, array in constants.items()
        ],
    )
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(built)
    with replacing(path) as temporary:
        onnx.save(built, str(temporary))
