"""Bundles in int8: what changes, what stays, and who decides."""

import json
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from facevoice.bundle import load_bundle
from facevoice.bundle.trained_on import known
from facevoice.bundle.write import files_of, write_card
from facevoice.cli import main
from facevoice.session import Session, hash_of
from facevoice.train.export import static_int8
from facevoice.train.export.quantize import parted, quantize
from facevoice.train.export.static_int8 import obstacle
from facevoice.train.prepare.folder import open_prepared
from facevoice.train.prepare.packed import pack
from facevoice.types import EMOTIONS
from support.evidence_factory import make_evidence
from support.prepared_folders import write_folder
from support.toy_bundle import make_toy_bundle, teach

COUNT = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Clips of four speakers with faces and speech."""
    parts = [pack(make_evidence(faces=2, seed=number)) for number in range(COUNT)]
    rows = [f"clip {number},happy,train,s{number % 4}" for number in range(COUNT)]
    folder = tmp_path_factory.mktemp("data") / "prepared"
    return write_folder(folder, parts, rows, labels=EMOTIONS)


def blind_to_int8(path):
    """The same function with a value in its middle beside which all others vanish in 8 bits."""
    model = onnx.load(path)
    last, weights = model.graph.node[-1], model.graph.initializer[0]
    old = numpy_helper.to_array(weights)
    wide = np.concatenate([np.eye(len(old)), np.full((len(old), 1), 1e4)], axis=1)
    padded = np.concatenate([old, np.zeros((1, old.shape[1]))])
    weights.CopyFrom(numpy_helper.from_array(padded.astype(np.float32), weights.name))
    model.graph.initializer.append(numpy_helper.from_array(wide.astype(np.float32), "wide"))
    widen = helper.make_node("MatMul", [last.input[0], "wide"], ["widened"])
    last.input[0] = "widened"
    model.graph.node.insert(len(model.graph.node) - 1, widen)
    onnx.save(model, path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A toy bundle in which the spectrogram's network does not survive int8."""
    folder = make_toy_bundle(tmp_path_factory.mktemp("bundles") / "toy")
    blind_to_int8(folder / "spectrogram.onnx")
    card = json.loads((folder / "bundle.json").read_text())
    card |= {"files": files_of(folder, card["tree"]), "measured": [{"name": "old"}]}
    write_card(folder, card)
    return teach(folder, ["another clip"], ["sad"])


@pytest.fixture(scope="module")
def made(bundle, data, tmp_path_factory):
    """The output folder of the command."""
    output = tmp_path_factory.mktemp("made") / "int8"
    command = ["quantize", str(bundle), "--data", str(data.folder), "-o", str(output)]
    assert main(command) == 0
    return output


def leaves_of(card):
    return {leaf["name"]: leaf for node in card["tree"]["members"] for leaf in node["members"]}


def test_branches_that_pass_run_in_int8_and_score_as_before(bundle, made, data):
    card = json.loads((made / "bundle.json").read_text())
    found = card["provenance"]["quantised"]["branches"]
    leaves = leaves_of(card)
    assert leaves["expression"]["model"] == "expression_int8.onnx"
    assert leaves["sequence"]["cnn"] == "sequence_cnn_int8.onnx"
    for file in ("expression_int8.onnx", "sequence_cnn_int8.onnx", "sequence_blstm_int8.onnx"):
        kinds = {node.op_type for node in onnx.load(made / file).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    new, old = load_bundle(made).tree, load_bundle(bundle).tree
    for _, evidence in data.evidences():
        before, after = (tree.score(evidence).parts["face"].parts for tree in (old, new))
        change = np.abs(before["expression"].values - after["expression"].values)
        assert 0 < change.max() < 0.05
    assert 0 < found["expression"]["mean_change"] <= 0.01
    assert found["expression"]["clips"] == COUNT / 2
    assert not (made / "expression.onnx").exists()


def test_a_branch_that_fails_keeps_its_network_and_is_named(bundle, made, data, tmp_path, capsys):
    card = json.loads((made / "bundle.json").read_text())
    assert leaves_of(card)["spectrogram"]["model"] == "spectrogram.onnx"
    assert hash_of(made / "spectrogram.onnx") == hash_of(bundle / "spectrogram.onnx")
    found = card["provenance"]["quantised"]["branches"]["spectrogram"]
    assert not found["int8"]
    assert "0.01" in found["reason"]
    assert found["mean_change"] > 0.01
    command = ["quantize", str(bundle), "--data", str(data.folder), "-o", str(tmp_path / "again")]
    main(command)
    expression, sequence, spectrogram = capsys.readouterr().out.splitlines()
    assert expression.startswith("expression: int8; ")
    assert sequence.startswith("sequence: int8; ")
    assert spectrogram.startswith("spectrogram: stays as it is: its scores would change")


def test_the_card_states_where_the_bundle_comes_from(bundle, made, data):
    old, new = (json.loads((folder / "bundle.json").read_text()) for folder in (bundle, made))
    for key in ("labels", "licences", "figures", "version"):
        assert new[key] == old[key]
    assert "measured" not in new  # with other networks
    assert new["provenance"]["made_by"] == old["provenance"]["made_by"]
    stated = new["provenance"]["quantised"]
    assert stated["from"]["sha256"] == hash_of(bundle / "bundle.json")
    assert stated["calibration"]["fingerprint"] == data.fingerprint
    ids, labels = ["clip 0", "another clip", "a third"], ["happy", "sad", "sad"]
    assert known(made, new, ids, labels).tolist() == ["validation", "yes", "no"]


def test_a_bundle_may_keep_its_name_and_leave_shared_parts_where_they_ship(data, tmp_path):
    folder = tmp_path / "again"
    outcomes = quantize(
        "base", data, folder, name="base", shared_parts=True, limits=(1.0, 0.0), clips=2
    )
    assert [outcome.name for outcome in outcomes if not outcome.reason] == [
        "mini_xception",
        "speech",
    ]
    made = load_bundle(folder)
    assert made.name == "base"
    assert (folder / "mini_xception_int8.onnx").exists()
    assert not (folder / "speech_encoder.onnx").exists()
    assert made.path("speech_encoder.onnx").exists()


def test_nothing_is_overwritten(bundle, data, made, capsys):
    before = hash_of(made / "bundle.json")
    assert main(["quantize", str(bundle), "--data", str(data.folder), "-o", str(made)]) == 1
    assert "exists" in capsys.readouterr().err
    assert hash_of(made / "bundle.json") == before


def test_networks_in_int8_are_left_alone(made, data, tmp_path, capsys):
    output = tmp_path / "twice"
    assert main(["quantize", str(made), "--data", str(data.folder), "-o", str(output)]) == 1
    said = capsys.readouterr()
    assert "expression: stays as it is: expression_int8.onnx is quantised already" in said.out
    assert "no branch can be put into int8" in said.err
    assert not output.exists()


def test_nobody_is_on_both_sides(data, tmp_path):
    ranging, judging = parted(data)
    assert sorted([*ranging, *judging]) == list(range(COUNT))
    assert not {data.groups[row] for row in ranging} & {data.groups[row] for row in judging}
    table = (
        (data.folder / "samples.csv").read_text().replace("clip 5,happy,train", "clip 5,happy,test")
    )
    for name in ("samples", "faces", "pictures", "spans", "speech"):
        (tmp_path / f"{name}.npy").write_bytes((data.folder / f"{name}.npy").read_bytes())
    (tmp_path / "prepared.json").write_text((data.folder / "prepared.json").read_text())
    (tmp_path / "samples.csv").write_text(table.replace("clip 3,happy,train", "clip 3,happy,val"))
    ranging, judging = parted(open_prepared(tmp_path))
    assert judging.tolist() == [3]
    assert ranging.tolist() == [row for row in range(COUNT) if row not in {3, 5}]  # 5: for a test


def test_weights_have_seven_bits_and_the_ends_stay_in_float32(tmp_path):
    """On processors without VNNI, weights of 8 bits would overflow."""
    rng = np.random.default_rng(0)
    sizes = [(2, 64), (64, 64), (64, 3)]
    names = ["x", "one", "two", "y"]
    nodes = [
        helper.make_node("MatMul", [before, f"w{number}"], [after])
        for number, (before, after) in enumerate(pairwise(names))
    ]
    weights = [
        numpy_helper.from_array(rng.normal(0, 1, size).astype(np.float32), f"w{number}")
        for number, size in enumerate(sizes)
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", 1, [4, 2])], [value("y", 1, [4, 3])]
    graph = helper.make_graph(nodes, "three", *ends, weights)
    opsets = [helper.make_opsetid("", 17)]
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), plain)
    inputs = rng.normal(0, 1, (8, 4, 2)).astype(np.float32)
    with patch.object(static_int8, "_LARGEST_END", 0.05):  # the middle has 4096 of 4416 weights
        static_int8.quantise(plain, small, iter(inputs))
    stored = {each.name: numpy_helper.to_array(each) for each in onnx.load(small).graph.initializer}
    (middle,) = (array for array in stored.values() if array.dtype == np.int8 and array.size > 64)
    assert middle.shape == (64, 64)
    assert abs(middle.astype(int)).max() <= 64
    assert {"w0", "w2"} <= set(stored)
    before, after = (Session(path).run(inputs[0])[0] for path in (plain, small))
    np.testing.assert_allclose(after, before, atol=0.05 * abs(before).max())


def test_a_network_without_products_has_nothing_to_quantise(tmp_path):
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "plain", [value("x", 1, [1])], [value("y", 1, [1])])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "plain.onnx")
    assert Session(tmp_path / "plain.onnx")
    assert "no convolution" in obstacle(tmp_path / "plain.onnx")
