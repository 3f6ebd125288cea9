"""The second model of a branch: a regression on what is left of the speaker's mean."""

import json

import numpy as np
import onnxruntime
import pytest

from facevoice.branches.base import softmax
from facevoice.bundle import load_bundle, population
from facevoice.person import Reading, Statistics, estimator
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.train.export.assemble import assemble
from facevoice.train.recipe import recipe_from
from facevoice.train.run import train
from facevoice.train.voice.centred import centred_on_groups
from facevoice.train.voice.features import features_of
from support.prepared_folders import COUNT, heard, write_prepared

COMMON = {"branch": "speech_encoder", "components": 16, "test_groups": ["s5"]}
SECOND = recipe_from({"name": "second", "net": "centred", "cost": 1e-5, **COMMON}, "test")
PLAIN = recipe_from(
    {"name": "speech", "net": "ensemble", "epochs": 8, "width": 8, "batch_size": 16, **COMMON},
    "test",
)


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
    return train(SECOND, voices, tmp_path_factory.mktemp("runs") / "second")


def test_means_of_groups_are_taken_away_and_absent_rows_stay_absent():
    values, groups = np.random.default_rng(0).normal(0, 1, (7, 3)), np.array([*"aaabbbb"])
    values[6] = np.nan
    found = centred_on_groups(values, groups)
    np.testing.assert_allclose(found[:3], values[:3] - values[:3].mean(axis=0))
    np.testing.assert_allclose(found[3:6], values[3:6] - values[3:6].mean(axis=0))
    assert np.isnan(found[6]).all()


def test_log_scores_less_their_mean_are_those_of_centred_features(run, voices):
    """W (x - m) = W x - W m, in the file as it was written."""
    features, _ = features_of(voices, SECOND)
    session = onnxruntime.InferenceSession(run / "model.onnx")
    centred = np.array(json.loads((run / "run.json").read_text())["centred"])

    def logs(rows):
        return np.log(session.run(None, {"features": rows.astype(np.float32)})[0])

    own = features[np.array(voices.groups) == "s5"]
    found = logs(own) - logs(own).mean(axis=0) + centred
    mean = np.load(run / "scores_test.npz")["labels"]
    assert len(mean) == len(centred)
    everyone = features[np.array(voices.groups) != "s5"].mean(axis=0)
    expected = logs(own - own.mean(axis=0) + everyone)
    np.testing.assert_allclose(softmax(found), softmax(expected), atol=1e-3)


def test_a_bundle_reads_a_person_by_it(run, voices, tmp_path, monkeypatch):
    monkeypatch.setattr(population, "NEUTRAL", voices.labels[0])
    plain = train(PLAIN, voices, tmp_path / "plain")
    labels = voices.labels
    table = ScoreTable.of_arrays(
        np.random.default_rng(0).dirichlet(np.ones(len(labels)), (60, 1)),
        np.arange(60) % len(labels),
        branches=("second",),
        labels=labels,
        groups=np.repeat([*"abc"], 20),
    )
    write_score_table(table, tmp_path / "held_out.npz")
    tree = tmp_path / "tree.toml"
    tree.write_text(
        'name = "tiny"\nversion = "0"\ndescription = "for a test"\nshared_parts = true\n'
        '[licences]\ndata = "none"\n[tree]\nname = "system"\n'
        'members = [{ run = "speech", centred_run = "second", centred_temperature = 2.0,'
        f' centred_population = "{tmp_path}/held_out.npz" }}]\n'
    )
    bundle = load_bundle(assemble([plain, run], tree, tmp_path / "bundle"))
    assert bundle.card["tree"]["members"][0]["centred_model"] == "second.onnx"
    assert list(bundle.card["figures"]) == ["speech"]
    known = json.loads((run / "run.json").read_text())["centred"]
    own = bundle.population.branches["speech"]
    np.testing.assert_allclose(own.centred, np.array(known) / 2, atol=1e-6)
    expected = population.centred_neutral(table, 2.0)
    np.testing.assert_allclose(own.centred_neutral - own.centred, expected, atol=1e-5)
    session = onnxruntime.InferenceSession(run / "model.onnx")
    features, _ = features_of(voices, SECOND)
    raw = session.run(None, {"features": features[:1].astype(np.float32)})[0][0]
    found = bundle.tree.score(voices.evidence(0)).parts["speech"].centred
    np.testing.assert_allclose(found, np.sqrt(raw) / np.sqrt(raw).sum(), atol=1e-4)
    statistics, last = Statistics.empty(), None
    for row in range(8):
        scores = bundle.tree.score(voices.evidence(row))
        assert scores.centred is None
        last = Reading.of(bundle.tree, scores, {"face": 0.0, "voice": 1.0}, 1.0)
        np.testing.assert_array_equal(
            last.centred["speech"], np.log(scores.parts["speech"].centred)
        )
        statistics = statistics.plus(last)
    assert statistics.branches["speech"].every.centred is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimator, "FEW_EMOTIONS", 0.0)
        assert statistics.shift(bundle.population)["speech"].share > 0
