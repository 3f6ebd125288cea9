"""Convert Silero's voice activity detector to a graph of matrix products.

    python scripts/convert_silero.py            # writes src/facevoice/speech/models/
    python scripts/convert_silero.py --to DIR

Reads the form of silero-vad 6.2.3 (MIT; part of the dev group) that takes a whole block of sound in
a single call, and refuses a file with another sha256. Its convolutions see each chunk of 32 ms by
itself, at only four steps of time, and onnxruntime runs them chunk by chunk. Here each is one
matrix product for all chunks: the Fourier transform of the steps, then the encoder's layers, whose
kernels become matrices from all steps of a chunk to all steps of the next layer. The recurrent
layer stays as it is. The answers are the same up to float rounding, in a third of the time.
"""

import argparse
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx_graph import Graph, run
from packages import verified, write_part
from sample_clip import sample_speech

VERSION: Final = "6.2.3"
FILE: Final = "silero_vad/data/silero_vad_16k_sequence.onnx"
SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
CHUNK: Final = 576  # samples, of which 64 are the previous chunk's
WINDOW: Final = 256
HOP: Final = 128
STEPS: Final = 4
BINS: Final = 129
STRIDES: Final = (1, 2, 2, 1)
STATE: Final = 128
TOLERANCE: Final = 1e-5
DEFAULT_TARGET: Final = Path(__file__).parents[1] / "src" / "facevoice" / "speech" / "models"
FACTS: Final = {
    "converted_from": f"silero-vad=={VERSION}: {FILE}",
    "converted_from_sha256": SHA256,
    "licence": "MIT",
    "input": f"input (chunks, {CHUNK}): speech at 16 kHz in [-1, 1]; h, c (1, 1, {STATE})",
    "outputs": "speech_probs (chunks,), 0 to 1; hn, cn: the next h, c",
}
NOTICE: Final = """\
silero_vad_16k_sequence.onnx is the voice activity detector of Silero VAD 6.2.3
(https://github.com/snakers4/silero-vad), converted by scripts/convert_silero.py
from the file of that name in the package silero-vad on PyPI. It is licensed as
follows.

"""

Weights = dict[str, NDArray[np.float32]]


def convert(original: onnx.ModelProto) -> onnx.ModelProto:
    """The graph: (chunks, 576) and the recurrent state -> probabilities and the next state."""
    weights = {item.name: numpy_helper.to_array(item) for item in original.graph.initializer}
    graph = Graph()
    found, steps = _spectrum(graph, weights["stft.forward_basis_buffer"][:, 0]), STEPS
    for index, stride in enumerate(STRIDES):
        kernel, bias = weights[f"encoder.{index}.weight"], weights[f"encoder.{index}.bias"]
        matrix = unrolled(kernel, steps, stride)
        steps = matrix.shape[1] // len(bias)
        names = graph.constant(matrix), graph.constant(np.tile(bias, steps))
        found = graph.node("Relu", graph.node("Gemm", found, *names))
    (lstm,) = (node for node in original.graph.node if node.op_type == "LSTM")
    recurrent = [graph.constant(weights[name]) for name in lstm.input[1:4]]
    inputs = [graph.node("Unsqueeze", found, graph.integers(1)), *recurrent, "", "h", "c"]
    graph.nodes.append(helper.make_node("LSTM", inputs, ["states", "hn", "cn"], hidden_size=STATE))
    found = graph.node("Relu", graph.node("Squeeze", "states", graph.integers(1, 2)))
    last = graph.constant(weights["output.weight"][:, :, 0].T)
    found = graph.node("Gemm", found, last, graph.constant(weights["output.bias"]))
    graph.node("Sigmoid", graph.node("Reshape", found, graph.integers(-1)), output="speech_probs")
    state: dict[str, list[int | str]] = {name: [1, 1, STATE] for name in ("h", "c", "hn", "cn")}
    return graph.model(
        "silero_vad",
        {"input": ["chunks", CHUNK], "h": state["h"], "c": state["c"]},
        {"speech_probs": ["chunks"], "hn": state["hn"], "cn": state["cn"]},
    )


def _spectrum(graph: Graph, basis: NDArray[np.float32]) -> str:
    """Magnitudes of the chunks' Fourier transforms: (chunks, 4 * 129).

    basis: (2 * 129, 256): cosines, then sines, under a window.
    """
    padded = graph.node("Pad", "input", graph.integers(0, 0, 0, WINDOW // 4), mode="reflect")
    hops = graph.node("Reshape", padded, graph.integers(-1, STEPS + 1, HOP))
    halves = [
        graph.node("Slice", hops, graph.integers(i), graph.integers(i + STEPS), graph.integers(1))
        for i in (0, 1)
    ]
    windows = graph.node("Concat", *halves, axis=2)
    parts = [
        graph.node("MatMul", windows, graph.constant(half.T)) for half in np.split(basis, [BINS])
    ]
    squares = [graph.node("Mul", part, part) for part in parts]
    magnitudes = graph.node("Sqrt", graph.node("Add", *squares))
    return graph.node("Reshape", magnitudes, graph.integers(-1, STEPS * BINS))


def unrolled(kernel: NDArray[np.float32], steps: int, stride: int) -> NDArray[np.float32]:
    """A convolution over a few steps as the matrix of all that it adds up.

    kernel: (out, in, 3), applied with one step of zeros on both sides.
    Returns (steps * in, new steps * out).
    """
    outputs, inputs, size = kernel.shape
    made = (steps + 2 - size) // stride + 1
    matrix = np.zeros((steps, inputs, made, outputs), np.float32)
    for step in range(made):
        for offset in range(size):
            read = step * stride + offset - 1
            if 0 <= read < steps:
                matrix[read, :, step] = kernel[:, :, offset].T
    return matrix.reshape(steps * inputs, made * outputs)


def verify(model: onnx.ModelProto, original: onnx.ModelProto) -> float:
    """The largest difference of a probability from the original's, on the sample clip's speech."""
    speech = sample_speech()
    count = len(speech) // 512 - 1
    chunks = np.lib.stride_tricks.sliding_window_view(speech, CHUNK)[: 512 * count : 512]
    state = np.zeros((1, 1, STATE), np.float32)
    inputs: list[NDArray[Any]] = [np.ascontiguousarray(chunks), state, state]
    return float(np.abs(run(model, *inputs)[0] - run(original, *inputs)[0]).max())


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=DEFAULT_TARGET, help="folder to write to")
    target: Path = parser.parse_args().to
    package = metadata.distribution("silero-vad")

    def read(name: str) -> bytes:
        return Path(str(package.locate_file(name))).read_bytes()

    original = onnx.load_from_string(verified(read, FILE, SHA256))
    licence = read(f"silero_vad-{VERSION}.dist-info/licenses/LICENSE").decode()
    model = convert(original)
    worst = verify(model, original)
    print(f"largest difference from the original: {worst:.1e}")
    if worst > TOLERANCE:
        raise SystemExit(f"that is above {TOLERANCE:.0e}")
    write_part(target, Path(FILE).name, model.SerializeToString(), FACTS)
    (target / "NOTICE").write_text(NOTICE + licence, encoding="utf-8")


if __name__ == "__main__":
    main()
