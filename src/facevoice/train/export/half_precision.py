"""Weights stored in half precision: half the bytes, computed in single precision as before."""

from pathlib import Path
from typing import Final

import onnx
from onnx import numpy_helper

from facevoice.writing import replacing

_SMALLEST: Final = 1024  # numbers; norms and biases stay as they are


def halve(path: Path) -> None:
    """Store a model's large float32 weights as float16, cast back when it is loaded.

    Raises:
        OutputError: the file cannot be written.
    """
    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _SMALLEST:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}.half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    with replacing(path) as temporary:
        onnx.save(model, temporary)
