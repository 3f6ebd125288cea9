"""Small TensorFlow.js graphs, written by hand, against PyTorch and numpy."""

import base64
import json
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
functional = torch.nn.functional

GENERATOR = np.random.default_rng(0)
INT_MAX = 2**31 - 1


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Tfjs:
    """Collects the nodes and weights of one graph model."""

    def __init__(self, *shape: int) -> None:
        sizes = [{"size": str(size)} for size in shape]
        attributes = {"shape": {"shape": {"dim": sizes}}}
        self.nodes: list[dict[str, Any]] = [{"name": "x", "op": "Placeholder", "attr": attributes}]
        self.specs: list[dict[str, Any]] = []
        self.content = b""

    def weight(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.specs)}"
        kind = "int32" if array.dtype == np.int32 else "float32"
        spec = {"name": name, "shape": list(array.shape), "dtype": kind}
        if array.dtype == np.float16:
            spec["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        self.specs.append(spec)
        self.nodes.append({"name": name, "op": "Const", "attr": {}})
        self.content += array.tobytes()
        return name

    def node(self, kind: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        names = [item if isinstance(item, str) else self.weight(item) for item in inputs]
        name = f"node_{len(self.nodes)}"
        self.nodes.append({"name": name, "op": kind, "input": names, "attr": attributes})
        return name

    def run(self, output: str, value: np.ndarray) -> np.ndarray:
        from onnx_graph import run
        from tfjs_to_onnx import convert

        document = {
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"weights": self.specs}],
        }
        model = convert(json.dumps(document).encode(), self.content, {output: "y"}, "test")
        return run(model, value)[0]


def over_planes(stride: int, padding: str, **more: list[int]) -> dict[str, Any]:
    lists = {"strides": [1, stride, stride, 1], "dilations": [1, 1, 1, 1], **more}
    found: dict[str, Any] = {key: {"list": {"i": list(map(str, v))}} for key, v in lists.items()}
    return found | {"padding": {"s": text(padding)}}


def normal(*shape: int) -> np.ndarray:
    return GENERATOR.standard_normal(shape).astype(np.float32)


def planes(picture: np.ndarray) -> "torch.Tensor":
    return torch.from_numpy(picture).permute(0, 3, 1, 2)


def picture_of(found: "torch.Tensor") -> np.ndarray:
    return found.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_convolution_pads_more_behind_than_before(kind: type) -> None:
    graph, value = Tfjs(-1, 8, 10, 3), normal(2, 8, 10, 3)
    weight = normal(3, 3, 3, 5).astype(kind)
    found = graph.run(graph.node("Conv2D", "x", weight, **over_planes(2, "SAME")), value)
    kernel = torch.from_numpy(weight.astype(np.float32)).permute(3, 2, 0, 1)
    padded = functional.pad(planes(value), (0, 1, 0, 1))  # stride 2 of an even size: behind only
    wanted = picture_of(functional.conv2d(padded, kernel, stride=2))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_depthwise_convolution_with_two_outputs_a_channel() -> None:
    graph, value, weight = Tfjs(1, 9, 9, 4), normal(1, 9, 9, 4), normal(3, 3, 4, 2)
    found = graph.run(
        graph.node("DepthwiseConv2dNative", "x", weight, **over_planes(1, "VALID")), value
    )
    kernel = torch.from_numpy(weight).permute(2, 3, 0, 1).reshape(8, 1, 3, 3)
    wanted = picture_of(functional.conv2d(planes(value), kernel, groups=4))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_fused_convolution_adds_and_cuts_in_order() -> None:
    graph, value = Tfjs(1, 5, 5, 2), normal(1, 5, 5, 2)
    weight, bias, slope = normal(1, 1, 2, 3), normal(3), np.float32([0.1, 0.2, 0.3])
    fused = {"fused_ops": {"list": {"s": [text("BiasAdd"), text("Prelu")]}}}
    name = graph.node("_FusedConv2D", "x", weight, bias, slope, **over_planes(1, "VALID"), **fused)
    plain = value @ weight[0, 0] + bias
    np.testing.assert_allclose(
        graph.run(name, value), np.where(plain > 0, plain, plain * slope), atol=1e-5
    )


def test_max_pooling() -> None:
    graph, value = Tfjs(1, 7, 7, 2), normal(1, 7, 7, 2)
    name = graph.node("MaxPool", "x", **over_planes(2, "SAME", ksize=[1, 3, 3, 1]))
    wanted = picture_of(functional.max_pool2d(planes(value), 3, stride=2, padding=1))
    np.testing.assert_allclose(graph.run(name, value), wanted)


def strided(*, begin: int = 0, end: int = 0, shrink: int = 0) -> dict[str, Any]:
    masks = {"begin_mask": begin, "end_mask": end, "shrink_axis_mask": shrink}
    return {name: {"i": str(value)} for name, value in masks.items()}


@pytest.mark.parametrize(
    ("limits", "masks", "wanted"),
    [
        (([1, 2], [3, 5], [1, 1]), {}, np.s_[1:3, 2:5]),
        (([1, 2], [3, 5], [1, 2]), {"begin": 1, "end": 2}, np.s_[:3, 2::2]),
        (([2, 0], [9, 3], [1, 1]), {"shrink": 1}, np.s_[2, 0:3]),
        (([-1, 0], [0, INT_MAX], [1, 1]), {"shrink": 1}, np.s_[-1, :]),
        (([2], [4], [1]), {}, np.s_[2:4]),
    ],
)
def test_strided_slices(limits: Any, masks: dict[str, int], wanted: Any) -> None:
    graph, value = Tfjs(4, 6), normal(4, 6)
    arrays = [np.array(values, np.int32) for values in limits]
    name = graph.node("StridedSlice", "x", *arrays, **strided(**masks))
    np.testing.assert_array_equal(graph.run(name, value), value[wanted])


def test_a_product_with_a_transposed_factor_of_lower_rank() -> None:
    graph, value, factor = Tfjs(1, 4, 3, 2), normal(1, 4, 3, 2), normal(1, 5, 2)
    name = graph.node("BatchMatMulV2", "x", factor, adj_x={"b": False}, adj_y={"b": True})
    np.testing.assert_allclose(graph.run(name, value), value @ factor.swapaxes(-1, -2), atol=1e-5)


def test_places_are_picked_and_reduced() -> None:
    graph, value = Tfjs(3, 4, 2), normal(3, 4, 2)
    picked = graph.node("GatherNd", "x", np.array([[0, 3], [2, 1]], np.int32))
    squared = graph.node("Square", picked)
    total = graph.node("Sum", squared, np.array([1], np.int32), keep_dims={"b": True})
    name = graph.node("Rsqrt", total)
    wanted = 1 / np.sqrt(np.square(value[[0, 2], [3, 1]]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(graph.run(name, value), wanted, rtol=1e-5)


def test_whole_numbers_are_bounded_padded_and_joined() -> None:
    graph, value = Tfjs(2, 3), np.float32([[-1.5, 0.5, 1.5], [2.5, 3.5, 9.5]])
    whole = graph.node("Cast", graph.node("Floor", "x"), DstT={"type": "DT_INT32"})
    bounded = graph.node("Minimum", graph.node("Maximum", whole, np.int32([0])), np.int32([3]))
    back = graph.node("Cast", bounded, DstT={"type": "DT_FLOAT"})
    padded = graph.node("Pad", back, np.array([[0, 1], [2, 0]], np.int32))
    joined = graph.node("ConcatV2", padded, padded, np.array(0, np.int32))
    once = [[0, 0, 0, 0, 1], [0, 0, 2, 3, 3], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(graph.run(joined, value), np.float32(once * 2))


def test_an_unknown_operator_ends_the_script() -> None:
    graph = Tfjs(1, 2)
    with pytest.raises(SystemExit, match="operator Erfinv of node_1 is not known"):
        graph.run(graph.node("Erfinv", "x"), normal(1, 2))


def test_weights_of_another_length_end_the_script() -> None:
    graph = Tfjs(1, 2)
    name = graph.node("AddV2", "x", normal(1, 2))
    graph.content += b"more"
    with pytest.raises(SystemExit, match="12 bytes long, the model describes 8"):
        graph.run(name, normal(1, 2))
