"""Compares a converted network with TensorFlow.js itself, run in node."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx_graph import run

from facevoice.types import Float32Array

TFJS: Final = "@tensorflow/tfjs@4.22.0"
RUNNER: Final = """
const tf = require('@tensorflow/tfjs'), fs = require('fs');
(async () => {
  const model = JSON.parse(fs.readFileSync('model.json'));
  const bytes = fs.readFileSync('model.bin');
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const weightSpecs = model.weightsManifest.flatMap(group => group.weights);
  const load = async () => ({ modelTopology: model.modelTopology, weightSpecs, weightData });
  await tf.setBackend('cpu');
  const net = await tf.loadGraphModel({ load });
  const task = JSON.parse(fs.readFileSync('task.json'));
  const raw = fs.readFileSync('input.bin');
  const values = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
  const found = net.execute(tf.tensor(values, task.shape), task.outputs);
  const all = Array.isArray(found) ? found : [found];
  const result = all.map(item => ({ shape: item.shape, values: Array.from(item.dataSync()) }));
  fs.writeFileSync('output.json', JSON.stringify(result));
})();
"""


def greatest_difference(
    model: onnx.ModelProto,
    original: tuple[bytes, bytes],
    outputs: Mapping[str, str],
    pictures: Float32Array,
) -> float:
    """Greatest difference over all outputs and pictures, each relative to the output's greatest.

    Args:
        model: the converted network.
        original: its model.json and its weights.
        outputs: name in the original -> name in the converted network, in order.
        pictures: (N, height, width, channels), fed one by one.
    """
    worst = 0.0
    for picture in pictures:
        wanted = run_tfjs(*original, list(outputs), picture[None])
        for ours, theirs in zip(run(model, picture[None]), wanted, strict=True):
            if ours.shape != theirs.shape:
                sys.exit(f"an output has shape {ours.shape} instead of {theirs.shape}")
            worst = max(worst, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return worst


def run_tfjs(
    topology: bytes, content: bytes, outputs: list[str], pictures: Float32Array
) -> list[Float32Array]:
    """What TensorFlow.js itself computes, in node on its plain CPU backend (needs npm)."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        sys.exit("node and npm were not found: TensorFlow.js runs in them")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text("{}", encoding="utf-8")
        install = [npm, "install", "--silent", "--ignore-scripts", TFJS]
        subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (folder / "model.json").write_bytes(topology)
        (folder / "model.bin").write_bytes(content)
        task = {"shape": pictures.shape, "outputs": outputs}
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        (folder / "input.bin").write_bytes(pictures.tobytes())
        (folder / "run.cjs").write_text(RUNNER, encoding="utf-8")
        subprocess.run([node, "run.cjs"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = json.loads((folder / "output.json").read_text(encoding="utf-8"))
    return [np.array(item["values"], np.float32).reshape(item["shape"]) for item in found]
