import json
import shutil

import numpy as np
import pytest

from facevoice.branches import Blend
from facevoice.bundle import Bundle, bundle_folder, load_bundle, read_card
from facevoice.errors import BundleError, HashMismatchError
from facevoice.types import EMOTIONS
from support.evidence_factory import make_evidence


@pytest.fixture
def copy(toy_bundle, tmp_path):
    return shutil.copytree(toy_bundle, tmp_path / "copy")


def change(folder, **values):
    card = json.loads((folder / "bundle.json").read_text())
    card.update(values)
    (folder / "bundle.json").write_text(json.dumps(card))


def test_it_loads_with_its_tree(toy_bundle):
    bundle = load_bundle(toy_bundle)
    assert isinstance(bundle, Bundle)
    assert bundle.labels == EMOTIONS
    assert isinstance(bundle.tree, Blend)
    assert [member.name for member in bundle.tree.members] == ["face", "voice"]
    assert len(bundle.sha256) == 64
    assert "toy" in repr(bundle)
    scores = bundle.tree.score(make_evidence())
    assert set(scores.parts["face"].parts) == {"expression", "sequence"}


def test_labels_belong_to_the_bundle(four_class_bundle):
    scores = load_bundle(four_class_bundle).tree.score(make_evidence())
    assert scores.labels == ("calm", "contempt", "pain", "joy & <tears>")


def test_a_changed_file_is_refused(copy):
    with (copy / "blstm.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(HashMismatchError, match=r"blstm\.onnx"):
        load_bundle(copy)


def test_a_missing_file_is_named(copy):
    (copy / "cnn.onnx").unlink()
    with pytest.raises(BundleError, match=r"lacks cnn\.onnx"):
        load_bundle(copy)


def test_a_file_outside_the_folder_is_refused(copy):
    change(copy, files={"../toy.onnx": "0" * 64})
    with pytest.raises(BundleError, match="leads out"):
        load_bundle(copy)


def test_a_file_that_is_no_model_is_refused(copy):
    import hashlib

    (copy / "cnn.onnx").write_bytes(b"not a model")
    card = json.loads((copy / "bundle.json").read_text())
    card["files"]["cnn.onnx"] = hashlib.sha256(b"not a model").hexdigest()
    change(copy, files=card["files"])
    with pytest.raises(BundleError, match="onnxruntime cannot load"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99; this version reads 1 to 3: .*upgrade"),
        ({"tree": {"kind": "blend", "name": "x", "members": ["y"]}}, "tree is malformed"),
        (
            {"tree": {"kind": "oracle", "name": "x"}},
            "unknown kind of branch 'oracle'; known: blend",
        ),
        ({"tree": {"kind": "face_vote", "name": "x"}}, "lacks 'model'"),
        ({"tree": {"kind": "blend", "name": "x", "members": []}}, "0 members"),
        ({"tree": {"kind": "stack", "name": "x", "members": []}}, "lacks 'coefficients'"),
    ],
)
def test_nonsense_says_what_is_wrong(copy, changes, message):
    change(copy, **changes)
    with pytest.raises(BundleError, match=message):
        load_bundle(copy)


def test_a_model_with_another_number_of_classes_is_refused_when_it_speaks(copy):
    change(copy, labels=[*EMOTIONS, "contempt"])
    with pytest.raises(BundleError, match="7 values, the bundle has 8 labels"):
        load_bundle(copy).tree.score(make_evidence())


def test_a_card_must_be_complete_json(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle: it holds no bundle"):
        read_card(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        read_card(tmp_path)
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match="lacks format"):
        read_card(tmp_path)


def test_an_unknown_name_lists_what_ships():
    with pytest.raises(BundleError, match="shipped bundles: base"):
        bundle_folder("nonsense")


def test_a_blends_weights_come_from_the_file(toy_bundle):
    tree = load_bundle(toy_bundle).tree
    np.testing.assert_allclose(tree.members[0].weights, [1.0, 0.5])
    np.testing.assert_allclose(tree.weights, [0.5, 0.5])


@pytest.mark.parametrize("threshold", ["0.5", True, -0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_score_is_refused(copy, threshold):
    change(copy, abstain_below=threshold)
    with pytest.raises(BundleError, match="abstain_below must be a score from 0 to 1"):
        load_bundle(copy)
