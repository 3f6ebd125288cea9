"""A bundle adapted to a few clips: better on held-out speakers, and what it says is what it is."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from facevoice.branches import leaves as leaves_of
from facevoice.bundle import load_bundle
from facevoice.bundle.trained_on import PARTLY, Lessons, known, write_lessons
from facevoice.cli import main
from facevoice.errors import BundleError, DatasetError, RecipeError
from facevoice.scores.table.keys import keys_of_digests
from facevoice.session import Session
from facevoice.speech.prosody import FEATURES
from facevoice.train.adapt import features, run
from facevoice.train.adapt.features import LeafFeatures, read_leaves
from facevoice.train.adapt.fit import Adapted, Settings, fit
from facevoice.train.adapt.heads import Clips
from facevoice.train.adapt.onnx_heads import Answer, Linear, cut, feature_model, picture_model
from facevoice.train.adapt.refit import fit_head
from facevoice.train.adapt.run import adapt, clips_of, trained_note
from facevoice.train.voice.ensemble import Ensemble, write_onnx
from facevoice.types import EMOTIONS
from support.prepared_folders import write_folder
from support.toy_bundle import make_toy_bundle, teach
from support.toy_clips import LABELS, write_clips

QUICK = Settings(views=2, temporal="moments")
WIDER = (*LABELS, "disgust")


@pytest.fixture(autouse=True, scope="module")
def _nothing_new():
    """No branches that the bundle lacks: see test_added.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "offers", lambda _bundle, _work: {})
        yield


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "clips"
    return write_clips(folder, faceless={5, 30}, voiceless={9})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_toy_bundle(tmp_path_factory.mktemp("bundles") / "toy", WIDER)


@dataclasses.dataclass(frozen=True)
class Made:
    """The adapted bundle, what it was fitted on and what came of it, and the progress told."""

    folder: Path
    leaves: tuple[LeafFeatures, ...]
    fitted: Adapted
    reading: list[tuple[int, int]]
    fitting: list[tuple[int, int]]


@pytest.fixture(scope="module")
def made(clips, base, tmp_path_factory):
    reading, fitting, kept = [], [], []

    def keeping(leaves, *others):
        kept.append((leaves, fit(leaves, *others)))
        return kept[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "fit", keeping)
        folder = adapt(
            base, clips, tmp_path_factory.mktemp("out") / "mine", QUICK,
            lambda *counts: reading.append(counts), lambda *counts: fitting.append(counts),
        )  # fmt: skip
    ((leaves, fitted),) = kept
    return Made(folder, leaves, fitted, reading, fitting)


@pytest.fixture(scope="module")
def adapted(made):
    return made.folder


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """The clips without faces."""
    folder = tmp_path_factory.mktemp("data") / "blind"
    return write_clips(folder, faceless=set(range(48)), voiceless={9})


def edited(clips, folder, change):
    """The clips with another table of samples."""
    columns, *rows = change((clips.folder / "samples.csv").read_text()).splitlines()
    kept = [clips.ids.index(row.partition(",")[0]) for row in rows]
    (store,) = clips.stores
    parts = [store.arrays(row, row + 1) for row in kept]
    return write_folder(folder, parts, rows, columns=columns)


def test_held_out_speakers_are_told_better_than_by_the_base(adapted):
    figures = json.loads((adapted / "bundle.json").read_text())["figures"]
    before, after = (figures[f"fused {name}, out of fold"] for name in ("before", "after"))
    assert after["war"] > before["war"] + 0.2
    assert after["war_low"] < after["war"] < after["war_high"]
    assert before["count"] == after["count"] == 48
    for name in ("fused after", "spectrogram_adapted", "expression_adapted"):  # calibrated, too
        assert figures[f"{name}, out of fold"]["log_loss"] < 1.2


def test_a_speaker_in_no_fit_is_told_better(clips, base, made):
    bundle, found = load_bundle(base), made.leaves
    known = clips_of(bundle, clips, QUICK)
    held = known.groups == "s3"
    result = fit(found, known, np.flatnonzero(~held), bundle, "moments")
    table = result.table(found, known, np.flatnonzero(held))
    right = (result.tree.fuse(table).argmax(axis=1) == known.y[held]).mean()
    original = np.nanmean(table.scores[:, :3], axis=1).argmax(axis=1)
    assert right >= 0.75
    assert right > (original == known.y[held]).mean()


def test_the_bundle_scores_clips_as_the_procedure_does(clips, base, made):
    known = clips_of(load_bundle(base), clips, QUICK)
    rows = np.arange(len(clips.ids))
    wanted = made.fitted.tree.fuse(made.fitted.table(made.leaves, known, rows))
    written = load_bundle(made.folder)
    for row in (0, 5, 9, 17, 30, 46):  # some lack a face or a voice
        scores = written.tree.score(clips.evidence(row))
        np.testing.assert_allclose(scores.values, wanted[row], atol=5e-4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("expression", "moments"),
        ("sequence", "moments"),
        ("spectrogram", "linear"),
        ("expression", "blstm"),
        pytest.param("sequence", "blstm", marks=pytest.mark.slow),
    ],
)
def test_every_head_is_written_as_it_was_fitted(clips, base, made, tmp_path, name, kind):
    bundle = load_bundle(base)
    known = clips_of(bundle, clips, QUICK)
    leaf = next(each for each in made.leaves if each.name == name)
    head = fit_head(leaf, known, np.flatnonzero(leaf.speaks)[:32], kind)
    sessions = []
    for number, model in enumerate(head.models(leaf)):
        onnx.save(model, tmp_path / f"{number}.onnx")
        sessions.append(Session(tmp_path / f"{number}.onnx"))
    cnn = Session(bundle.folder / "cnn.onnx") if name == "sequence" else sessions[0]
    branch = next(each for each in leaves_of(bundle.tree) if each.name == name)
    evidence = clips.evidence(2)
    wanted = head.scores(leaf, np.array([2]))[0]
    if name == "spectrogram":
        branch = dataclasses.replace(branch, session=sessions[0], temperature=1.0)
        np.testing.assert_allclose(branch.score(evidence).values, wanted, atol=1e-4)
        return
    images = evidence.faces.images[branch.chosen(len(evidence.faces))]
    (features,) = cnn.run(branch.face_input.pictures(images))
    (logits,) = sessions[-1].run(features[None])
    shown = np.exp(logits[0] - logits.max())
    np.testing.assert_allclose(shown / shown.sum(), wanted, atol=1e-4)
    assert 0 < wanted[WIDER.index("disgust")] < 0.5


def test_an_absent_label_keeps_the_originals_evidence():
    answer = Answer((0, 2), 3, ratio=0.5)
    found = answer.distributions(np.array([[1.0, 1.0]]), np.array([[0.2, 0.4, 0.4]]))
    np.testing.assert_allclose(found, [[0.375, 0.25, 0.375]])
    sure = answer.distributions(np.array([[3.0, 0.0]]), np.array([[0.01, 0.98, 0.01]]))
    assert sure.argmax() == 1


def test_the_card_says_what_was_done(adapted, clips, base):
    card = json.loads((adapted / "bundle.json").read_text())
    told = card["provenance"]["adapted"]
    assert told["absent_labels"] == ["disgust"]
    assert told["inputs"]["data"] == clips.fingerprint
    assert told["inputs"]["bundle"]["sha256"] == load_bundle(base).sha256
    names = ("expression", "sequence", "spectrogram")
    assert set(told["chosen"]) == {f"{name}_adapted" for name in names}
    assert "clips: none" in card["licences"]["data"]
    assert card["labels"] == list(WIDER)
    people = {name.rsplit(".", 1)[-1]: each["people"] for name, each in card["population"].items()}
    used = {name for name, each in told["chosen"].items() if each["used"]}
    assert set(people) == used  # the base has no statistics that others could keep
    assert set(people.values()) == {len(set(clips.groups))}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_and_are_not_redone(adapted, clips, base, tmp_path):
    again = adapt(base, clips, tmp_path / "again", QUICK)
    for path in adapted.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    before = (again / "bundle.json").stat().st_mtime_ns
    adapt(base, clips, again, QUICK)
    assert (again / "bundle.json").stat().st_mtime_ns == before
    adapt(base, clips, again, dataclasses.replace(QUICK, seed=1))
    assert (again / "bundle.json").stat().st_mtime_ns != before
    assert not list(tmp_path.glob(".*"))


def test_clips_without_faces_leave_the_face_branches_as_they_are(base, blind, tmp_path):
    card = json.loads((adapt(base, blind, tmp_path / "mine", QUICK) / "bundle.json").read_text())
    told = card["provenance"]["adapted"]
    assert set(told["chosen"]) == {"spectrogram_adapted"}
    assert len(told["notes"]) == 2
    load_bundle(tmp_path / "mine")


def test_the_shipped_bundle_is_adapted_but_for_a_network_without_a_last_layer(clips, tmp_path):
    few = edited(clips, tmp_path / "few", lambda table: "\n".join(table.splitlines()[:9]))
    base = load_bundle("base")
    found = {x.name: x for x in read_leaves(base, few, tmp_path, views=1, seed=0)}
    assert {name for name, leaf in found.items() if leaf.items is None} == {"mini_xception"}
    assert "does not end in a linear layer" in found["mini_xception"].reason
    known = Clips(few.y, np.array(few.groups), len(base.labels), 0)
    result = fit(tuple(found.values()), known, np.arange(len(few.ids)), base, "moments")
    assert any("mini_xception stays as it is" in note for note in result.notes)
    assert "expression_adapted" in result.refits
    assert "speech_adapted" in result.refits


def test_data_that_teach_nothing_are_refused(clips, base, adapted, tmp_path):
    def refused(change, error, match, bundle=base):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        with pytest.raises(error, match=match):
            adapt(bundle, edited(clips, folder, change), tmp_path / "mine", QUICK)

    def joy_of_one(text):
        rows = text.splitlines(keepends=True)
        return "".join(row for row in rows if ",joy," not in row or ",s1," in row)

    def joy_alone(text):
        first, *rows = text.splitlines(keepends=True)
        return "".join([first, *(row for row in rows if ",joy," in row)])

    refused(joy_of_one, DatasetError, "too few clips of joy: 2 of one group")
    refused(joy_alone, DatasetError, "joy alone")
    other = make_toy_bundle(tmp_path / "other", EMOTIONS)
    refused(str, RecipeError, "has the labels calm, contempt, pain, joy", other)
    refused(str, RecipeError, "adapted already: adapt toy", adapted)
    empty = write_clips(tmp_path / "empty", faceless=set(range(48)), voiceless=set(range(48)))
    with pytest.raises(RecipeError, match="no branch of the bundle can be adapted"):
        adapt(base, empty, tmp_path / "mine", QUICK)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="is not a bundle"):
        adapt(base, clips, tmp_path / "full", QUICK)
    assert not (tmp_path / "mine").exists()


def half(text):
    return "\n".join(text.splitlines()[:25]) + "\n"


def one_group(text):
    return re.sub(r",s\d,", ",s0,", half(text))


def each_its_own(text):
    return re.sub(r"(c\d+)(,\w+,,)s\d,", r"\1\2\1,", half(text))


@pytest.mark.parametrize(
    ("change", "warning", "people"),
    [
        (one_group, "all clips are of one group (speaker), s0", "1 groups (speakers)"),
        (each_its_own, "no speakers are named", "unnamed speakers"),
    ],
)
def test_without_speakers_single_clips_are_held_out(
    clips, base, tmp_path, capsys, change, warning, people
):
    edited(clips, tmp_path / "data", change)
    words = ["adapt", str(base), "--data", str(tmp_path / "data"), "-o", str(tmp_path / "mine")]
    assert main([*words, "--temporal", "moments", "--views", "1"]) == 0
    said = capsys.readouterr()
    assert warning in said.err
    assert "bundle written to" in said.err
    assert "fused before, out of fold" in said.out
    card = json.loads((tmp_path / "mine" / "bundle.json").read_text())
    assert warning in card["provenance"]["adapted"]["notes"][0]
    assert people in card["description"]
    assert card["figures"]["fused after, out of fold"]["count"] == 24


def test_progress_goes_on_after_the_clips_are_read(made):
    assert made.reading == [(number + 1, 48) for number in range(48)]
    _, total = made.fitting[0]
    assert total == 4 * 6  # three branches and the weights, without each of five folds and on all
    assert made.fitting == [(number, total) for number in range(total + 1)]


def test_a_convolutional_network_is_cut_with_its_levels(tmp_path):
    rng = np.random.default_rng(0)
    weights = {"k1": (3, 1, 3, 3), "k2": (5, 3, 3, 3), "w": (2, 5), "b": (2,)}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in weights.items()}
    nodes = [
        helper.make_node("Conv", ["x", "k1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "k2"], ["c2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "net", [value("x", 1, ["n", 1, 8, 8])], [value("logits", 1, ["n", 2])],
        [numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        tmp_path / "net.onnx",
    )
    trunk = cut(tmp_path / "net.onnx")
    assert trunk.levels == ("net.r1", "net.r2")
    onnx.save(feature_model(trunk, levels=True), tmp_path / "features.onnx")
    pictures = rng.normal(size=(3, 1, 8, 8)).astype(np.float32)
    (features,) = Session(tmp_path / "features.onnx").run(pictures)
    (logits,) = Session(tmp_path / "net.onnx").run(pictures)
    assert features.shape == (3, 5 + 2 * 3 + 2 * 5)
    np.testing.assert_allclose(trunk.head.logits(features[:, :5]), logits, atol=1e-5)
    np.testing.assert_allclose(features[:, :5], features[:, 11:16], atol=1e-5)  # r2's mean
    wide = Linear(np.concatenate([trunk.head.weight, np.zeros((16, 2))]), trunk.head.bias)
    onnx.save(picture_model(trunk, wide, Answer((0, 1), 2)), tmp_path / "same.onnx")
    (same,) = Session(tmp_path / "same.onnx").run(pictures)
    np.testing.assert_allclose(same, logits, atol=1e-5)


def test_a_network_that_ends_otherwise_is_refused(tmp_path):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["logits"])], "net",
        [value("x", 1, ["n", 2])], [value("logits", 1, ["n", 2])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(RecipeError, match="does not end in a linear layer"):
        cut(tmp_path / "net.onnx")


def with_machine(folder):
    """The toy bundle with a machine on utterance features in place of its spectrogram network."""
    make_toy_bundle(folder, WIDER)
    rng = np.random.default_rng(0)

    def layer(inputs, outputs):
        return rng.normal(0, 0.1, (inputs, outputs)), rng.normal(0, 0.1, outputs)

    size = len(WIDER)
    linear, hidden, (out, _) = layer(FEATURES, size), layer(FEATURES, 4), layer(4, size)
    machine = Ensemble(np.zeros(FEATURES), np.ones(FEATURES), *linear, *hidden, out)
    write_onnx(machine, folder / "machine.onnx")
    card = json.loads((folder / "bundle.json").read_text())
    card["tree"]["members"][1]["members"] = [
        {"kind": "functionals_svm", "name": "prosody", "weight": 1.0, "model": "machine.onnx",
         "feature_set": "prosody"}
    ]  # fmt: skip
    digest = hashlib.sha256((folder / "machine.onnx").read_bytes()).hexdigest()
    card["files"]["machine.onnx"] = digest
    (folder / "bundle.json").write_text(json.dumps(card))
    return folder


def test_a_machine_on_utterance_features_is_refitted_too(blind, tmp_path):
    """Writing checks that the new network scores clips as the procedure does."""
    base = with_machine(tmp_path / "base")
    folder = adapt(base, blind, tmp_path / "mine", QUICK)
    card = json.loads((folder / "bundle.json").read_text())
    bundle = load_bundle(folder)
    assert "Functionals(prosody_adapted: prosody)" in {repr(x) for x in leaves_of(bundle.tree)}
    before = card["figures"]["prosody, out of fold"]
    after = card["figures"]["prosody_adapted, out of fold"]
    assert after["war"] > before["war"] + 0.2
    labels = [blind.labels[k] for k in blind.y]
    assert (known(folder, bundle.card, blind.ids, labels) == "yes").all()
    assert card[PARTLY] is True  # the toy does not say what taught it
    assert main(["evaluate", str(blind.folder), "--bundle", str(folder)]) == 1


def test_clips_that_taught_the_bundle_before_make_a_note(clips, tmp_path):
    labels = [clips.labels[k] for k in clips.y]
    base = make_toy_bundle(tmp_path / "base", WIDER)
    assert trained_note(load_bundle(base), clips) == ""
    assert trained_note(load_bundle(teach(base, ["other"], ["sad"])), clips) == ""
    taught = teach(base, clips.ids[:3], labels[:3])
    note = trained_note(load_bundle(taught), clips)
    assert note.startswith(f"the bundle toy was trained on 3 of {len(clips.ids)} clips, such as")


def test_a_copy_of_a_clip_that_taught_the_bundle_makes_a_note(clips, tmp_path):
    digests = tuple(f"{row + 1:016x}" for row in range(len(clips.ids)))
    base = load_bundle(teach(make_toy_bundle(tmp_path / "base", WIDER), ["other"], ["sad"]))
    write_lessons(base.folder, Lessons(keys_of_digests(digests[:2])))
    note = trained_note(base, dataclasses.replace(clips, digests=digests))
    assert note.startswith(f"the bundle toy was trained on 2 of {len(clips.ids)} clips")
