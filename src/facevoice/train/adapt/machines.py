"""Branches whose features of a whole clip go to one machine, and such branches that are new.

Beside those of the bundle, two kinds are offered that it may lack: the states of speech encoders,
and blendshapes over time. Their networks ship with facevoice. A new branch has no machine yet; in
its place stands one that answers each label alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from facevoice.branches import Branch, FaceMeshMoments, Functionals, SpeechEncoder, leaves
from facevoice.branches.face_mesh import moments
from facevoice.bundle import Bundle
from facevoice.faces.blendshapes import BLENDSHAPES, LAYER_FILE, ExpressionReader
from facevoice.faces.mesh import MESH_FILE
from facevoice.session import Session
from facevoice.speech.encoders import SHIPPED_ENCODERS, encoder_features, shipped_encoders
from facevoice.speech.functionals import functionals
from facevoice.train.adapt.onnx_heads import OPSET
from facevoice.train.fit.augment import change_speech
from facevoice.types import Evidence, Float32Array, Float64Array, Waveform
from facevoice.writing import replacing

MachineBranch = Functionals | SpeechEncoder | FaceMeshMoments

_SPEECH_CHANGE: Final = 0.6  # of the usual strength
_FRAMES: Final = 16
_MIRRORED: Final = (
    *(
        BLENDSHAPES.index(name.replace("Left", "-").replace("Right", "Left").replace("-", "Right"))
        for name in BLENDSHAPES
    ),
    *range(len(BLENDSHAPES), len(BLENDSHAPES) + 3),
)
_TURNS: Final = (len(BLENDSHAPES), len(BLENDSHAPES) + 2)  # yaw and roll change their sign


@dataclass(frozen=True, slots=True)
class Offered:
    """A branch that the bundle lacks.

    node: as the adapted bundle will hold it, without its model.
    """

    node: Mapping[str, Any]
    branch: MachineBranch


def features_of(
    branch: MachineBranch, evidence: Evidence, views: int, seed: tuple[int, int]
) -> list[Float32Array]:
    """The features (1, D) of a clip in each view; none where it lacks the branch's modality.

    The first is what a prediction reads. Of faces there are at most two: the mesh and its mirror
    image, since the points of a face hardly depend on how it was cut out.
    """
    if isinstance(branch, FaceMeshMoments):
        if evidence.faces is None:
            return []
        faces = evidence.faces.take(branch.chosen(len(evidence.faces)))
        looks = branch.look(faces.images)
        seen = [looks, mirrored(looks)][:views]
        return [moments(each, faces.quality).astype(np.float32)[None] for each in seen]
    if evidence.speech is None:
        return []
    heard = [
        changed(evidence.speech, np.random.default_rng([*seed, view])) if view else evidence.speech
        for view in range(views)
    ]
    if isinstance(branch, Functionals):
        return [functionals(speech, branch.feature_set)[None] for speech in heard]
    return [encoder_features(branch.encoders, speech)[None] for speech in heard]


def changed(speech: Waveform, rng: np.random.Generator) -> Waveform:
    """Slower or faster, louder or softer, with noise."""
    return Waveform(change_speech(speech.samples, _SPEECH_CHANGE, rng), speech.rate_hz)


def mirrored(looks: Float64Array) -> Float64Array:
    """The looks (T, 55) at the mirror images of faces."""
    turned = looks[:, _MIRRORED]
    turned[:, _TURNS] *= -1
    return turned


def offers(bundle: Bundle, work: Path) -> dict[str, Offered]:
    """The branches that may be added to a bundle, by name: kinds that it lacks.

    work: a folder for machines, needed while the branches are used.
    """
    found = list(leaves(bundle.tree))
    names = {branch.name for branch in found}
    offered = {}
    for kind, (modality, make) in _MAKERS.items():
        lacks = not any(isinstance(branch, _CLASSES[kind]) for branch in found)
        if lacks and kind not in names and any(each.modality == modality for each in found):
            machine = _undecided(work / f"{kind}.onnx", len(bundle.labels))
            offered[kind] = make(kind, bundle.labels, machine)
    return offered


def _speech_encoder(name: str, labels: tuple[str, ...], machine: Session) -> Offered:
    parts = [part.to_dict() for part in SHIPPED_ENCODERS]
    branch = SpeechEncoder(name, labels, machine, shipped_encoders(threads=None))
    return Offered({"kind": name, "name": name, "encoders": parts}, branch)


def _face_mesh(name: str, labels: tuple[str, ...], machine: Session) -> Offered:
    node = {"kind": name, "name": name, "mesh": MESH_FILE, "blendshapes": LAYER_FILE}
    branch = FaceMeshMoments(name, labels, machine, ExpressionReader.shipped(), frames=_FRAMES)
    return Offered(node | {"frames": _FRAMES}, branch)


def _undecided(path: Path, labels: int) -> Session:
    """A machine, features (N, D) -> probabilities (N, K), that answers each label alike."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features", "across"], ["mean"], keepdims=1),
            helper.make_node("MatMul", ["mean", "nothing"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "undecided",
        [value("features", onnx.TensorProto.FLOAT, ["n", "d"])],
        [value("probabilities", onnx.TensorProto.FLOAT, ["n", labels])],
        [
            numpy_helper.from_array(np.array([1], np.int64), "across"),
            numpy_helper.from_array(np.zeros((1, labels), np.float32), "nothing"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    with replacing(path) as temporary:
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), temporary)
    return Session(path)


_MAKERS: Final = {"speech_encoder": ("voice", _speech_encoder), "face_mesh": ("face", _face_mesh)}
_CLASSES: Final[Mapping[str, type[Branch]]] = {
    "speech_encoder": SpeechEncoder,
    "face_mesh": FaceMeshMoments,
}
