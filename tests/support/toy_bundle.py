"""A bundle of tiny networks with random weights, in the real format: for tests of the machinery."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facevoice.bundle.trained_on import TRAINED_ON, Lessons, write_lessons
from facevoice.bundle.write import files_of, write_card
from facevoice.scores.table.keys import distinct_keys
from facevoice.speech.functionals import FEATURE_COUNTS
from facevoice.speech.spectrogram import SpectrogramSettings
from facevoice.types import EMOTIONS

FEATURES = 4


def _linear(inputs: int, outputs: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (inputs, outputs)).astype(np.float32)


def _save(
    path: Path, nodes: list[Any], inputs: dict[str, list[Any]], weights: dict[str, Any]
) -> None:
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(
        nodes,
        path.stem,
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "k"])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_picture_net(path: Path, outputs: int, *, channels: int = 1, seed: int = 0) -> None:
    """(N, C, H, W) -> (N, outputs): the means of a 2x2 grid, times random weights."""
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["rows"], axes=[3], keepdims=1),
        helper.make_node("GlobalAveragePool", ["pictures"], ["mean"]),
        helper.make_node("GlobalMaxPool", ["pictures"], ["max"]),
        helper.make_node("GlobalMaxPool", ["rows"], ["row_max"]),
        helper.make_node("Concat", ["mean", "max", "row_max"], ["joined"], axis=1),
        helper.make_node("Flatten", ["joined"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    _save(
        path,
        nodes,
        {"pictures": ["n", channels, "h", "w"]},
        {"weights": _linear(3 * channels, outputs, seed)},
    )


def save_sequence_net(path: Path, outputs: int, *, seed: int = 0) -> None:
    """(1, T, FEATURES) -> (1, outputs): the mean over time, times random weights."""
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    weights = {"weights": _linear(FEATURES, outputs, seed)}
    _save(path, nodes, {"features": ["n", "t", FEATURES]}, weights)


def make_toy_bundle(folder: Path, labels: tuple[str, ...] = EMOTIONS) -> Path:
    """Write a bundle whose tree has the base bundle's shape, plus a face sequence."""
    folder.mkdir(parents=True)
    count = len(labels)
    save_picture_net(folder / "expression.onnx", count, seed=1)
    save_picture_net(folder / "spectrogram.onnx", count, seed=2)
    save_picture_net(folder / "cnn.onnx", FEATURES, channels=3, seed=3)
    save_sequence_net(folder / "blstm.onnx", count, seed=4)
    grey = {"crop": [2, 2, 252, 252], "size": 48, "channels": "grey", "mean": [0.0], "std": [1.0]}
    colour = {
        "crop": [16, 16, 240, 240],
        "size": 64,
        "channels": "rgb",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    face = [
        {
            "kind": "face_vote",
            "name": "expression",
            "weight": 1.0,
            "model": "expression.onnx",
            "input": {"frames": 16, **grey},
            "pooling": "mean",
            "mirror": True,
        },
        {
            "kind": "face_sequence",
            "name": "sequence",
            "weight": 0.5,
            "cnn": "cnn.onnx",
            "blstm": "blstm.onnx",
            "input": {"frames": 4, **colour},
            "temperature": 1.5,
        },
    ]
    voice = [
        {
            "kind": "spectrogram_net",
            "name": "spectrogram",
            "weight": 1.0,
            "model": "spectrogram.onnx",
            "input": SpectrogramSettings().to_dict(),
            "channels": 1,
        }
    ]
    card = {
        "format": 1,
        "name": "toy",
        "version": "0",
        "description": "Random weights, for tests.",
        "labels": list(labels),
        "licences": {"code": "MIT", "weights": "MIT", "data": "none"},
        "provenance": {"made_by": "tests/toy_bundle.py"},
        "figures": {},
        "files": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.glob("*.onnx"))
        },
        "tree": {
            "kind": "blend",
            "name": "system",
            "members": [
                {"kind": "blend", "name": "face", "weight": 0.5, "members": face},
                {"kind": "blend", "name": "voice", "weight": 0.5, "members": voice},
            ],
        },
    }
    (folder / "bundle.json").write_text(json.dumps(card, indent=2), encoding="utf-8")
    return folder


def teach(bundle: Path, ids: list[str], labels: list[str]) -> Path:
    """Note in a bundle that it learnt from these clips."""
    write_lessons(bundle, Lessons(distinct_keys(ids, labels)))
    card = json.loads((bundle / "bundle.json").read_text())
    card["files"][TRAINED_ON] = hashlib.sha256((bundle / TRAINED_ON).read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(card), encoding="utf-8")
    return bundle


def save_features_net(path: Path, features: int, *, seed: int = 0) -> None:
    """What an exported SVM looks like from outside: features -> (class index, probabilities)."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1e-3, (features, len(EMOTIONS))).astype(np.float32)
    nodes = [
        helper.make_node("Tanh", ["features"], ["bounded"]),
        helper.make_node("MatMul", ["bounded", "weights"], ["decisions"]),
        helper.make_node("Softmax", ["decisions"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["index"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "svm",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", features])],
        [
            helper.make_tensor_value_info("index", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 7]),
        ],
        [numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def save_encoder(path: Path, *, log_mel: bool) -> None:
    """Two layers over 80 bands, or over blocks of 320 samples: (1, T, 3) and (1, T, 2)."""
    width = 80 if log_mel else 320
    if log_mel:
        states = [helper.make_node("Transpose", ["read"], ["rows"], perm=[0, 2, 1])]
    else:
        states = [
            helper.make_node("Shape", ["read"], ["shape"]),
            helper.make_node("Gather", ["shape", "one"], ["count"]),
            helper.make_node("Div", ["count", "block"], ["blocks"]),
            helper.make_node("Mul", ["blocks", "block"], ["whole"]),
            helper.make_node("Slice", ["read", "zero", "whole", "one"], ["sliced"]),
            helper.make_node("Reshape", ["sliced", "split"], ["rows"]),
        ]
    nodes = [
        *states,
        helper.make_node("MatMul", ["rows", "first"], ["early"]),
        helper.make_node("Tanh", ["early"], ["layer_1"]),
        helper.make_node("MatMul", ["layer_1", "second"], ["layer_2"]),
    ]
    weights = {
        "first": _linear(width, 3, 5),
        "second": _linear(3, 2, 6),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "block": np.array([width], np.int64),
        "split": np.array([1, -1, width], np.int64),
    }
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
              {"read": [1, 80, "t"] if log_mel else [1, "n"], "layer_1": [1, "s", 3],
               "layer_2": [1, "s", 2]}.items()}  # fmt: skip
    graph = helper.make_graph(
        nodes,
        path.stem,
        [values.pop("read")],
        [*values.values()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


TOY_ENCODERS = (
    {"file": "bands.onnx", "reads": "log_mel", "layers": ["layer_1", "layer_2"]},
    {"file": "blocks.onnx", "reads": "samples", "layers": ["layer_2"]},
)
TOY_ENCODER_FEATURES = 2 * (3 + 2 + 2)


def add_speech_encoder(bundle: Path, folder: Path, *, in_pieces: bool = False) -> Path:
    """A copy of a toy bundle whose voice node has one more member, ``encoded``."""
    shutil.copytree(bundle, folder)
    save_encoder(folder / "bands.onnx", log_mel=True)
    save_encoder(folder / "blocks.onnx", log_mel=False)
    save_features_net(folder / "head.onnx", TOY_ENCODER_FEATURES)
    node = {"kind": "speech_encoder", "name": "encoded", "model": "head.onnx", "weight": 0.5}
    node |= {"in_pieces": True} if in_pieces else {}
    card = json.loads((folder / "bundle.json").read_text())
    card["tree"]["members"][1]["members"].append(node | {"encoders": list(TOY_ENCODERS)})
    write_card(folder, card | {"files": files_of(folder, card["tree"])})
    return folder


MESH_OUTPUTS = {
    "mesh": 3 * 468, "lips": 160, "left_eye": 142, "right_eye": 142, "left_iris": 10,
    "right_iris": 10, "face": 1,
}  # fmt: skip


def save_face_mesh(path: Path) -> None:
    """Random points that move a little with the mean colour of the crop (1, 192, 192, 3)."""
    nodes = [helper.make_node("ReduceMean", ["crop"], ["colour"], axes=[1, 2], keepdims=1)]
    weights = {}
    for seed, (name, count) in enumerate(MESH_OUTPUTS.items()):
        rest = np.random.default_rng(seed).uniform(40, 150, (1, 1, 1, count)).astype(np.float32)
        weights |= {f"{name}_turn": 30 * _linear(3, count, seed), f"{name}_rest": rest}
        nodes += [
            helper.make_node("MatMul", ["colour", f"{name}_turn"], [f"{name}_moved"]),
            helper.make_node("Add", [f"{name}_moved", f"{name}_rest"], [name]),
        ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        path.stem,
        [value("crop", TensorProto.FLOAT, [1, 192, 192, 3])],
        [value(name, TensorProto.FLOAT, [1, 1, 1, count]) for name, count in MESH_OUTPUTS.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def save_blendshape_layer(path: Path) -> None:
    """Points (N, 1434) -> 52 numbers."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["points", "weight"], ["blendshapes"])],
        path.stem,
        [value("points", TensorProto.FLOAT, ["n", 1434])],
        [value("blendshapes", TensorProto.FLOAT, ["n", 52])],
        [numpy_helper.from_array(_linear(1434, 52, 9), "weight")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def add_face_mesh(bundle: Path, folder: Path) -> Path:
    """A copy of a toy bundle whose face node has one more member, ``shown``."""
    shutil.copytree(bundle, folder)
    save_face_mesh(folder / "points.onnx")
    save_blendshape_layer(folder / "shapes.onnx")
    save_features_net(folder / "head.onnx", 110)
    node = {"kind": "face_mesh", "name": "shown", "model": "head.onnx", "weight": 0.5}
    node |= {"mesh": "points.onnx", "blendshapes": "shapes.onnx", "frames": 16}
    card = json.loads((folder / "bundle.json").read_text())
    card["tree"]["members"][0]["members"].append(node)
    write_card(folder, card | {"files": files_of(folder, card["tree"])})
    return folder


def add_functionals(bundle: Path, folder: Path, feature_set: str) -> Path:
    """A copy of a toy bundle whose voice node has one more member: functionals, so called."""
    shutil.copytree(bundle, folder)
    path = folder / f"{feature_set}.onnx"
    save_features_net(path, FEATURE_COUNTS[feature_set])
    card = json.loads((folder / "bundle.json").read_text())
    node = {"kind": "functionals_svm", "name": feature_set, "model": path.name}
    voice = card["tree"]["members"][1]["members"]
    voice.append(node | {"feature_set": feature_set, "weight": 0.5})
    card["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(card))
    return folder
