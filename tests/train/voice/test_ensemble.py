"""The ensemble: its numbers are scikit-learn's and torch's, its file says the same, it learns."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import LogisticRegression

import facevoice
from facevoice.errors import RecipeError
from facevoice.samples import SAMPLE
from facevoice.speech.prosody import FEATURES
from facevoice.train.export.assemble import assemble
from facevoice.train.recipe import recipe_from
from facevoice.train.run import train
from facevoice.train.voice import features as features_module
from facevoice.train.voice.ensemble import fit, write_onnx
from facevoice.train.voice.features import changed_features, functional_features
from support.prepared_folders import COUNT, LABELS, heard, write_prepared

RECIPE = recipe_from(
    {
        "name": "prosody", "branch": "functionals", "net": "ensemble", "epochs": 3,
        "feature_set": "prosody", "svm_costs": [0.1], "speech_views": 2, "width": 16,
        "batch_size": 16, "mixup": 0.2, "test_groups": ["s5"],
    },
    "test",
)  # fmt: skip


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Tones whose pitch is the label."""
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 16000
    tones = [np.sin(2 * np.pi * 120 * 2 ** (i % 4 / 2) * time) for i in range(COUNT)]
    noisy = [tone * 8000 + rng.normal(0, 300, 8000) for tone in tones]
    parts = [heard(samples.astype(np.int16)) for samples in noisy]
    return write_prepared(tmp_path_factory.mktemp("data") / "voices", parts)


@pytest.fixture(scope="module")
def run(voices, tmp_path_factory):
    return train(RECIPE, voices, tmp_path_factory.mktemp("runs") / "run")


def test_it_learns_and_its_file_says_the_same(run, voices):
    with np.load(run / "scores_test.npz") as stored:
        right = stored["scores"].argmax(axis=1) == stored["y"]
        assert set(stored["groups"]) == {"s5"}
        rows = [voices.ids.index(name) for name in stored["ids"]]
        scores = stored["scores"]
    assert right.mean() > 0.9
    session = onnxruntime.InferenceSession(run / "model.onnx")
    features, _ = functional_features(voices, "prosody")
    (found,) = session.run(None, {"features": features[rows]})
    np.testing.assert_allclose(found, scores, atol=1e-4)
    assert json.loads((run / "run.json").read_text())["parity"] < 1e-4


def test_a_finished_run_is_left_alone_and_the_same_seed_gives_the_same(run, voices, tmp_path):
    before = (run / "model.onnx").stat().st_mtime_ns
    assert train(RECIPE, voices, run) == run
    assert (run / "model.onnx").stat().st_mtime_ns == before
    again = train(RECIPE, voices, tmp_path / "again")
    with np.load(again / "scores_val.npz") as second, np.load(run / "scores_val.npz") as first:
        np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-5)


def test_half_of_it_is_scikit_learn_s_regression():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    looks = rng.normal(0, 1, (1, 90, 5)).astype(np.float32) + np.eye(3, 5)[y] * 2
    recipe = replace(RECIPE, balance="logits", balance_power=1.0)
    model = fit(looks.astype(np.float32), y, 3, recipe)
    scaled = np.clip((looks[0] - model.mean) / model.scale, -6, 6)
    wanted = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200).fit(scaled, y)
    alone = replace(model, nets=((model.linear,),))
    np.testing.assert_allclose(alone.scores(looks[0]), wanted.predict_proba(scaled), atol=1e-3)


@pytest.mark.parametrize("present", [(0, 2), (1, 2, 4)])
def test_classes_that_training_lacked_score_next_to_nothing_in_the_regression(present, tmp_path):
    rng = np.random.default_rng(1)
    y = rng.choice(present, 60)
    looks = rng.normal(0, 1, (2, 60, 4)).astype(np.float32)
    looks += np.eye(5, 4)[y].astype(np.float32) * 3
    model = fit(looks, y, 5, RECIPE)
    absent = [label for label in range(5) if label not in present]
    alone = replace(model, nets=((model.linear,),)).scores(looks[0])
    assert alone[:, absent].max() < 1e-6
    assert (alone.argmax(axis=1) == y).mean() > 0.8
    write_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {"features": looks[0]})
    np.testing.assert_allclose(found, model.scores(looks[0]), atol=1e-5)


def test_changed_copies_are_kept_until_something_else_is_asked(voices, run, monkeypatch):
    first = changed_features(voices, RECIPE)
    assert first.shape == (2, COUNT, FEATURES)
    assert not np.array_equal(first[0], first[1])

    def refuse(*_arguments):
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(features_module, "functionals", refuse)
        np.testing.assert_array_equal(changed_features(voices, RECIPE), first)
        with pytest.raises(AssertionError, match="computed again"):
            changed_features(voices, replace(RECIPE, augment=0.5))
    assert not np.array_equal(changed_features(voices, replace(RECIPE, seed=1)), first)


def test_it_becomes_a_branch_without_opensmile(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opensmile", None)
    tree = tmp_path / "tree.toml"
    tree.write_text(
        'name = "tiny"\nversion = "0"\ndescription = "for a test"\n'
        'licences = { code = "MIT", weights = "MIT", data = "none" }\n'
        '[tree]\nname = "voice"\nmembers = [{ run = "prosody", weight = 1.0 }]\n'
    )
    prediction = facevoice.load(assemble([run], tree, tmp_path / "bundle"))(SAMPLE)
    assert prediction.scores.labels == LABELS
    assert set(prediction.scores.parts) == {"prosody"}


def test_one_cost_is_wanted(voices, tmp_path):
    with pytest.raises(RecipeError, match="one positive number"):
        train(replace(RECIPE, svm_costs=(0.1, 1.0)), voices, tmp_path / "run")
