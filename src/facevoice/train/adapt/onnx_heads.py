"""ONNX networks cut before their last linear layer, and new heads put in its place.

A head answers the labels that it was fitted on. A label that its clips lacked keeps the original
network's evidence: with q the original distribution, Q what it gives to the absent labels, p the
head's softmax over the others and r the head's ``ratio``,

    absent labels: r q / z      the others: (1 - Q) p / z      z = 1 - Q + r Q.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

from facevoice.branches.base import SMALLEST_SCORE, softmax
from facevoice.errors import RecipeError
from facevoice.types import Float32Array, Float64Array

OPSET: Final = 18
_FLOAT: Final = onnx.TensorProto.FLOAT
_IR: Final = 9


@dataclass(frozen=True, slots=True)
class Answer:
    """Which labels a head was fitted on, and what the original's evidence for the others is worth.

    present: (P,) label indices, ascending. size: K, all labels. ratio: r, 0 < r <= 1.
    """

    present: tuple[int, ...]
    size: int
    ratio: float = 1.0

    @property
    def absent(self) -> tuple[int, ...]:
        """Labels that the head's clips lacked."""
        return tuple(label for label in range(self.size) if label not in self.present)

    def distributions(self, logits: Float64Array, original: Float64Array) -> Float64Array:
        """Logits (M, P) of the head and distributions (M, K) of the original -> (M, K)."""
        found = np.zeros((len(logits), self.size))
        away = original[:, self.absent]
        rest = np.maximum(1 - away.sum(axis=1, keepdims=True), SMALLEST_SCORE)
        found[:, self.present] = rest * softmax(logits)
        found[:, self.absent] = self.ratio * away
        normalised: Float64Array = found / found.sum(axis=1, keepdims=True)
        return normalised


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: (D, K) weight and (K,) bias, float64."""

    weight: Float64Array
    bias: Float64Array

    def logits(self, features: NDArray[Any]) -> Float64Array:
        """(..., D) -> (..., K)."""
        found: Float64Array = features @ self.weight + self.bias
        return found


@dataclass(frozen=True, slots=True)
class Trunk:
    """A picture network without its last linear layer.

    model: the whole network. last: name of the layer's input, (N, D). head: the layer itself.
    levels: names of maps (N, C, H, W), the last one of each size that the network goes through.
    """

    model: onnx.ModelProto
    last: str
    head: Linear
    levels: tuple[str, ...]


def cut(path: Path) -> Trunk:
    """Find the last linear layer of a network.

    Raises:
        RecipeError: the network ends in something else.
    """
    model = onnx.compose.add_prefix(load(path), "net.", rename_inputs=False)
    made = {name: node for node in model.graph.node for name in node.output}
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in model.graph.node:  # weights that are stored as halves are cast when loaded
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    end = made.get(model.graph.output[0].name)
    bias: NDArray[Any] | None = None
    if end is not None and end.op_type == "Add":
        inner = next((name for name in end.input if name not in constants), "")
        bias = next((constants[name] for name in end.input if name in constants), None)
        end = made.get(inner)
    if end is None or end.op_type not in ("Gemm", "MatMul") or end.input[1] not in constants:
        raise RecipeError(f"{path.name} does not end in a linear layer")
    weight = constants[end.input[1]].astype(np.float64)
    if end.op_type == "Gemm":
        facts = {each.name: helper.get_attribute_value(each) for each in end.attribute}
        if facts.get("transA", 0) or facts.get("alpha", 1.0) != 1 or facts.get("beta", 1.0) != 1:
            raise RecipeError(f"{path.name} ends in a scaled product, not in a linear layer")
        weight = weight.T if facts.get("transB", 0) else weight
        bias = constants[end.input[2]] if len(end.input) > 2 else None
    offset = np.zeros(weight.shape[1]) if bias is None else bias.astype(np.float64)
    return Trunk(model, end.input[0], Linear(weight, offset), _levels(model))


def load(path: Path) -> onnx.ModelProto:
    """A network, in the operators that heads are written in."""
    model = onnx.load(path)
    version = next(each.version for each in model.opset_import if not each.domain)
    return model if version >= OPSET else version_converter.convert_version(model, OPSET)


def _levels(model: onnx.ModelProto) -> tuple[str, ...]:
    inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {
        each.name: tuple(side.dim_value for side in each.type.tensor_type.shape.dim)
        for each in inferred.graph.value_info
    }
    found: dict[tuple[int, ...], str] = {}
    for node in model.graph.node:
        shape = shapes.get(node.output[0], ())
        if node.op_type == "Relu" and len(shape) == 4 and min(shape[2:]) > 1:
            found[shape[2:]] = node.output[0]
    return tuple(found.values())


class _Graph:
    """Nodes and constants that are put behind a network, under names of their own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[Any]) -> str:
        name = f"{self.prefix}.constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, *inputs: str, name: str = "", **facts: Any) -> str:
        output = name or f"{self.prefix}.{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **facts))
        return output

    def linear(self, values: str, layer: Linear) -> str:
        weight = self.constant(layer.weight.astype(np.float32))
        return self.add(
            "Add",
            self.add("MatMul", values, weight),
            self.constant(layer.bias.astype(np.float32)),
        )

    def moments(self, values: str) -> tuple[str, str]:
        """Mean and deviation of (N, C, ...) over all behind C, each (N, C)."""
        mean = self.add("GlobalAveragePool", values)
        centred = self.add("Sub", values, mean)
        square = self.add("GlobalAveragePool", self.add("Mul", centred, centred))
        flat = self.add("Flatten", mean)
        return flat, self.add("Flatten", self.add("Sqrt", square))

    def answered(self, logits: str, original: str, answer: Answer) -> None:
        """Logits (N, P) and, where labels are absent, original distributions (N, K) -> logits."""
        if not answer.absent:
            self.add("Identity", logits, name="logits")
            return
        away = self.add("Gather", original, self.constant(np.array(answer.absent)), axis=1)
        least = self.constant(np.array(SMALLEST_SCORE, np.float32))
        ones = self.constant(np.ones((len(answer.absent), 1), np.float32))
        rest = self.add(
            "Sub", self.constant(np.ones(1, np.float32)), self.add("MatMul", away, ones)
        )
        log_rest = self.add("Log", self.add("Max", rest, least))
        known = self.add("Add", self.add("LogSoftmax", logits, axis=1), log_rest)
        scaled = self.add("Mul", away, self.constant(np.full(1, answer.ratio, np.float32)))
        unknown = self.add("Log", self.add("Max", scaled, least))
        both = self.add("Concat", known, unknown, axis=1)
        order = np.argsort((*answer.present, *answer.absent))
        self.add("Gather", both, self.constant(order), name="logits", axis=1)


def _finished(
    model: onnx.ModelProto, graph: _Graph, output: str, shape: Sequence[Any]
) -> onnx.ModelProto:
    """The model with the graph behind it, without what the output does not need."""
    nodes = [*model.graph.node, *graph.nodes]
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    constants = [*model.graph.initializer, *graph.constants]
    done = helper.make_graph(
        kept[::-1],
        "adapted",
        [each for each in model.graph.input if each.name in needed],
        [helper.make_tensor_value_info(output, _FLOAT, list(shape))],
        [each for each in constants if each.name in needed],
    )
    made = helper.make_model(
        done, opset_imports=model.opset_import, ir_version=max(model.ir_version, _IR)
    )
    onnx.checker.check_model(made)
    return made


def _features(trunk: Trunk, graph: _Graph, *, levels: bool) -> str:
    """The last layer's input, and behind it mean and deviation of every level's maps."""
    parts = [trunk.last]
    for level in trunk.levels if levels else ():
        parts += graph.moments(level)
    return graph.add("Concat", *parts, name="features", axis=1)


def feature_model(trunk: Trunk, *, levels: bool) -> onnx.ModelProto:
    """Pictures (N, C, H, W) -> features (N, D)."""
    graph = _Graph("adapted")
    return _finished(trunk.model, graph, _features(trunk, graph, levels=levels), ("n", "d"))


def picture_model(trunk: Trunk, layer: Linear, answer: Answer) -> onnx.ModelProto:
    """Pictures (N, C, H, W) -> logits (N, K): the network with a last layer on all features."""
    graph = _Graph("adapted")
    logits = graph.linear(_features(trunk, graph, levels=True), layer)
    original = graph.add("Softmax", graph.linear(trunk.last, trunk.head), axis=1)
    graph.answered(logits, original, answer)
    return _finished(trunk.model, graph, "logits", ("n", answer.size))


def moments_model(
    original: Linear | onnx.ModelProto, layer: Linear, answer: Answer
) -> onnx.ModelProto:
    """Features (1, T, D) -> their mean and deviation over time -> logits (1, K).

    original: see ``sequence_model``.
    """
    graph = _Graph("adapted")
    across = graph.add("Transpose", "features", perm=[0, 2, 1])
    pooled = graph.add("Concat", *graph.moments(across), axis=1)
    width = layer.weight.shape[0] // 2
    shape = [1, "t", width]
    inputs = [helper.make_tensor_value_info("features", _FLOAT, shape)]
    empty = helper.make_graph([], "empty", inputs, [], [])
    model = helper.make_model(empty, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR)
    return _sequence(model, graph, graph.linear(pooled, layer), original, answer)


def sequence_model(
    model: onnx.ModelProto, original: Linear | onnx.ModelProto, answer: Answer
) -> onnx.ModelProto:
    """A network of features (1, T, D) -> logits (1, P), completed by the absent labels.

    original: of one face, reading the first of the features (its mean softmax over time counts);
        or the network of the whole sequence.
    """
    prefixed = onnx.compose.add_prefix(model, "head.", rename_inputs=False, rename_outputs=True)
    name = prefixed.graph.output[0].name
    return _sequence(prefixed, _Graph("adapted"), name, original, answer)


def _sequence(
    model: onnx.ModelProto,
    graph: _Graph,
    logits: str,
    original: Linear | onnx.ModelProto,
    answer: Answer,
) -> onnx.ModelProto:
    scores = ""
    if answer.absent and isinstance(original, Linear):
        stop = graph.constant(np.array([original.weight.shape[0]]))
        start, axis = graph.constant(np.array([0])), graph.constant(np.array([2]))
        own = graph.add("Slice", "features", start, stop, axis)
        each = graph.add("Softmax", graph.linear(own, original), axis=2)
        across = graph.add("Transpose", each, perm=[0, 2, 1])
        scores = graph.add("Flatten", graph.add("GlobalAveragePool", across))
    elif answer.absent and isinstance(original, onnx.ModelProto):
        old = onnx.compose.add_prefix(original, "original.", rename_outputs=True)
        read = old.graph.input[0].name
        graph.nodes.append(helper.make_node("Identity", ["features"], [read]))
        graph.nodes.extend(old.graph.node)
        graph.constants.extend(old.graph.initializer)
        scores = graph.add("Softmax", old.graph.output[0].name, axis=1)
    graph.answered(logits, scores, answer)
    return _finished(model, graph, "logits", (1, answer.size))


def machine_model(original: onnx.ModelProto, layer: Linear, answer: Answer) -> onnx.ModelProto:
    """Utterance features (N, D) -> probabilities (N, K): a linear layer beside the old machine.

    original: features (N, D) -> probabilities, its last output.
    """
    graph = _Graph("adapted")
    old = onnx.compose.add_prefix(original, "original.", rename_inputs=False)
    read = old.graph.input[0].name
    graph.answered(graph.linear(read, layer), old.graph.output[-1].name, answer)
    graph.add("Softmax", "logits", name="probabilities", axis=1)
    return _finished(old, graph, "probabilities", ("n", answer.size))


def pooled(features: Float32Array) -> Float32Array:
    """What ``moments_model`` does first: (T, D) -> (1, 2 D)."""
    return np.concatenate([features.mean(axis=0), features.std(axis=0)])[None]
