"""Convert the first layers of Moonshine's speech encoder to an ONNX file.

    python scripts/convert_moonshine.py            # writes src/facevoice/speech/models/
    python scripts/convert_moonshine.py --to DIR

Reads the English tiny encoder out of the wheel moonshine-voice 0.0.62 (needs pip), refuses a file
with another sha256, and writes its convolutions and first two layers as a graph of its own. The
8-bit matrices stay as they are in the file and the convolutions are stored in half precision, while
everything is computed in float32. The rotation that tells positions apart is a formula, so speech
may have any length.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_graph import Graph, Quantised, run
from packages import verified, wheel, write_part
from sample_clip import sample_speech

REQUIREMENT: Final = "moonshine-voice==0.0.62"
FILE: Final = "moonshine_voice/assets/tiny-en/encoder_model.ort"
SHA256: Final = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
WIDTH: Final = 288
HEADS: Final = 8
LAYERS: Final = 2
ROTATED: Final = 32  # of the 36 numbers of a head
SMALLEST_COSINE: Final = 0.99
DEFAULT_TARGET: Final = Path(__file__).parents[1] / "src" / "facevoice" / "speech" / "models"
FACTS: Final = {
    "converted_from": f"{REQUIREMENT}: {FILE}",
    "converted_from_sha256": SHA256,
    "licence": "MIT (Moonshine AI; the package says: the code and English-language models are"
    " released under the MIT License)",
    "learnt_from": "Moonshine tiny (Jeffries et al. 2024): about 200,000 hours of transcribed"
    " English speech, public corpora and speech from the web, the latter unpublished",
    "input": "samples (batch, N): speech at 16 kHz in [-1, 1], N >= 895",
    "outputs": "layer_1, layer_2 (batch, steps, 288): one state every 24 ms",
}


class Original:
    """The encoder's weights, found by the names of the operators that use them."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._tensors = {item.name: item for item in model.graph.initializer}
        self._nodes = {node.output[0]: node for node in model.graph.node}

    def array(self, name: str) -> NDArray[Any]:
        """A weight that kept its name."""
        return numpy_helper.to_array(self._tensors[name])

    def matrix(self, layer: int, part: str) -> Quantised:
        """The 8-bit matrix of ``part``, such as "self_attn/q_proj" or "mlp/fc1"."""
        kind = "Add" if part.startswith("mlp") else "MatMul"
        node = self._nodes[f"/layers.{layer}/{part}/{kind}_output_0"]
        (stored,) = (name for name in node.input if name.endswith("_quantized") and "/" not in name)
        stem = stored.removesuffix("_quantized")
        zero, scale = self.array(f"{stem}_zero_point"), self.array(f"{stem}_scale")
        return Quantised(self.array(stored), int(zero), scale)


def convert(original: Original) -> onnx.ModelProto:
    """The graph: samples (B, N) -> layer_1, layer_2 (B, steps, 288)."""
    graph = Graph()
    found = _convolutions(graph, original)
    turns = _turns(graph, found)
    for layer in range(LAYERS):
        found = _layer(graph, original, layer, found, turns)
        name = f"layers.{layer + 1}.input_layernorm.weight"
        _norm(graph, original.array(name), found, f"layer_{layer + 1}")
    steps: tuple[int | str, ...] = ("batch", "steps", WIDTH)
    return graph.model(
        "moonshine_encoder",
        {"samples": ["batch", "samples"]},
        {"layer_1": steps, "layer_2": steps},
    )


def _convolutions(graph: Graph, original: Original) -> str:
    """Samples -> (B, steps, 288): three convolutions, together one step every 384 samples."""
    found = graph.node("Unsqueeze", "samples", graph.integers(1))
    weight = graph.half(original.array("conv1.weight_add_tensor"), "conv1")
    found = graph.node("Tanh", graph.node("Conv", found, weight, strides=[64]))
    flat = graph.node("Reshape", found, graph.integers(0, 1, -1))
    one, none = (graph.constant(np.full(1, value, np.float32)) for value in (1, 0))
    even = graph.node("InstanceNormalization", flat, one, none, epsilon=1e-5)
    found = graph.node("Reshape", even, graph.integers(0, WIDTH, -1))
    found = graph.node("Mul", found, graph.constant(original.array("onnx::Mul_2080")))
    found = graph.node("Add", found, graph.constant(original.array("onnx::Add_2081")))
    for name, stride in (("conv2", 3), ("conv3", 2)):
        weight = graph.half(original.array(f"{name}.weight_add_tensor"), name)
        bias = graph.constant(original.array(f"{name}.bias"))
        found = graph.gelu(graph.node("Conv", found, weight, bias, strides=[stride]))
    return graph.node("Transpose", found, perm=[0, 2, 1])


def _turns(graph: Graph, states: str) -> tuple[str, str, str]:
    """Cosines and sines (steps, 36) of the positions, and the matrix (36, 36) of a quarter turn.

    Neighbouring numbers form a pair that turns with the position; the last four stand still.
    """
    size = WIDTH // HEADS
    speeds = np.zeros(size, np.float32)
    pairs = np.arange(ROTATED) // 2
    speeds[:ROTATED] = 10000.0 ** (-pairs / (ROTATED // 2))
    quarter = np.zeros((size, size), np.float32)
    even = np.arange(0, ROTATED, 2)
    quarter[even + 1, even], quarter[even, even + 1] = -1, 1
    length = graph.node("Squeeze", graph.node("Shape", states, start=1, end=2))
    zero, one = (graph.constant(np.int64(value)) for value in (0, 1))
    positions = graph.node("Cast", graph.node("Range", zero, length, one), to=1)
    column = graph.node("Unsqueeze", positions, graph.integers(1))
    angles = graph.node("Mul", column, graph.constant(speeds))
    return graph.node("Cos", angles), graph.node("Sin", angles), graph.constant(quarter)


def _norm(graph: Graph, weight: NDArray[Any], states: str, output: str = "") -> str:
    return graph.layer_norm(states, weight, np.zeros_like(weight), output)


def _layer(
    graph: Graph, original: Original, layer: int, before: str, turns: tuple[str, str, str]
) -> str:
    """One layer: states -> states behind it."""
    cosine, sine, quarter = turns
    prefix = f"layers.{layer}"

    def linear(source: str, part: str) -> str:
        weight = graph.quantised(original.matrix(layer, part), f"{prefix}.{part}")
        return graph.node("MatMul", source, weight)

    def dense(source: str, part: str) -> str:
        bias = graph.constant(original.array(f"{prefix}.mlp.{part}.bias"))
        return graph.node("Add", linear(source, f"mlp/{part}"), bias)

    def turned(part: str) -> str:
        parted = graph.split_heads(linear(normed, f"self_attn/{part}"), HEADS)
        still = graph.node("Mul", parted, cosine)
        turning = graph.node("Mul", graph.node("MatMul", parted, quarter), sine)
        return graph.node("Add", still, turning)

    normed = _norm(graph, original.array(f"{prefix}.input_layernorm.weight"), before)
    scale = graph.constant(np.float32((WIDTH // HEADS) ** -0.5))
    query = graph.node("Mul", turned("q_proj"), scale)
    key = graph.node("Transpose", turned("k_proj"), perm=[0, 1, 3, 2])
    value = graph.split_heads(linear(normed, "self_attn/v_proj"), HEADS)
    attended = linear(graph.attend(query, key, value), "self_attn/o_proj")
    between = graph.node("Add", before, attended)
    weight = original.array(f"{prefix}.post_attention_layernorm.weight")
    wide = graph.gelu(dense(_norm(graph, weight, between), "fc1"))
    return graph.node("Add", between, dense(wide, "fc2"))


def as_onnx(content: bytes) -> onnx.ModelProto:
    """The .ort file as ONNX with onnxruntime's own operators."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "encoder.ort", Path(folder) / "encoder.onnx"
        source.write_bytes(content)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry("session.save_model_format", "ONNX")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        return onnx.load(target)


def smallest_cosine(model: onnx.ModelProto, original: onnx.ModelProto) -> float:
    """The smallest mean cosine of a layer's states to the original's on the sample's speech.

    The original rounds activations to 8 bits, each matrix product by its own range.
    """
    cut = onnx.ModelProto()
    cut.CopyFrom(original)
    del cut.graph.output[:]
    for layer in range(1, LAYERS + 1):
        name = f"/layers.{layer}/input_layernorm/LayerNormalization_output_0"
        cut.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    speech = sample_speech()[None]
    wanted = run(cut, speech, np.ones(speech.shape, np.int64))
    worst = 1.0
    for ours, theirs in zip(run(model, speech), wanted, strict=True):
        product = np.sum(ours * theirs, axis=-1)
        lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
        worst = min(worst, float(np.mean(product / lengths)))
    return worst


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=DEFAULT_TARGET, help="folder to write to")
    target: Path = parser.parse_args().to
    with wheel(REQUIREMENT) as read:
        original = as_onnx(verified(read, FILE, SHA256))
        licence = read("moonshine_voice-0.0.62.dist-info/licenses/LICENSE").decode()
    model = convert(Original(original))
    cosine = smallest_cosine(model, original)
    print(f"smallest mean cosine of the states to the original's: {cosine:.4f}")
    if cosine < SMALLEST_COSINE:
        raise SystemExit(f"that is below {SMALLEST_COSINE}")
    write_part(target, "moonshine_encoder.onnx", model.SerializeToString(), FACTS)
    (target / "moonshine_encoder.NOTICE").write_text(licence, encoding="utf-8")


if __name__ == "__main__":
    main()
