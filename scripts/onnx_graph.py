"""Writes ONNX graphs by hand: what the conversion scripts share.

Weights may be stored smaller than they are used. Half-precision and 8-bit weights go into the file
as they are, followed by the operators that widen them; onnxruntime computes those once, when it
loads the model. Every activation is float32.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 17
IR_VERSION: Final = 8

Shapes = Mapping[str, Sequence[int | str] | None]


@dataclass(frozen=True, slots=True)
class Quantised:
    """8-bit weights: ``(stored - zero) * scale``.

    stored: integers of any shape.
    zero: of the type of stored, one number.
    scale: float32, broadcastable to stored.
    """

    stored: NDArray[Any]
    zero: int
    scale: NDArray[np.float32]

    def values(self) -> NDArray[np.float32]:
        """The weights as float32."""
        centred = self.stored.astype(np.float32) - np.float32(self.zero)
        return np.asarray(centred * self.scale, np.float32)


class Graph:
    """Nodes and weights in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def constant(self, array: NDArray[Any] | np.generic, name: str = "") -> str:
        """Store an array or a number as it is; return its name."""
        name = name or f"constant_{len(self.weights)}"
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        """Store a one-dimensional array of int64."""
        return self.constant(np.array(values, np.int64))

    def half(self, array: NDArray[Any], name: str = "") -> str:
        """Store an array as float16 and widen it; return the name of the float32 values."""
        return self.node(
            "Cast", self.constant(array.astype(np.float16), name), to=TensorProto.FLOAT
        )

    def quantised(self, weights: Quantised, name: str = "") -> str:
        """Store 8-bit weights and widen them; return the name of the float32 values."""
        wide = self.node("Cast", self.constant(weights.stored, name), to=TensorProto.FLOAT)
        if weights.zero:
            wide = self.node("Sub", wide, self.constant(np.float32(weights.zero)))
        return self.node("Mul", wide, self.constant(weights.scale))

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator with one output; return the output's name."""
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def gelu(self, name: str) -> str:
        """The exact Gaussian error linear unit; onnxruntime fuses its five operators."""
        inner = self.node("Div", name, self.constant(np.float32(np.sqrt(2.0))))
        raised = self.node("Add", self.node("Erf", inner), self.constant(np.float32(1.0)))
        return self.node("Mul", self.node("Mul", name, raised), self.constant(np.float32(0.5)))

    def layer_norm(
        self, name: str, weight: NDArray[Any], bias: NDArray[Any], output: str = ""
    ) -> str:
        """Normalisation over the last axis with epsilon 1e-5."""
        return self.node(
            *("LayerNormalization", name, self.constant(weight), self.constant(bias)),
            output=output,
            epsilon=1e-5,
        )

    def split_heads(self, name: str, heads: int, *, transposed: bool = False) -> str:
        """(B, T, heads * size) -> (B, heads, T, size), or (B, heads, size, T) if transposed."""
        parted = self.node("Reshape", name, self.integers(0, 0, heads, -1))
        return self.node("Transpose", parted, perm=[0, 2, 3, 1] if transposed else [0, 2, 1, 3])

    def attend(self, query: str, key: str, value: str) -> str:
        """Attention: query (scaled), value (B, H, T, D), key (B, H, D, T) -> (B, T, H * D)."""
        weights = self.node("Softmax", self.node("MatMul", query, key), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.node("Reshape", mixed, self.integers(0, 0, -1))

    def model(self, name: str, inputs: Shapes, outputs: Shapes) -> onnx.ModelProto:
        """The finished float32 model; names in a shape are free sizes, None is worked out.

        Raises:
            onnx.checker.ValidationError: if the graph is not sound.
        """
        nodes, weights = self._needed(set(outputs))
        ends = [
            [helper.make_tensor_value_info(*item) for item in _floats(shapes)]
            for shapes in (inputs, outputs)
        ]
        graph = helper.make_graph(nodes, name, ends[0], ends[1], weights)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        if None in outputs.values():
            model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
            del model.graph.value_info[:]
        onnx.checker.check_model(model, full_check=True)
        return model

    def _needed(self, names: set[str]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """What the outputs of these names depend on, in order."""
        wanted = set(names)
        kept = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        return kept[::-1], [self.weights[name] for name in self.weights if name in wanted]


def _floats(shapes: Shapes) -> Iterator[tuple[str, int, Sequence[int | str] | None]]:
    return ((name, TensorProto.FLOAT, shape) for name, shape in shapes.items())


def run(model: onnx.ModelProto, *arrays: NDArray[Any]) -> list[NDArray[np.float32]]:
    """All outputs of a model for its inputs in order, on one processor thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    names = [item.name for item in session.get_inputs()]
    found: list[NDArray[np.float32]] = session.run(None, dict(zip(names, arrays, strict=True)))
    return found
