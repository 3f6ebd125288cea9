"""Networks of one large product: what this machine reaches in onnxruntime, in fp32 and in int8.

Shared by budget.py and paper_system.py.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facevoice.train.export.static_int8 import quantise


def product_networks(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    values: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> tuple[Path, Path]:
    """Write nodes that read ``x`` and hold ``w``, and the same in int8; both files.

    values: like what is read. weights: what is held.
    """
    output = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        nodes[0].op_type,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), plain)
    quantise(plain, small, iter([values]))
    return plain, small
