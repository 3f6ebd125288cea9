"""Branches that a bundle lacks: offered to be adapted, and added where they help."""

import json

import numpy as np
import pytest

from facevoice.branches import FaceMeshMoments, SpeechEncoder
from facevoice.branches import leaves as leaves_of
from facevoice.branches.face_mesh import looks_of
from facevoice.bundle import load_bundle
from facevoice.faces import Mtcnn, align
from facevoice.faces.blendshapes import BLENDSHAPES, ExpressionReader
from facevoice.scores.table import ScoreTable
from facevoice.train.adapt import weights
from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.fit import Settings
from facevoice.train.adapt.machines import mirrored, offers
from facevoice.train.adapt.run import adapt
from facevoice.train.adapt.weights import rules_of, weighed
from support.detector_contract import astronaut
from support.toy_bundle import add_face_mesh, make_toy_bundle
from support.toy_clips import LABELS, write_clips

COUNT = 60


def table_of(branches, truth):
    """Calibrated branches: each knows the truth of some share of the clips, and guesses else."""
    rng = np.random.default_rng(0)
    columns = []
    for share in branches.values():
        answer = np.where(rng.random(COUNT) < share, truth, rng.integers(0, 4, COUNT))
        columns.append((1 - share) / 4 + share * np.eye(4)[answer])
    groups = np.array([f"s{number % 6}" for number in range(COUNT)])
    return ScoreTable.of_arrays(
        np.stack(columns, axis=1), truth, branches=list(branches), labels=LABELS, groups=groups
    )


def leaf(name, modality, *, added=False):
    return LeafFeatures(name, {"name": name}, modality, np.zeros((COUNT, 4)), added=added)


@pytest.mark.parametrize(("worth", "joins"), [(0.9, True), (0.0, False)])
def test_a_new_branch_joins_the_node_of_its_modality_if_it_helps(worth, joins):
    truth = np.arange(COUNT) % 4
    branches = {"expression": 0.4, "prosody": 0.5, "face_mesh_adapted": worth}
    leaves = [leaf("expression", "face"), leaf("prosody", "voice")]
    leaves.append(leaf("face_mesh", "face", added=True))
    tree = weighed(table_of(branches, truth), leaves, {"face_mesh_adapted": None}, "system")
    assert ("face_mesh_adapted" in tree.node("face").members) == joins
    assert tree.node("voice").members == ("prosody",)


def test_nodes_blend_by_the_rules_of_the_bundle():
    faces = {"name": "face", "members": [{"name": "a"}, {"name": "b"}]}
    tree = {"name": "system", "rule": "product", "members": [faces, {"name": "c"}]}
    modalities = {"a": "face", "b": "face", "c": "voice"}
    assert rules_of(tree, modalities) == {"root": "product", "face": "sum", "voice": "product"}
    truth = np.arange(COUNT) % 4
    leaves = [leaf(name, modality) for name, modality in modalities.items()]
    found = weighed(
        table_of({"a": 0.6, "b": 0.6, "c": 0.6}, truth), leaves, {}, "system",
        rules_of(tree, modalities),
    )  # fmt: skip
    assert found.root.rule == "product"
    assert found.node("face").rule == "sum"


def test_only_kinds_that_a_bundle_lacks_are_offered(toy_bundle, tmp_path):
    assert set(offers(load_bundle(toy_bundle), tmp_path)) == {"speech_encoder", "face_mesh"}
    richer = load_bundle(add_face_mesh(toy_bundle, tmp_path / "mesh"))
    assert set(offers(richer, tmp_path)) == {"speech_encoder"}


def test_looks_are_mirrored_without_looking_again():
    image = np.ascontiguousarray(astronaut()[:240, 104:344])
    face = align(image, Mtcnn(threads=1)(image)[0].landmarks)
    read = ExpressionReader.shipped(threads=1)
    found = mirrored(looks_of(read, face[None]))[0]
    wanted = looks_of(read, np.ascontiguousarray(face[None, :, ::-1]))[0]
    assert np.abs(found[:52] - wanted[:52]).max() < 0.25
    assert np.abs(found[52:] - wanted[52:]).max() < 3
    left, right = (BLENDSHAPES.index(f"browDown{side}") for side in ("Left", "Right"))
    assert found[left] == looks_of(read, face[None])[0, right]


@pytest.mark.slow
def test_an_adapted_bundle_holds_the_parts_of_its_new_branches(tmp_path, monkeypatch):
    """Writing checks that the new branches score clips as the procedure does."""

    def all_of_them(table, old, new, name, rule):
        equal = weights.WeightTree.equal([*old, *new], name, rule)
        return equal.root

    monkeypatch.setattr(weights, "_grown", all_of_them)
    base = make_toy_bundle(tmp_path / "toy", (*LABELS, "disgust"))
    clips = write_clips(tmp_path / "clips", count=16)
    folder = adapt(base, clips, tmp_path / "mine", Settings(views=2, temporal="moments"))
    kinds = {type(each) for each in leaves_of(load_bundle(folder).tree)}
    assert {FaceMeshMoments, SpeechEncoder} <= kinds
    card = json.loads((folder / "bundle.json").read_text())
    parts = {"face_mesh.onnx", "blendshapes.onnx", "speech_encoder.onnx", "moonshine_encoder.onnx"}
    assert parts <= {path.name for path in folder.iterdir()} & set(card["files"])
    assert card["format"] == 3
    chosen = card["provenance"]["adapted"]["chosen"]
    assert {name for name, facts in chosen.items() if facts["added"]} == {
        "face_mesh_adapted",
        "speech_encoder_adapted",
    }
    nodes = {node["name"]: node for group in card["tree"]["members"] for node in group["members"]}
    licences = nodes["face_mesh_adapted"]["licences"]
    assert set(licences["parts"]) == {"face_mesh.onnx", "blendshapes.onnx"}
    assert licences["data"] == {"clips": "none"}
