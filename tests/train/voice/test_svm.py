"""Support vector machines from functionals to a bundle that scores."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import SVC

from facevoice.bundle import load_bundle
from facevoice.errors import DatasetError, MissingDependencyError, RecipeError
from facevoice.session import Session
from facevoice.train.prepare.folder import join, open_prepared
from facevoice.train.recipe import SvmRecipe, recipe_from
from facevoice.train.run import train
from facevoice.train.voice import features as features_module
from facevoice.train.voice import svm
from facevoice.train.voice.features import functional_features
from facevoice.train.voice.svm import choose_svm
from facevoice.train.voice.svm_model import KERNELS, fit_svm, write_onnx
from facevoice.types import Evidence
from support.evidence_factory import make_evidence
from support.prepared_folders import heard, shown, write_folder

LABELS = ("calm", "contempt", "pain", "joy")
D = 384


def recipe(**changes) -> SvmRecipe:
    table = {
        "name": "is09", "branch": "functionals", "net": "svm", "feature_set": "is09",
        "val_groups": ["s5"], "test_groups": ["s4"], "svm_costs": [1.0, 0.1],
    }  # fmt: skip
    return recipe_from(table | changes, "test")


def made_features(y, seed=0, spread=1.5):
    """Noise around a place for each class, on very different scales, as openSMILE's are."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(0, 0.3, (8, D))
    scales = 10.0 ** rng.uniform(-4, 6, D)
    values = (places[y] + rng.normal(0, spread, (len(y), D)) + 3) * scales
    values[:, 7] = 4.0  # a feature that never changes
    return values.astype(np.float32)


def write_prepared(folder, y, groups, *, labels=LABELS, features=None, version="2.6.0"):
    rows = [f"{i},{labels[k]},train,{g}" for i, (k, g) in enumerate(zip(y, groups, strict=True))]
    prepared = write_folder(folder, [heard(np.zeros(100))] * len(rows), rows, labels=labels)
    np.savez(
        folder / "functionals-is09.npz",
        features=made_features(y) if features is None else features,
        fingerprint=prepared.fingerprint,
        opensmile=version,
    )
    return prepared


@pytest.fixture(autouse=True)
def known_version(monkeypatch):
    """The kept features are those of the "installed" openSMILE, whether there is one or not."""
    monkeypatch.setattr(features_module, "_opensmile_version", lambda: "2.6.0")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 180)
    features = made_features(y)
    features[10] = np.nan  # a clip without speech
    groups = [f"s{i % 6}" for i in range(len(y))]
    return write_prepared(tmp_path_factory.mktemp("data") / "corpus", y, groups, features=features)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features_module, "_opensmile_version", lambda: "2.6.0")
        return train(recipe(), data, tmp_path_factory.mktemp("runs") / "svm")


def lines_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def facts_of(run):
    return json.loads((run / "run.json").read_text())


def test_held_out_speakers_are_scored_well(run, data):
    *candidates, last = lines_of(run)
    tried = [(line["cost"], line["kernel"]) for line in candidates]
    assert tried == [(0.1, "linear"), (0.1, "rbf"), (1.0, "linear"), (1.0, "rbf")]
    uars = [line["uar"] for line in candidates]
    assert (last["cost"], last["kernel"]) == tried[uars.index(max(uars))]
    assert last["val_uar"] > 0.6, "chance is 0.25"
    with np.load(run / "scores_test.npz") as stored:
        assert set(stored["groups"]) == {"s4"}
        assert "10" not in stored["ids"], "it has no speech"
        assert tuple(stored["labels"]) == LABELS
        np.testing.assert_allclose(stored["scores"].sum(axis=1), 1)
        assert (stored["scores"].argmax(axis=1) == stored["y"]).mean() > 0.6
    facts = facts_of(run)
    assert facts["unusable"] == 1
    assert facts["rows"] == {"train": 120, "val": 30, "test": 29}
    assert facts["recipe"]["svm_costs"] == [1.0, 0.1]
    assert facts["data"] == data.fingerprint
    assert facts["cost"] == last["cost"]
    assert facts["parity"] <= 1e-4
    assert facts["never_answered"] == []


def test_onnx_scores_what_was_stored_at_any_batch_size(run, data):
    features, _ = functional_features(data, "is09")
    session = Session(run / "model.onnx")
    assert session.outputs == ("label", "probabilities")
    with np.load(run / "scores_val.npz") as stored:
        rows = stored["ids"].astype(int)
        for count in (1, 2, len(rows)):
            label, probabilities = session.run(features[rows[:count]])
            np.testing.assert_allclose(probabilities, stored["scores"][:count], atol=1e-4)
            assert label.tolist() == stored["scores"][:count].argmax(axis=1).tolist()


def test_a_finished_run_is_left_alone_and_another_recipe_refused(run, data, monkeypatch):
    monkeypatch.setattr(svm, "choose_svm", lambda *_: pytest.fail("trained again"))
    before = (run / "log.jsonl").read_text()
    assert train(recipe(), data, run) == run
    assert (run / "log.jsonl").read_text() == before
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(seed=5), data, run)


def test_a_killed_run_starts_over_to_the_same_end(run, data, tmp_path):
    class KilledError(Exception):
        pass

    def kill_after_three(line):
        if len(lines_of(tmp_path / "svm")) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe(), data, tmp_path / "svm", kill_after_three)
    seen = []
    again = train(recipe(), data, tmp_path / "svm", seen.append)
    assert lines_of(again) == lines_of(run) == seen
    assert (again / "model.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    assert not [path for path in again.iterdir() if "candidate" in path.name]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_onnx_agrees_with_scikit_learn_for_any_number_of_classes(kernel, count, tmp_path):
    y = np.arange(90) % count
    features = made_features(y)
    model = fit_svm(features, y, count + 1, cost=1.0, kernel=kernel, balance_power=1.0)
    write_onnx(model, tmp_path / "model.onnx")
    label, probabilities = Session(tmp_path / "model.onnx").run(features)
    expected = model.scores(features)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert (expected[:, count] == 0).all(), "the label without samples"
    assert label.tolist() == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("count", [2, 4])
def test_answers_are_those_of_scikit_learn(count):
    y = np.arange(240) % count
    features = made_features(y, spread=2.0)
    model = fit_svm(features[:160], y[:160], count, cost=1.0, kernel="rbf")
    plain = SVC(C=1.0).fit(model.scaler.transform(features[:160].astype(float)), y[:160])
    decisions = plain.decision_function(model.scaler.transform(features[160:].astype(float)))
    expected = decisions.argmax(axis=1) if count > 2 else (decisions > 0).astype(int)
    agreeing = model.scores(features[160:]).argmax(axis=1) == expected
    assert agreeing.mean() >= 0.97, "ties of won pairs may be decided another way"


def test_balance_favours_the_rare_class():
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.1).astype(np.int64)
    features = made_features(y, spread=3.0)
    shares = []
    for power in (0.0, 1.0):
        model = fit_svm(features[:200], y[:200], 2, cost=0.1, kernel="rbf", balance_power=power)
        shares.append(model.scores(features[200:])[:, 1].mean())
    assert shares[1] > shares[0]


def test_the_recipe_decides_on_balance(monkeypatch):
    seen = []
    true = svm.fit_svm

    def noted(*args, **settings):
        seen.append(settings["balance_power"])
        return true(*args, **settings)

    monkeypatch.setattr(svm, "fit_svm", noted)
    y = np.arange(40) % 2
    groups = np.array([f"s{i % 3}" for i in range(40)])
    plain = {"svm_costs": [1.0], "svm_kernels": ["linear"], "balance_power": 0.7}
    choose_svm(made_features(y), y, groups, 2, recipe(**plain))
    assert set(seen) == {0.0}
    seen.clear()
    choose_svm(made_features(y), y, groups, 2, recipe(**plain, balance="sampler"))
    assert set(seen) == {0.7}


def test_equal_candidates_give_the_smaller_cost_and_the_linear_kernel():
    y = np.arange(60) % 2
    groups = np.array([f"s{i % 4}" for i in range(60)])
    features = made_features(y, spread=0.01)  # all are right everywhere
    _, chosen = choose_svm(features, y, groups, 2, recipe(svm_costs=[10.0, 1.0]))
    assert (chosen["cost"], chosen["kernel"]) == (1.0, "linear")


def test_no_speaker_is_on_both_sides_of_a_fold():
    rng = np.random.default_rng(0)
    y, groups = rng.integers(0, 4, 100), np.array([f"s{k}" for k in rng.integers(0, 9, 100)])
    folds = svm.grouped_folds(y, groups, seed=0)
    assert len(folds) == 5
    for learnt, held in folds:
        assert not set(groups[learnt]) & set(groups[held])
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(100))


def test_a_rare_class_and_an_absent_one(tmp_path):
    groups = [f"s{i % 6}" for i in range(120)]
    y = np.random.default_rng(0).integers(0, 2, 120)
    y[[2, 8, 14, 20, 5, 11]] = 3  # of the training speakers only s2 has it; "pain" nobody
    data = write_prepared(tmp_path / "corpus", y, groups)
    run = train(recipe(svm_kernels=["linear"]), data, tmp_path / "run")
    assert facts_of(run)["never_answered"] == ["pain"]
    with np.load(run / "scores_val.npz") as stored:
        assert (stored["scores"][:, 2] == 0).all()
        assert (stored["y"] == 3).sum() == 2
        assert stored["scores"][stored["y"] == 3, 3].min() > np.median(stored["scores"][:, 3])


@pytest.mark.parametrize(
    ("y", "groups"),
    [
        ([0, 1] * 10, ["only"] * 20),
        ([0] * 20, ["a", "b"] * 10),
        ([0, 1] * 10, ["a", "b"] * 10),
        ([0, 1, 2, 3] * 5, ["a", "a", "b", "b"] * 5),
        ([0, 1, 0, 2] * 5, ["a", "a", "b", "b"] * 5),
    ],
    ids=[
        "one group",
        "one class",
        "a class a group",
        "no class in two groups",
        "one class in two groups",
    ],
)
def test_data_that_cannot_be_held_out_is_refused(y, groups):
    y = np.array(y)
    with pytest.raises(RecipeError, match="must occur in two groups"):
        choose_svm(made_features(y), y, np.array(groups), 4, recipe())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": "vgg19"}, "net must be one of 'svm', 'ensemble'"),
        ({"svm_costs": [0.0]}, "positive"),
        ({"svm_costs": []}, "positive"),
        ({"svm_kernels": []}, "nothing to choose from"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes, message, data, tmp_path):
    with pytest.raises(RecipeError, match=message):
        train(recipe(**changes), data, tmp_path / "run")


def test_a_file_that_differs_is_refused(data, tmp_path, monkeypatch):
    true = svm.write_onnx

    def wrong(model, path):
        model.scaler.mean_ = model.scaler.mean_ + 0.2 * model.scaler.scale_
        true(model, path)
        model.scaler.mean_ = model.scaler.mean_ - 0.2 * model.scaler.scale_

    monkeypatch.setattr(svm, "write_onnx", wrong)
    with pytest.raises(RecipeError, match="differs from the fitted one"):
        train(recipe(), data, tmp_path / "run")
    assert not (tmp_path / "run/model.onnx").exists()


class TestKeptFeatures:
    @pytest.fixture
    def folder(self, tmp_path):
        y = np.arange(4)
        write_prepared(tmp_path / "corpus", y, ["a", "b", "c", "d"])
        return tmp_path / "corpus"

    @pytest.fixture
    def counted(self, monkeypatch):
        """A stand-in for openSMILE, and how often it was asked."""
        calls = []

        def fake(waveform, feature_set):
            calls.append(waveform)
            return np.full(D, len(calls), np.float32)

        monkeypatch.setattr(features_module, "functionals", fake)
        return calls

    def test_kept_features_are_read(self, folder, counted):
        features, heard = functional_features(open_prepared(folder), "is09")
        np.testing.assert_array_equal(features, made_features(np.arange(4)))
        assert heard.all()
        assert not counted

    def test_they_are_read_without_opensmile(self, folder, counted, monkeypatch):
        monkeypatch.setattr(features_module, "_opensmile_version", lambda: None)
        functional_features(open_prepared(folder), "is09")
        assert not counted

    @pytest.mark.parametrize("stale", ["data", "version"])
    def test_stale_features_are_computed_anew_and_kept(self, folder, counted, monkeypatch, stale):
        if stale == "data":
            text = (folder / "prepared.json").read_text()
            (folder / "prepared.json").write_text(text.replace("none", "other"))
        else:
            monkeypatch.setattr(features_module, "_opensmile_version", lambda: "3.0")
        for _ in range(2):
            features, _ = functional_features(open_prepared(folder), "is09")
            assert features[:, 0].tolist() == [1, 2, 3, 4]
        assert len(counted) == 4

    def test_without_both_the_error_names_the_cure(self, folder, monkeypatch):
        from facevoice.speech import functionals as functionals_module

        (folder / "functionals-is09.npz").unlink()
        functionals_module._extractor.cache_clear()
        monkeypatch.setitem(sys.modules, "opensmile", None)
        with pytest.raises(MissingDependencyError, match="--extra opensmile"):
            functional_features(open_prepared(folder), "is09")
        assert not (folder / "functionals-is09.npz").exists()

    def test_a_damaged_file_is_named(self, folder):
        path = folder / "functionals-is09.npz"
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DatasetError, match=r"functionals-is09\.npz cannot be read"):
            functional_features(open_prepared(folder), "is09")

    def test_joined_folders_are_kept_each_on_its_own(self, folder, tmp_path):
        other = write_prepared(
            tmp_path / "other", [1], ["e"], features=np.full((1, D), np.nan, np.float32)
        )
        features, heard = functional_features(join([open_prepared(folder), other]), "is09")
        assert features.shape == (5, D)
        assert heard.tolist() == [True] * 4 + [False]

    def test_pictures_have_no_features(self, tmp_path, counted):
        picture = shown(np.zeros((24, 24), np.uint8))
        pictures = write_folder(tmp_path / "pictures", [picture] * 2, ["a,joy,,a", "b,joy,,b"])
        features, heard = functional_features(pictures, "is09")
        assert features.shape == (2, D)
        assert not heard.any()
        assert not counted
        with pytest.raises(RecipeError, match="none of"):
            train(recipe(val_groups=["a"], test_groups=[]), pictures, tmp_path / "run")


def bundle_of(run, folder) -> Path:
    """A bundle of this run's model alone."""
    folder.mkdir()
    shutil.copyfile(run / "model.onnx", folder / "svm.onnx")
    digest = hashlib.sha256((folder / "svm.onnx").read_bytes()).hexdigest()
    facts = facts_of(run)
    card = {
        "format": 1, "name": "svm", "version": "0", "labels": facts["labels"],
        "licences": {"code": "MIT", "weights": "MIT", "data": "none"}, "provenance": {},
        "files": {"svm.onnx": digest},
        "tree": {
            "kind": "functionals_svm", "name": "is09", "model": "svm.onnx",
            "feature_set": facts["recipe"]["feature_set"],
        },
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(card))
    return folder


def test_a_bundle_scores_evidence_as_training_did(tmp_path, monkeypatch):
    """Real speech of EMO-DB, six speakers, through openSMILE."""
    pytest.importorskip("opensmile")
    if "FACEVOICE_DATA" not in os.environ:
        pytest.skip("FACEVOICE_DATA is unset")
    from facevoice.datasets import CORPORA
    from facevoice.train.prepare.run import prepare

    monkeypatch.undo()  # the true version
    root = tmp_path / "emodb"
    root.mkdir()
    for emotion in "WFTN":  # anger, joy, sadness, neutral
        for speaker in ("03", "08", "09", "13", "14", "16"):
            found = sorted(
                Path(os.environ["FACEVOICE_DATA"], "emodb").rglob(f"{speaker}*{emotion}?.*")
            )
            for path in found[:2]:
                shutil.copyfile(path, root / path.name)
    data = prepare(CORPORA["emodb"], root, tmp_path / "prepared")
    settings = {"val_groups": ["ED16"], "test_groups": ["ED14"], "svm_kernels": ["linear"]}
    run = train(recipe(**settings), data, tmp_path / "run")
    bundle = load_bundle(bundle_of(run, tmp_path / "bundle"))
    assert bundle.labels == data.labels
    assert facts_of(run)["never_answered"], "EMO-DB has no surprise"
    rows = {name: row for row, name in enumerate(data.ids)}
    with np.load(run / "scores_val.npz") as stored:
        assert (stored["scores"].argmax(axis=1) == stored["y"]).mean() > 0.25, "chance"
        for name, expected in zip(stored["ids"], stored["scores"], strict=True):
            speech = data.speech(rows[str(name)])
            evidence = Evidence(None, speech, 0.0, speech.stop_seconds, missing={"face": "no_face"})
            np.testing.assert_allclose(bundle.tree.score(evidence).values, expected, atol=1e-4)
    silent = make_evidence(faces=1, speech_seconds=0)
    assert bundle.tree.score(silent) is None
