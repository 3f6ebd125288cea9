"""A network's convolutions and matrix products in int8, with ranges from real inputs.

Static quantisation: values are stored in 8 bits between operations, and onnxruntime fuses what
stands between two such values (QuantizeLinear and DequantizeLinear) into one integer operation.
Weights have a scale per output channel (Jacob et al. 2018; onnxruntime.quantization) and 7 bits:
processors without VNNI add two products in 16 bits, which 8 would overflow. So scores are the same
on every processor. The first product, which reads the picture itself, and the last, which decides
between labels, stay in float32 if they are a small part of the network.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

_PRODUCTS: Final = frozenset({"Conv", "Gemm", "MatMul"})
_BETWEEN: Final = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Relu")
"""Operations that pass 8-bit values on, so that a product's output need not become float32."""
_LARGEST_END: Final = 0.01
"""Share of the weights up to which the first and the last product stay in float32."""
_RECURRENT: Final = frozenset({"GRU", "LSTM", "RNN"})


def obstacle(path: Path) -> str:
    """Why a network cannot be quantised, in words; "" if it can."""
    found = {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}
    if any("Quantize" in kind or "Integer" in kind or "QLinear" in kind for kind in found):
        return "is quantised already"
    if found & _RECURRENT:
        return "is recurrent"  # onnxruntime has no static int8 of these
    return "" if found & _PRODUCTS else "has no convolution or matrix product"


def quantise(path: Path, output: Path, inputs: Iterator[NDArray[Any]]) -> None:
    """Write a network in int8.

    inputs: what it is run on to find the range of every value; read one by one.
    """

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            values = next(inputs, None)
            return None if values is None else {name: values}

    with TemporaryDirectory(prefix="facevoice-") as work, _quiet():
        folded = Path(work) / "folded.onnx"  # norms in convolutions; weights of half size unpacked
        quant_pre_process(path, folded, skip_symbolic_shape=True)
        name, ends = _named(folded)
        quantize_static(
            folded,
            output,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_PRODUCTS, *_BETWEEN],
            nodes_to_exclude=ends,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _named(path: Path) -> tuple[str, list[str]]:
    """Name every operation; the input's name, and the products at the ends that stay in float32."""
    model = onnx.load(path)
    for number, node in enumerate(model.graph.node):
        node.name = f"{number}_{node.op_type}"
    onnx.save(model, path)
    sizes = {each.name: math.prod(each.dims) for each in model.graph.initializer}
    products = {
        node.name: max((sizes.get(name, 0) for name in node.input), default=0)
        for node in model.graph.node
        if node.op_type in _PRODUCTS
    }
    most = _LARGEST_END * sum(products.values())
    order = [*products]
    ends = {*order[:1], *order[-1:]}
    return model.graph.input[0].name, sorted(name for name in ends if products[name] <= most)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's advice on how to call it: a user could do nothing about it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
