"""Convert the first blocks of smart-turn's Whisper encoder to one ONNX file.

    python scripts/convert_smart_turn.py            # writes src/facevoice/speech/models/
    python scripts/convert_smart_turn.py --to DIR

Reads smart-turn v3.2 out of the wheel pipecat-ai 1.14.0 (needs pip), refuses a file with another
sha256, and writes the encoder's convolutions and first two blocks as a graph of its own:

- The original computes in 8 bits; here the 8-bit weights stay as they are in the file, while
  everything is computed in float32.
- The original reads exactly 8 s; here the picture may be shorter. The original was trained on
  sound that ends where its window ends, so a shorter picture gets the last positions.
- Outputs are what blocks 2 and 3 read: the normalised states behind blocks 1 and 2.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_graph import Graph, Quantised, run
from packages import verified, wheel, write_part
from sample_clip import sample_speech

from facevoice.speech.log_mel import log_mel
from facevoice.types import Waveform

REQUIREMENT: Final = "pipecat-ai==1.14.0"
FILE: Final = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
SHA256: Final = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
BANDS: Final = 80
COLUMNS: Final = 800
POSITIONS: Final = 400
WIDTH: Final = 384
HEADS: Final = 6
BLOCKS: Final = (  # names of the matrices in the original: query, key, value, out, up, down
    ("val_17", "val_25", "val_32", "val_75", "val_79", "val_88"),
    ("val_92", "val_100", "val_107", "val_148", "val_152", "val_161"),
)
ORIGINAL_OUTPUTS: Final = ("layer_norm_2", "layer_norm_4")
TOLERANCE: Final = 1e-4
SMALLEST_COSINE: Final = 0.99
DEFAULT_TARGET: Final = Path(__file__).parents[1] / "src" / "facevoice" / "speech" / "models"
FACTS: Final = {
    "converted_from": f"{REQUIREMENT}: {FILE}",
    "converted_from_sha256": SHA256,
    "licence": "BSD-2-Clause (smart-turn, Daily); the encoder is OpenAI's Whisper tiny (MIT)",
    "learnt_from": "Whisper tiny: 680,000 hours of speech from the web, unpublished; then"
    " smart-turn's data: people who have or have not finished speaking, in 23 languages",
    "input": "log_mel (batch, 80, T), T <= 800: facevoice.speech.log_mel",
    "outputs": "block_1, block_2 (batch, ceil(T / 2), 384): one state every 20 ms",
}


class Original:
    """The weights of the 8-bit model by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._tensors = {item.name: item for item in model.graph.initializer}

    def array(self, name: str) -> NDArray[Any]:
        """An array as it is stored; float32 if there is an 8- or 32-bit form with a scale."""
        if name in self._tensors:
            return numpy_helper.to_array(self._tensors[name])
        stored = self.array(f"{name}_quantized")
        scale = self.array(f"{name}_quantized_scale")
        return np.asarray(stored * scale, np.float32)

    def matrix(self, name: str, axis: int) -> Quantised:
        """8-bit weights with one scale for each index of an axis."""
        stored = self.array(f"{name}_quantized")
        if np.any(self.array(f"{name}_zero_point")):
            raise SystemExit(f"{name} is not stored around zero")
        shape = [-1 if index == axis else 1 for index in range(stored.ndim)]
        return Quantised(stored, 0, self.array(f"{name}_scale").reshape(shape))


def convert(original: Original) -> onnx.ModelProto:
    """The graph: log_mel (B, 80, T) -> block_1, block_2 (B, ceil(T / 2), 384)."""
    graph = Graph()
    found = "log_mel"
    for index, stride in ((1, 1), (2, 2)):
        prefix = f"inner.encoder.conv{index}"
        weight = graph.quantised(original.matrix(f"{prefix}.weight", 0), f"conv{index}")
        bias = graph.constant(original.array(f"{prefix}.bias"))
        conv = graph.node(
            "Conv", found, weight, bias, kernel_shape=[3], pads=[1, 1], strides=[stride]
        )
        found = graph.gelu(conv)
    found = graph.node("Transpose", found, perm=[0, 2, 1])
    found = graph.node("Add", found, _positions(graph, original, found))
    normed = _norm(graph, original, found, "layers.0.self_attn")
    for index, names in enumerate(BLOCKS):
        found = _block(graph, original, index, names, (found, normed))
        normed = _norm(
            graph, original, found, f"layers.{index + 1}.self_attn", f"block_{index + 1}"
        )
    steps: tuple[int | str, ...] = ("batch", "steps", WIDTH)
    return graph.model(
        "speech_encoder",
        {"log_mel": ["batch", BANDS, "columns"]},
        {"block_1": steps, "block_2": steps},
    )


def _positions(graph: Graph, original: Original, states: str) -> str:
    """The last rows of the table of positions: as many as there are states."""
    table = graph.constant(original.array("inner.encoder.embed_positions.weight"), "positions")
    length = graph.node("Shape", states, start=1, end=2)
    first = graph.node("Sub", graph.integers(POSITIONS), length)
    return graph.node("Slice", table, first, graph.integers(POSITIONS), graph.integers(0))


def _norm(graph: Graph, original: Original, states: str, layer: str, output: str = "") -> str:
    prefix = f"inner.encoder.{layer}_layer_norm"
    weight, bias = (original.array(f"{prefix}.{part}") for part in ("weight", "bias"))
    return graph.layer_norm(states, weight, bias, output)


def _block(
    graph: Graph, original: Original, index: int, names: tuple[str, ...], states: tuple[str, str]
) -> str:
    """One block: (states, the same normalised) -> states behind it."""
    prefix = f"inner.encoder.layers.{index}"

    def linear(source: str, name: str, bias: str) -> str:
        weight = graph.quantised(original.matrix(name, 1), f"{prefix}.{name}")
        product = graph.node("MatMul", source, weight)
        if not bias:
            return product
        return graph.node("Add", product, graph.constant(original.array(f"{prefix}.{bias}.bias")))

    before, normed = states
    query, key, value, out, up, down = names
    scale = graph.constant(np.float32((WIDTH // HEADS) ** -0.5))
    asked = graph.node("Mul", linear(normed, query, "self_attn.q_proj"), scale)
    attended = graph.attend(
        graph.split_heads(asked, HEADS),
        graph.split_heads(linear(normed, key, ""), HEADS, transposed=True),
        graph.split_heads(linear(normed, value, "self_attn.v_proj"), HEADS),
    )
    between = graph.node("Add", before, linear(attended, out, "self_attn.out_proj"))
    wide = linear(_norm(graph, original, between, f"layers.{index}.final"), up, "fc1")
    return graph.node("Add", between, linear(graph.gelu(wide), down, "fc2"))


def original_states(content: bytes, *, rounded: bool) -> onnx.ModelProto:
    """The original with the states behind blocks 1 and 2 as its outputs.

    rounded: with its activations rounded to 8 bits, as it ships; else in float32.
    """
    model = onnx.load_from_string(content)
    kept, source = [], {}
    rounding = {
        node.output[0]: node for node in model.graph.node if node.op_type == "QuantizeLinear"
    }
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in rounding and not rounded:
            source[node.output[0]] = rounding[node.input[0]].input[0]
        else:
            kept.append(node)
    for node in kept:
        node.input[:] = [source.get(name, name) for name in node.input]
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(kept)
    for name in ORIGINAL_OUTPUTS:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    return model


def verify(model: onnx.ModelProto, content: bytes) -> tuple[float, float]:
    """Compare with the original on the sample clip's speech, at the end of 8 s.

    Returns:
        The greatest difference to the original in float32, and the smallest cosine of the speech's
        mean and deviation to those of the original as it ships.
    """
    speech = sample_speech()
    padded = np.concatenate([np.zeros(128000 - len(speech), np.float32), speech])
    picture = log_mel(Waveform(padded, 16000))[None]
    ours, exact, rounded = (
        run(net, picture)
        for net in (
            model,
            original_states(content, rounded=False),
            original_states(content, rounded=True),
        )
    )
    worst = max(float(np.abs(a - b).max()) for a, b in zip(ours, exact, strict=True))
    pooled = [
        [_pooled(states[0, -len(speech) // 320 :]) for states in outputs]
        for outputs in (ours, rounded)
    ]
    return worst, min(float(a @ b) for a, b in zip(*pooled, strict=True))


def _pooled(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation over time as a vector of length 1."""
    both = np.concatenate([states.mean(axis=0), states.std(axis=0)])
    return np.asarray(both / np.linalg.norm(both), np.float32)


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=DEFAULT_TARGET, help="folder to write to")
    target: Path = parser.parse_args().to
    with wheel(REQUIREMENT) as read:
        content = verified(read, FILE, SHA256)
        licence = read("pipecat_ai-1.14.0.dist-info/licenses/LICENSE").decode()
    model = convert(Original(onnx.load_from_string(content)))
    worst, cosine = verify(model, content)
    print(f"greatest difference to the original in float32: {worst:.1e}")
    print(f"smallest cosine of the pooled states to the original in 8 bits: {cosine:.4f}")
    if worst > TOLERANCE or cosine < SMALLEST_COSINE:
        raise SystemExit(f"expected at most {TOLERANCE:.0e} and at least {SMALLEST_COSINE}")
    write_part(target, "speech_encoder.onnx", model.SerializeToString(), FACTS)
    (target / "speech_encoder.NOTICE").write_text(licence, encoding="utf-8")


if __name__ == "__main__":
    main()
