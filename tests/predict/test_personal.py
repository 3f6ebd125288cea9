"""Predictions read against the person's own baseline, with a bundle that has a population."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

import facevoice
from facevoice.errors import BundleError, InvalidInputError
from facevoice.evidence import plan
from facevoice.person import FEWEST_CLIPS, Reading, Shift, shifted
from facevoice.predict import Prediction, read_against
from facevoice.samples import SAMPLE
from support.evidence_factory import make_evidence
from support.people import add_population, clips_of, few_emotions_will_do
from support.places import PREDICTION_SCHEMA


@pytest.fixture(scope="module", autouse=True)
def _few_emotions_will_do():
    with few_emotions_will_do():
        yield


@pytest.fixture(scope="module")
def bundle(toy_bundle, tmp_path_factory):
    return add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")


@pytest.fixture(scope="module")
def predictor(bundle):
    return facevoice.load(bundle, threads=1)


@pytest.fixture(scope="module")
def clips(predictor):
    return clips_of(predictor, 6)


@pytest.fixture(scope="module")
def baseline(predictor, clips):
    return facevoice.Baseline.empty(predictor.bundle).after(clips)


@pytest.fixture(scope="module")
def sample(predictor, baseline):
    return predictor(SAMPLE, baseline=baseline)


def test_both_answers_stand_side_by_side(sample, predictor, baseline):
    plain = predictor(SAMPLE)
    assert plain.personal is plain.personal_reason is None
    assert replace(sample, personal=None, timings=plain.timings) == plain
    assert sample.personal_reason is None
    assert (sample.personal.clips, sample.personal.seconds) == (6, baseline.seconds)
    assert sample.personal.emotion == sample.personal.scores.emotion
    assert sample.personal.confidence == sample.personal.scores.confidence
    assert not np.allclose(sample.personal.scores.values, plain.scores.values)
    assert sample.personal.scores.parts.keys() == plain.scores.parts.keys()


def test_the_tree_fuses_its_leaves_shifted_by_the_difference_from_the_population(
    sample, predictor, baseline
):
    """Worked out by hand for a branch, and by the tree for what is above it."""
    shifts = baseline.statistics.shift(predictor.bundle.population)
    plain = sample.scores.parts["face"].parts["sequence"].values
    assert shifts["face.sequence"]
    expected = plain * np.exp(shifts["face.sequence"].shift)
    face = sample.personal.scores.parts["face"]
    np.testing.assert_allclose(face.parts["sequence"].values, expected / expected.sum())
    again = predictor.bundle.tree.members[0].combine(face.parts)
    np.testing.assert_array_equal(again.values, face.values)
    again = predictor.bundle.tree.combine(sample.personal.scores.parts)
    np.testing.assert_array_equal(again.values, sample.personal.scores.values)


@pytest.mark.parametrize("windows", [1, 4])
def test_no_shift_leaves_every_digit(windows, predictor, monkeypatch):
    if windows > 1:
        monkeypatch.setattr(plan, "WHOLE_CLIP_SECONDS", 2.0)
        monkeypatch.setattr(plan, "WINDOW_SECONDS", 1.0)
    found = predictor(SAMPLE)
    assert found.windows == windows
    zeros = {name: Shift(np.zeros(7)) for name in found.reading.log_scores}
    for shifts in ({}, zeros):
        assert shifted(predictor.bundle.tree, found.scores, found.reading, shifts) == found.scores


def test_the_reading_of_a_long_clip_weighs_all_its_windows(predictor, monkeypatch):
    monkeypatch.setattr(plan, "WHOLE_CLIP_SECONDS", 2.0)
    monkeypatch.setattr(plan, "WINDOW_SECONDS", 1.0)
    trace = list(predictor.trace(SAMPLE))
    reading = predictor.of_trace(trace, path=None, duration_seconds=4.0).reading
    faces = sum(evidence.weight("face") for evidence, _ in trace)
    assert reading.weights["face.expression"] == pytest.approx(faces)
    assert reading.seconds == pytest.approx(
        max(sum(e.face_seconds for e, _ in trace), sum(e.speech_seconds for e, _ in trace))
    )


def test_without_a_face_the_voice_alone_is_shifted(predictor, baseline):
    deaf = predictor.of_evidence(make_evidence(speech_seconds=0))
    found = read_against(deaf, predictor.bundle, baseline).personal.scores
    assert set(found.parts) == {"face"}
    np.testing.assert_array_equal(found.values, found.parts["face"].values)


def test_there_is_a_reason_where_there_is_no_personal_answer(
    predictor, clips, toy_bundle, baseline, tmp_path
):
    bundle = predictor.bundle
    few = facevoice.Baseline.empty(bundle).after(clips[: FEWEST_CLIPS - 1])
    nothing = predictor.score(None, None, np.zeros(16000, np.float32), 16000)
    (failed,) = predictor.predict_many([tmp_path / "gone.mp4"], baseline=baseline)
    plain = facevoice.load(toy_bundle, threads=1)
    other = plain.of_evidence(make_evidence())
    cases = {
        "too_little": read_against(clips[0], bundle, few),
        "nothing_scored": read_against(nothing, bundle, baseline),
        "no_population": read_against(
            other, plain.bundle, facevoice.Baseline.empty(plain.bundle).after([other] * 9)
        ),
    }
    for reason, found in cases.items():
        assert (found.personal, found.personal_reason) == (None, reason)
        jsonschema.validate(found.to_dict(), PREDICTION_SCHEMA)
    assert (failed.personal, failed.error[0]) == (None, "not_found")


def test_its_record_matches_the_schema_and_is_read_again(sample):
    record = json.loads(json.dumps(sample.to_dict(), allow_nan=False))
    jsonschema.validate(record, PREDICTION_SCHEMA)
    assert "reading" not in record
    assert record["personal"]["parts"]["face"]["parts"]["expression"]["parts"] == {}
    again = Prediction.from_dict(record)
    assert again.reading is None
    assert again.personal.clips == 6
    assert again.to_dict()["personal"]["emotion"] == record["personal"]["emotion"]
    exact = json.loads(json.dumps(sample.to_dict(exact=True)))
    assert Prediction.from_dict(exact) == replace(sample, timings={})


def test_records_from_before_there_were_baselines_are_read(sample):
    record = sample.to_dict()
    del record["personal"], record["personal_reason"]
    again = Prediction.from_dict(record)
    assert again.personal is again.personal_reason is None


def test_what_another_bundle_found_is_refused(toy_bundle, predictor, clips, baseline):
    plain = facevoice.load(toy_bundle, threads=1)
    with pytest.raises(InvalidInputError, match="enrol the person again"):
        plain(SAMPLE, baseline=baseline)
    with pytest.raises(InvalidInputError, match="enrol the person again"):
        read_against(clips[0], plain.bundle, facevoice.Baseline.empty(plain.bundle))
    with pytest.raises(InvalidInputError, match="enrol the person again"):
        facevoice.Baseline.empty(plain.bundle).update(clips[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block | {"face.nose": block["voice.spectrogram"]}, "face.nose"),
        (lambda block: block | {"face.sequence": {"mean": [0.0]}}, "malformed"),
        (
            lambda block: {"face.sequence": block["face.sequence"] | {"mean": [0.0, 1.0]}},
            "2 values for 7 labels",
        ),
        (
            lambda block: {"face.sequence": block["face.sequence"] | {"mean": [float("nan")] * 7}},
            "finite",
        ),
        (lambda block: [], "malformed"),
    ],
)
def test_a_population_that_does_not_fit_is_refused(change, message, bundle, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in bundle.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / "bundle.json").read_text())
    card["population"] = change(card["population"])
    (folder / "bundle.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=message):
        facevoice.load(folder)


def test_a_branch_that_is_the_whole_tree_is_shifted_too(predictor, clips):
    leaf = predictor.bundle.tree.members[0].members[0]
    scores = leaf.score(make_evidence())
    reading = Reading.of(leaf, scores, {"face": 1.0, "voice": 1.0}, 1.0)
    assert reading.weights == {"expression": 1.0}
    moved = shifted(leaf, scores, reading, {"expression": Shift(np.eye(7)[0])})
    expected = scores.values * np.exp(np.eye(7)[0])
    np.testing.assert_allclose(moved.values, expected / expected.sum())


def test_a_person_known_by_face_alone_says_nothing_of_a_voice(predictor):
    """Else a plain answer would claim to rest on clips that it cannot use."""
    silent = [
        predictor.of_evidence(make_evidence(speech_seconds=0, seed=seed))
        for seed in range(FEWEST_CLIPS)
    ]
    baseline = facevoice.Baseline.empty(predictor.bundle).after(silent)
    heard = predictor.of_evidence(make_evidence(faces=0))
    heard = read_against(heard, predictor.bundle, baseline)
    assert (heard.personal, heard.personal_reason) == (None, "too_little")
