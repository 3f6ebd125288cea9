"""The ensemble: its regression is scikit-learn's, its file says the same, it learns."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import facevoice
from facevoice.branches.base import softmax
from facevoice.bundle import load_bundle
from facevoice.errors import RecipeError
from facevoice.samples import SAMPLE
from facevoice.speech.encoders import encoder_features, shipped_encoders
from facevoice.speech.prosody import FEATURES
from facevoice.train.export.assemble import assemble
from facevoice.train.recipe import recipe_from
from facevoice.train.run import train
from facevoice.train.voice import features as features_module
from facevoice.train.voice.ensemble import (
    Lesson,
    _networks,
    fit,
    lesson_of,
    principal,
    regression,
    write_onnx,
)
from facevoice.train.voice.features import (
    changed_features,
    features_of,
    functional_features,
    length_features,
    looks_of,
)
from support.prepared_folders import COUNT, LABELS, heard, write_prepared

RECIPE = recipe_from(
    {
        "name": "prosody", "branch": "functionals", "net": "ensemble",
        "feature_set": "prosody", "cost": 0.1, "speech_views": 2, "width": 16, "epochs": 20,
        "batch_size": 16, "test_groups": ["s5"],
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


def lesson(y, looks, **given):
    size = given.pop("size", 3)
    looks = looks.astype(np.float32)
    weights = np.ones(len(y), np.float32)
    return Lesson(looks, y, size, weights, np.zeros((len(y), size), np.float32), **given)


def scattered(y, spread=2.0, width=5, views=1):
    rng = np.random.default_rng(0)
    means = np.eye(max(y) + 1, width)[y] * spread
    return rng.normal(0, 1, (views, len(y), width)) + means


def regression_alone(looks, y, recipe, **given):
    """The probabilities of the regression within an ensemble."""
    shared = lesson(y, looks, **given)
    values = torch.from_numpy(shared.looks)
    weights, biases = regression(values, shared, recipe)
    return softmax((values[0] @ weights + biases).numpy().astype(np.float64))


def test_its_regression_is_scikit_learn_s():
    y = np.random.default_rng(0).integers(0, 3, 90)
    looks = scattered(y)
    wanted = LogisticRegression(C=0.1, max_iter=500).fit(looks[0], y)
    found = regression_alone(looks, y, replace(RECIPE, cost=0.1))
    np.testing.assert_allclose(found, wanted.predict_proba(looks[0]), atol=2e-3)


def test_it_is_the_log_mean_of_its_parts():
    """A network and a regression, joined before the softmax."""
    y = np.random.default_rng(0).integers(0, 3, 60)
    shared = lesson(y, scattered(y))
    recipe = replace(RECIPE, nets=2, components=5)
    model = fit(shared, recipe)
    values = np.clip((shared.looks[0] - model.mean) / model.scale, -6, 6)
    axes = principal(torch.from_numpy(values.astype(np.float32)), 5, recipe.seed)
    looks = (torch.from_numpy(values.astype(np.float32)) @ axes)[None]
    weights, biases = regression(looks, shared, recipe)
    logs = [log_softmax(looks[0] @ weights + biases)]
    for hidden, before, out, after in zip(*_networks(looks, shared, recipe), strict=True):
        logs.append(log_softmax(torch.relu(looks[0] @ hidden + before) @ out + after))
    wanted = softmax(logs[0] / 2 + (logs[1] + logs[2]) / 4)
    np.testing.assert_allclose(model.scores(shared.looks[0]), wanted, atol=1e-5)


def log_softmax(logits):
    return torch.log_softmax(logits, dim=1).numpy().astype(np.float64)


def test_principal_components_are_numpy_s():
    rng = np.random.default_rng(0)
    values = (rng.normal(0, 1, (200, 30)) * np.linspace(5, 0.1, 30)).astype(np.float32)
    axes = principal(torch.from_numpy(values), 4, 0).numpy()
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-4)
    wanted = np.linalg.eigh(values.T @ values)[1][:, -4:]
    np.testing.assert_allclose(np.abs((axes * wanted).sum(axis=0)), 1, atol=1e-3)
    assert principal(torch.from_numpy(values), 512, 0).shape == (30, 30)


@pytest.mark.parametrize("present", [(0, 2), (1, 2, 4)])
def test_classes_that_training_lacked_score_next_to_nothing(present, tmp_path):
    y = np.random.default_rng(1).choice(present, 60)
    looks = scattered(y, spread=3.0, views=2)
    model = fit(lesson(y, looks, size=5), replace(RECIPE, epochs=20))
    features = looks[0].astype(np.float32)
    scores = model.scores(features)
    absent = [label for label in range(5) if label not in present]
    assert scores[:, absent].max() < 1e-6
    assert (scores.argmax(axis=1) == y).mean() > 0.8
    write_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {"features": features})
    np.testing.assert_allclose(found, scores, atol=1e-5)


def of_two_corpora(voices):
    """Samples 0 to 39 of one corpus and 40 to 99 of another that lacks a class."""
    y = np.array([0, 0, 0, 1, 2, 3] * 10)[:40].tolist() + [0, 1, 1] * 20
    return replace(
        voices, y=np.array(y), ids=tuple(map(str, range(100))), corpora=("a",) * 40 + ("b",) * 60,
        notes=("",) * 39 + ("doubtful",) + ("",) * 60,
    )  # fmt: skip


def test_corpora_and_their_classes_weigh_the_same(voices):
    data, looks, rows = of_two_corpora(voices), np.zeros((1, 100, 2), np.float32), np.arange(100)
    recipe = replace(RECIPE, balance="sampler", balance_power=1.0, balance_corpora=True, absent=0.1)
    found = lesson_of(looks, data, rows, recipe)
    assert found.weights.mean() == pytest.approx(1)
    for corpus, classes in ((slice(0, 40), 4), (slice(40, 100), 2)):
        own, y = found.weights[corpus], found.y[corpus]
        assert own.sum() == pytest.approx(50, rel=1e-5)
        for label in range(classes):
            assert own[y == label].sum() == pytest.approx(50 / classes, rel=1e-5)
    assert not found.offsets[:40].any()
    wanted = [0, 0, np.log(0.1), np.log(0.1)]
    np.testing.assert_allclose(found.offsets[40:], np.tile(wanted, (60, 1)), rtol=1e-6)
    plain = lesson_of(looks, data, rows, replace(RECIPE, balance="none"))
    np.testing.assert_array_equal(plain.weights, np.ones(100))
    assert not plain.offsets.any()


def test_notes_weigh_samples(voices):
    data, looks, rows = of_two_corpora(voices), np.zeros((1, 100, 2), np.float32), np.arange(100)
    recipe = replace(RECIPE, note_weights={"doubtful": 0.25})
    found = lesson_of(looks, data, rows, recipe).weights
    np.testing.assert_allclose(found[39] / found[0], 0.25, rtol=1e-6)
    np.testing.assert_allclose(np.delete(found, 39), found[0], rtol=1e-6)


def test_a_class_that_one_corpus_has_does_not_stand_for_it():
    """Without ``absent`` the corpus of the class is recognised; with it, less so."""
    rng = np.random.default_rng(0)
    count = 200
    corpus = np.arange(count) % 2
    y = np.where((corpus == 0) & (rng.random(count) < 0.5), 2, rng.integers(0, 2, count))
    looks = np.eye(3)[y] * 0.7 + rng.normal(0, 1, (count, 3))
    looks = np.concatenate([looks, 2 * corpus[:, None] + rng.normal(0, 1, (count, 1))], axis=1)
    base = lesson(y, looks[None])
    offsets = base.offsets.copy()
    offsets[corpus == 1, 2] = np.log(0.01)
    scores = [fit(each, RECIPE).scores(base.looks[0])
              for each in (base, replace(base, offsets=offsets))]  # fmt: skip
    blamed, spared = (found[corpus == 1, 2].mean() for found in scores)
    assert spared > 2 * blamed


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


def test_it_may_learn_from_parts_and_from_joined_clips(voices, monkeypatch):
    heard = []

    def keep(waveform, _feature_set):
        heard.append(waveform.samples)
        return np.full(FEATURES, len(waveform.samples), np.float32)

    monkeypatch.setattr(features_module, "functionals", keep)
    recipe = replace(RECIPE, augment=0.0, other_lengths=True, seed=7)
    found = length_features(voices, recipe)
    assert found.shape == (2, COUNT, FEATURES)
    alike = list(zip(voices.groups, voices.y.tolist(), strict=True))
    row = next(row for row in range(COUNT) if alike.count(alike[row]) > 1)
    speech = {other: voices.speech(other).samples for other in range(COUNT)}
    part, joined = heard[2 * row : 2 * row + 2]
    assert len(part) == max(int(0.6 * len(speech[row])), min(len(speech[row]), 12_000))
    assert _stands_in(part, speech[row])
    partners = [x for x in range(COUNT) if x != row and alike[x] == alike[row]]
    wholes = [np.concatenate([speech[row], speech[x]]) for x in partners]
    assert any(_stands_in(joined, whole) and 2 * len(joined) >= len(whole) - 2 for whole in wholes)
    looks = looks_of(features_of(voices, RECIPE)[0], voices, replace(recipe, speech_views=0))
    np.testing.assert_array_equal(looks[1:], found)


def _stands_in(part, whole):
    windows = np.lib.stride_tricks.sliding_window_view(whole, len(part))
    starts = np.flatnonzero(whole[: len(windows)] == part[0])
    return any(np.array_equal(windows[start], part) for start in starts)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": 0.0}, "cost must be positive"),
        ({"absent": 0.0}, "absent must lie in"),
        ({"note_weights": {"a": -1}}, "note_weights must hold numbers above 0"),
        ({"nets": 0}, "nets must be at least 1"),
        ({"epochs": 0}, "epochs may be 0 only"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(change, message):
    with pytest.raises(RecipeError, match=message):
        replace(RECIPE, **change)


SPEECH = recipe_from(
    {"name": "speech", "branch": "speech_encoder", "net": "ensemble", "epochs": 8, "width": 8,
     "components": 16, "batch_size": 16, "test_groups": ["s5"]},
    "test",
)  # fmt: skip


def test_it_may_learn_from_pieces_as_well(voices):
    recipe = replace(SPEECH, in_pieces=True)
    features, _ = features_of(voices, recipe)
    whole, pieces = looks_of(features, voices, recipe)
    np.testing.assert_array_equal(whole, features)
    wanted = encoder_features(shipped_encoders(), voices.speech(3), piece_seconds=1.0)
    np.testing.assert_array_equal(pieces[3], wanted)
    assert looks_of(features, voices, SPEECH).shape == (1, *features.shape)
    assert recipe.node()["in_pieces"] is True
    assert "in_pieces" not in SPEECH.node()


def test_it_learns_from_shipped_encoders(voices, tmp_path, monkeypatch):
    run = train(SPEECH, voices, tmp_path / "run")
    with np.load(run / "scores_test.npz") as stored:
        assert (stored["scores"].argmax(axis=1) == stored["y"]).mean() > 0.9
        (row, *_) = [voices.ids.index(name) for name in stored["ids"]]
        wanted = stored["scores"][0]
    features, heard = features_of(voices, SPEECH)
    assert heard.all()
    speech = voices.speech(row)
    np.testing.assert_array_equal(features[row], encoder_features(shipped_encoders(), speech))
    tree = tmp_path / "tree.toml"
    tree.write_text(
        'name = "tiny"\nversion = "0"\ndescription = "for a test"\nshared_parts = true\n'
        'licences = { code = "MIT", weights = "MIT", data = "none" }\n'
        '[tree]\nname = "voice"\nmembers = [{ run = "speech", weight = 1.0, temperature = 1.0 }]\n'
    )
    bundle = load_bundle(assemble([run], tree, tmp_path / "bundle"))
    found = bundle.tree.score(voices.evidence(row))
    np.testing.assert_allclose(found.values, wanted, atol=1e-4)
    monkeypatch.setattr(features_module, "hash_of", lambda _path: "another encoder")
    monkeypatch.setattr(
        features_module, "encoder_features", lambda _encoders, _speech, **_given: np.zeros(2688)
    )
    again, _ = features_of(voices, SPEECH)
    assert not again.any()  # kept features are of other encoders
