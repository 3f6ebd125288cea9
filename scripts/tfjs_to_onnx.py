"""Converts a TensorFlow.js graph model (model.json and its .bin) to ONNX.

Knows the operators of small vision networks, and stops at any other. Pictures stay
(batch, height, width, channel), as in the original: a convolution stands between two
transpositions, of which onnxruntime removes most. Weights that are stored in half precision stay
so in the file.
"""

import base64
import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx_graph import Graph

ONE_TO_ONE: Final = {
    "AddV2": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Maximum": "Max",
    "Minimum": "Min",
    "AddN": "Sum",
    "Floor": "Floor",
    "Relu": "Relu",
    "Prelu": "PRelu",
    "Identity": "Identity",
    "Softmax": "Softmax",
}
REDUCTIONS: Final = {
    "Mean": "ReduceMean",
    "Prod": "ReduceProd",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
}
STORED: Final = {"float32": np.float32, "int32": np.int32, "float16": np.float16}
TO_ONNX: Final = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32}
END: Final = np.iinfo(np.int64).max

Node = dict[str, Any]


class Converter:
    """One conversion: the original's nodes by name, its weights, and the graph that grows."""

    def __init__(self, document: dict[str, Any], content: bytes) -> None:
        self.nodes: dict[str, Node] = {
            node["name"]: node for node in document["modelTopology"]["node"]
        }
        self.weights = read_weights(document, content)
        self.graph = Graph()
        self.inputs: dict[str, Sequence[int | str]] = {}
        self.done: dict[str, str] = {}

    def model(self, outputs: dict[str, str], name: str) -> onnx.ModelProto:
        """The ONNX model; outputs: name in the original -> name in the new one."""
        for source, target in outputs.items():
            self.graph.node("Identity", self.value(source), output=target)
        return self.graph.model(name, self.inputs, dict.fromkeys(outputs.values()))

    def value(self, name: str) -> str:
        """The name of a node's output in the new graph; converts what it needs first."""
        name = name.removesuffix(":0").lstrip("^")
        pending = [name]
        while pending:
            node = self.nodes[pending[-1]]
            needed = [source.removesuffix(":0") for source in node.get("input", [])]
            open_ones = [source for source in needed if source not in self.done]
            if pending[-1] in self.done:
                pending.pop()
            elif open_ones and node["op"] != "Const":
                pending.extend(open_ones)
            else:
                self.done[pending.pop()] = self._convert(node, [self.done[n] for n in needed])
        return self.done[name]

    def _convert(self, node: Node, inputs: list[str]) -> str:
        kind = node["op"]
        if kind in ONE_TO_ONE:
            return self.graph.node(ONE_TO_ONE[kind], *inputs)
        if kind in REDUCTIONS:
            axes = [int(axis) for axis in np.ravel(self._constant(node, 1))]
            keep = int(_flag(node, "keep_dims"))
            return self.graph.node(REDUCTIONS[kind], inputs[0], axes=axes, keepdims=keep)
        method: Callable[[Node, list[str]], str] | None = getattr(
            self, f"_{kind.strip('_').lower()}", None
        )
        if method is None:
            sys.exit(f"the operator {kind} of {node['name']} is not known")
        return method(node, inputs)

    def _constant(self, node: Node, index: int) -> NDArray[Any]:
        """The value of an input that must be a weight."""
        name = node["input"][index].removesuffix(":0")
        if name not in self.weights:
            sys.exit(f"input {index} of {node['name']} ({node['op']}) is not a constant")
        return self.weights[name]

    def _placeholder(self, node: Node, _: list[str]) -> str:
        sizes = [int(size["size"]) for size in node["attr"]["shape"]["shape"]["dim"]]
        name: str = node["name"]
        self.inputs[name] = [size if size > 0 else "batch" for size in sizes]
        return name

    def _const(self, node: Node, _: list[str]) -> str:
        return self._stored(self.weights[node["name"]])

    def _stored(self, array: NDArray[Any]) -> str:
        half = array.dtype == np.float16
        return self.graph.half(array) if half else self.graph.constant(array)

    def _conv2d(self, node: Node, inputs: list[str]) -> str:
        weight = self._constant(node, 1).transpose(3, 2, 0, 1)
        return self._convolution(node, inputs[0], weight, groups=1)

    def _depthwiseconv2dnative(self, node: Node, inputs: list[str]) -> str:
        weight = self._constant(node, 1)
        height, width, channels, multiple = weight.shape
        weight = weight.transpose(2, 3, 0, 1).reshape(channels * multiple, 1, height, width)
        return self._convolution(node, inputs[0], weight, groups=channels)

    def _fusedconv2d(self, node: Node, inputs: list[str]) -> str:
        found = self._conv2d(node, inputs)
        extra = iter(inputs[2:])
        for step in node["attr"]["fused_ops"]["list"]["s"]:
            kind = {"BiasAdd": "Add", "Relu": "Relu", "Prelu": "PRelu"}[_text(step)]
            found = self.graph.node(kind, found, *([] if kind == "Relu" else [next(extra)]))
        return found

    def _convolution(self, node: Node, picture: str, weight: NDArray[Any], *, groups: int) -> str:
        dilations = [int(n) for n in node["attr"]["dilations"]["list"]["i"]][1:3]
        return self._over_planes(
            *("Conv", node, picture, self._stored(weight)), dilations=dilations, group=groups
        )

    def _maxpool(self, node: Node, inputs: list[str]) -> str:
        size = [int(n) for n in node["attr"]["ksize"]["list"]["i"]][1:3]
        return self._over_planes("MaxPool", node, inputs[0], kernel_shape=size)

    def _over_planes(self, kind: str, node: Node, picture: str, *rest: str, **more: Any) -> str:
        """An operator that wants (batch, channel, height, width)."""
        strides = [int(n) for n in node["attr"]["strides"]["list"]["i"]][1:3]
        same = _text(node["attr"]["padding"]["s"]) == "SAME"
        planes = self.graph.node("Transpose", picture, perm=[0, 3, 1, 2])
        padding = "SAME_UPPER" if same else "VALID"
        found = self.graph.node(kind, planes, *rest, auto_pad=padding, strides=strides, **more)
        return self.graph.node("Transpose", found, perm=[0, 2, 3, 1])

    def _pad(self, node: Node, inputs: list[str]) -> str:
        pads = self._constant(node, 1).T.ravel().tolist()
        return self.graph.node("Pad", inputs[0], self.graph.integers(*pads))

    def _reshape(self, node: Node, inputs: list[str]) -> str:
        shape = self._constant(node, 1).ravel().tolist()
        return self.graph.node("Reshape", inputs[0], self.graph.integers(*shape))

    def _transpose(self, node: Node, inputs: list[str]) -> str:
        return self.graph.node("Transpose", inputs[0], perm=self._constant(node, 1).tolist())

    def _concatv2(self, node: Node, inputs: list[str]) -> str:
        axis = int(self._constant(node, len(inputs) - 1))
        return self.graph.node("Concat", *inputs[:-1], axis=axis)

    def _gatherv2(self, node: Node, inputs: list[str]) -> str:
        return self.graph.node("Gather", *inputs[:2], axis=int(self._constant(node, 2)))

    def _gathernd(self, _: Node, inputs: list[str]) -> str:
        places = self.graph.node("Cast", inputs[1], to=TensorProto.INT64)
        return self.graph.node("GatherND", inputs[0], places)

    def _stridedslice(self, node: Node, inputs: list[str]) -> str:
        masks = {name: _number(node, f"{name}_mask") for name in ("begin", "end", "shrink_axis")}
        if _number(node, "ellipsis_mask") or _number(node, "new_axis_mask"):
            sys.exit(f"{node['name']} slices in a way that is not known")
        begin, end, step = (self._constant(node, index).tolist() for index in (1, 2, 3))
        axes = range(len(begin))
        if min(step) < 1:
            sys.exit(f"{node['name']} slices backwards, which is not known")
        single = [axis for axis in axes if masks["shrink_axis"] >> axis & 1]
        for axis in axes:
            if axis in single:
                end[axis] = begin[axis] + 1 or END
            elif masks["end"] >> axis & 1:
                end[axis] = END
            if masks["begin"] >> axis & 1 and axis not in single:
                begin[axis] = 0
        limits = (self.graph.integers(*values) for values in (begin, end, axes, step))
        found = self.graph.node("Slice", inputs[0], *limits)
        if not single:
            return found
        return self.graph.node("Squeeze", found, self.graph.integers(*single))

    def _sum(self, node: Node, inputs: list[str]) -> str:
        axes = self.graph.integers(*np.ravel(self._constant(node, 1)).tolist())
        keep = int(_flag(node, "keep_dims"))
        return self.graph.node("ReduceSum", inputs[0], axes, keepdims=keep)

    def _square(self, _: Node, inputs: list[str]) -> str:
        return self.graph.node("Mul", inputs[0], inputs[0])

    def _rsqrt(self, _: Node, inputs: list[str]) -> str:
        return self.graph.node("Reciprocal", self.graph.node("Sqrt", inputs[0]))

    def _cast(self, node: Node, inputs: list[str]) -> str:
        return self.graph.node("Cast", inputs[0], to=TO_ONNX[node["attr"]["DstT"]["type"]])

    def _batchmatmulv2(self, node: Node, inputs: list[str]) -> str:
        sides = [
            self.graph.node("Einsum", side, equation="...ij->...ji") if _flag(node, flag) else side
            for side, flag in zip(inputs, ("adj_x", "adj_y"), strict=True)
        ]
        return self.graph.node("MatMul", *sides)


def _flag(node: Node, name: str) -> bool:
    return bool(node["attr"].get(name, {}).get("b", False))


def _number(node: Node, name: str) -> int:
    return int(node["attr"].get(name, {}).get("i", 0))


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def read_weights(document: dict[str, Any], content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a model by name, in the precision in which they are stored."""
    found, offset = {}, 0
    for group in document["weightsManifest"]:
        for item in group["weights"]:
            kind = STORED[item.get("quantization", {}).get("dtype", item["dtype"])]
            count = math.prod(item["shape"])
            array = np.frombuffer(content, kind, count, offset)
            found[item["name"]] = array.reshape(item["shape"])
            offset += array.nbytes
    if offset != len(content):
        sys.exit(f"the weights are {len(content)} bytes long, the model describes {offset}")
    return found


def convert(topology: bytes, content: bytes, outputs: dict[str, str], name: str) -> onnx.ModelProto:
    """The ONNX model of a TensorFlow.js one; outputs: original name -> new name, in order."""
    return Converter(json.loads(topology), content).model(outputs, name)
