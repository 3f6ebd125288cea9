"""Convert facenet-pytorch's MTCNN weights to the ONNX files that facevoice ships.

    python scripts/convert_mtcnn.py            # writes src/facevoice/faces/models/
    python scripts/convert_mtcnn.py --to DIR

Reads the P-, R- and O-Net of Zhang et al. 2016 from the wheel of facenet-pytorch 2.5.3 (MIT),
refuses files with another sha256, writes each net as a small hand-made graph, and compares it with
the torch original at several shapes. What differs from the original is exact up to float rounding:

- the normalisation ``(x - 127.5) / 128`` is folded into the first convolution, so that inputs are
  0 to 255;
- the softmax over (no face, face) becomes the sigmoid of the difference of its two logits;
- the original's column-major flattening is folded into the order of the first dense weights;
- a parametric ReLU is written ``slope * x + (1 - slope) * relu(x)``, and the R-Net's 28 first
  channels are filled up to 32 with zeros. onnxruntime then keeps its own layout of channels from
  the first convolution to the last; its PRelu took as long as all convolutions together.
"""

import argparse
import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import facenet_pytorch
import numpy as np
import onnx
import onnxruntime
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from packages import write_part

VERSION: Final = "2.5.3"
SHA256: Final = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
OPSET: Final = 17
TOLERANCE: Final = 2e-5
DEFAULT_TARGET: Final = Path(__file__).parents[1] / "src" / "facevoice" / "faces" / "models"
CREDIT: Final = """\
pnet.onnx, rnet.onnx and onet.onnx are the three networks of MTCNN (K. Zhang, Z. Zhang, Z. Li,
Y. Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, IEEE
Signal Processing Letters 2016), converted by scripts/convert_mtcnn.py from the weights in
facenet-pytorch 2.5.3 (https://github.com/timesler/facenet-pytorch), which took them from
https://github.com/davidsandberg/facenet (MIT). The licence of facenet-pytorch follows.

"""

Weights = dict[str, NDArray[np.float32]]


class Graph:
    """Collects nodes and weights; each method appends one layer to the end of the chain."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.last = "image"

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Store an array and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> None:
        """Append one operator that reads the end of the chain."""
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [output], **attributes))
        self.last = output

    def conv(self, name: str, *, from_pixels: bool = False) -> None:
        """Convolution without padding; ``from_pixels`` folds in the normalisation."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if from_pixels:
            exact = weight.astype(np.float64)
            bias = (bias - exact.sum(axis=(1, 2, 3)) * 127.5 / 128).astype(np.float32)
            weight = (exact / 128).astype(np.float32)
        self.node(
            "Conv",
            self.constant(f"{name}.weight", weight),
            self.constant(f"{name}.bias", bias),
            kernel_shape=list(weight.shape[2:]),
        )

    def prelu(self, name: str) -> None:
        """Parametric ReLU: one slope per channel."""
        slope = self.weights[f"{name}.weight"]
        if not self.last.startswith("gemm"):
            slope = slope[:, None, None]
        whole = self.last
        self.node("Relu")
        self.node("Mul", self.constant(f"{name}.positive", 1 - slope))
        positive, self.last = self.last, whole
        self.node("Mul", self.constant(f"{name}.slope", slope))
        self.node("Add", positive)

    def pool(self, size: int) -> None:
        """Max pooling with stride 2; a partial last window is kept."""
        self.node("MaxPool", kernel_shape=[size, size], strides=[2, 2], ceil_mode=1)

    def dense(self, name: str, *, channels: int = 0) -> None:
        """Dense layer; ``channels``: it reads a picture flattened in (width, height, channel)."""
        weight = self.weights[f"{name}.weight"]
        if channels:
            side = int((weight.shape[1] // channels) ** 0.5)
            grid = weight.reshape(-1, side, side, channels)  # out, x, y, channel
            weight = grid.transpose(0, 3, 2, 1).reshape(weight.shape)  # out, channel, y, x
            self.node("Flatten")
        self.node(
            "Gemm",
            self.constant(f"{name}.weight", weight),
            self.constant(f"{name}.bias", self.weights[f"{name}.bias"]),
            transB=1,
        )

    def heads(self, classes: str, *regressions: str) -> None:
        """Merge the output layers into one, then split: face (sigmoid), offsets, landmarks."""
        both = {part: self.weights[f"{classes}.{part}"] for part in ("weight", "bias")}
        for part, array in both.items():
            stack = [array[1:] - array[:1], *(self.weights[f"{r}.{part}"] for r in regressions)]
            self.weights[f"heads.{part}"] = np.concatenate(stack)
        (self.conv if both["weight"].ndim == 4 else self.dense)("heads")
        names = ["offsets", "landmarks"][: len(regressions)]
        sizes = [1, *(len(self.weights[f"{r}.bias"]) for r in regressions)]
        split = self.constant("sizes", np.array(sizes, np.int64))
        outputs = ["logit", *names]
        self.nodes.append(helper.make_node("Split", [self.last, split], outputs, axis=1))
        self.last = "logit"
        self.node("Sigmoid", output="face")

    def model(self, side: int | None, outputs: dict[str, list[int | str]]) -> onnx.ModelProto:
        """The finished model; side: of the input picture in pixels; None for any size."""
        shape: list[int | str] = ["batch", 3, side or "height", side or "width"]
        graph = helper.make_graph(
            self.nodes,
            "mtcnn",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *dims])
                for name, dims in outputs.items()
            ],
            self.constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def proposal_net(weights: Weights) -> onnx.ModelProto:
    """P-Net: a fully convolutional scan; face (N, 1, h, w), offsets (N, 4, h, w)."""
    graph = Graph(weights)
    graph.conv("conv1", from_pixels=True)
    graph.prelu("prelu1")
    graph.pool(2)
    for index in (2, 3):
        graph.conv(f"conv{index}")
        graph.prelu(f"prelu{index}")
    graph.heads("conv4_1", "conv4_2")
    return graph.model(None, {"face": [1, "rows", "columns"], "offsets": [4, "rows", "columns"]})


def refinement_net(weights: Weights) -> onnx.ModelProto:
    """R-Net: 24x24 crops; face (N, 1), offsets (N, 4)."""
    graph = Graph(weights | _filled_up(weights, 32))
    for index, pool in ((1, 3), (2, 3), (3, 0)):
        graph.conv(f"conv{index}", from_pixels=index == 1)
        graph.prelu(f"prelu{index}")
        if pool:
            graph.pool(pool)
    graph.dense("dense4", channels=64)
    graph.prelu("prelu4")
    graph.heads("dense5_1", "dense5_2")
    return graph.model(24, {"face": [1], "offsets": [4]})


def _filled_up(weights: Weights, channels: int) -> Weights:
    """The weights around the first layer's channels, with zeros for further channels."""
    missing = (0, channels - len(weights["conv1.bias"]))
    still = (0, 0)
    return {
        "conv1.weight": np.pad(weights["conv1.weight"], (missing, still, still, still)),
        "conv1.bias": np.pad(weights["conv1.bias"], missing),
        "prelu1.weight": np.pad(weights["prelu1.weight"], missing),
        "conv2.weight": np.pad(weights["conv2.weight"], (still, missing, still, still)),
    }


def output_net(weights: Weights) -> onnx.ModelProto:
    """O-Net: 48x48 crops; face (N, 1), offsets (N, 4), landmarks (N, 10): 5 x, then 5 y."""
    graph = Graph(weights)
    for index, pool in ((1, 3), (2, 3), (3, 2), (4, 0)):
        graph.conv(f"conv{index}", from_pixels=index == 1)
        graph.prelu(f"prelu{index}")
        if pool:
            graph.pool(pool)
    graph.dense("dense5", channels=128)
    graph.prelu("prelu5")
    graph.heads("dense6_1", "dense6_2", "dense6_3")
    return graph.model(48, {"face": [1], "offsets": [4], "landmarks": [10]})


def verify(model: onnx.ModelProto, original: torch.nn.Module, shapes: list[list[int]]) -> float:
    """The largest absolute difference from torch over random pictures of several shapes."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    generator = np.random.default_rng(0)
    worst = 0.0
    for shape in shapes:
        image = generator.uniform(0, 255, shape).astype(np.float32)
        with torch.no_grad():
            *wanted, classes = original((torch.from_numpy(image) - 127.5) * 0.0078125)
        found = session.run(None, {"image": image})
        for ours, theirs in zip(found, [classes[:, 1:], *wanted], strict=True):
            if ours.shape != tuple(theirs.shape):
                raise SystemExit(f"the shape is {ours.shape}, expected {tuple(theirs.shape)}")
            worst = max(worst, float(np.abs(ours - theirs.numpy()).max()))
    return worst


def read_weights(path: Path) -> Weights:
    """The weights of one .pt file, once its sha256 has been checked."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256[path.stem]:
        raise SystemExit(f"{path} has sha256 {found}, expected {SHA256[path.stem]}")
    state = torch.load(path, weights_only=True)
    return {name: value.numpy() for name, value in state.items()}


def licence_text() -> str:
    """The MIT licence that the wheel carries."""
    for file in importlib.metadata.files("facenet-pytorch") or []:
        if file.name == "LICENSE.md":
            return file.read_text()
    raise SystemExit("facenet-pytorch is installed without its LICENSE.md")


def main() -> None:
    """Convert, verify and write the three networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=DEFAULT_TARGET, help="folder to write to")
    target: Path = parser.parse_args().to
    source = Path(facenet_pytorch.__file__).parent / "data"
    odd = [[1, 3, 12, 12], [1, 3, 13, 40], [2, 3, 61, 37], [1, 3, 110, 193]]
    nets: list[tuple[str, Callable[[Weights], onnx.ModelProto], Any, list[list[int]]]] = [
        ("pnet", proposal_net, PNet(), odd),
        ("rnet", refinement_net, RNet(), [[1, 3, 24, 24], [7, 3, 24, 24]]),
        ("onet", output_net, ONet(), [[1, 3, 48, 48], [7, 3, 48, 48]]),
    ]
    for name, build, original, shapes in nets:
        model = build(read_weights(source / f"{name}.pt"))
        worst = verify(model, original, shapes)
        print(f"{name}: largest difference from torch {worst:.1e}")
        if worst > TOLERANCE:
            raise SystemExit(
                f"{name} differs from torch by {worst:.1e}; at most {TOLERANCE:.0e} is allowed"
            )
        facts = {
            "converted_from": f"facenet-pytorch {VERSION}: data/{name}.pt",
            "converted_from_sha256": SHA256[name],
            "licence": "MIT",
        }
        write_part(target, f"{name}.onnx", model.SerializeToString(), facts)
    (target / "NOTICE").write_text(CREDIT + licence_text())


if __name__ == "__main__":
    main()
