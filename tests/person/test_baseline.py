"""Baseline files and enrolment, one by one and at once."""

import json
from dataclasses import replace

import pytest

import facevoice
from facevoice.errors import InvalidInputError
from facevoice.person import Baseline
from facevoice.predict import Prediction, read_against
from facevoice.samples import SAMPLE
from support.evidence_factory import make_evidence
from support.people import add_population, clips_of


@pytest.fixture(scope="module")
def predictor(toy_bundle, tmp_path_factory):
    return facevoice.load(
        add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy"), threads=1
    )


@pytest.fixture(scope="module")
def clips(predictor):
    return clips_of(predictor, 7)


def test_one_by_one_is_all_at_once_to_the_digit(predictor, clips):
    """Causal, enrolled and whole end in one state, also where a file lies between."""
    empty = Baseline.empty(predictor.bundle)
    causal = empty
    for clip in clips:
        causal = causal.update(clip)
    enrolled = Baseline.from_dict(json.loads(json.dumps(empty.after(clips[:3]).to_dict())))
    assert causal == empty.after(clips) == enrolled.after(clips[3:])
    assert (causal.clips, causal.seconds) == (7, sum(clip.reading.seconds for clip in clips))


def test_paths_and_evidence_are_enrolled(predictor):
    baseline = Baseline.of(predictor, [SAMPLE])
    assert baseline.clips == 1
    assert baseline == Baseline.empty(predictor.bundle).after([predictor(SAMPLE)])
    items = [make_evidence(seed=seed) for seed in range(2)]
    found = [predictor.of_evidence(item) for item in items]
    assert Baseline.of_evidence(predictor, items) == Baseline.empty(predictor.bundle).after(found)


def test_clips_are_declared_neutral_in_every_way(predictor, clips, tmp_path):
    empty = Baseline.empty(predictor.bundle)
    one = empty.update(clips[0], neutral=True)
    assert one.statistics.neutral == 1
    assert one != empty.update(clips[0])
    path = tmp_path / "anna.baseline.json"
    one.save(path)
    assert Baseline.load(path) == one
    both = one.after(clips[1:3])
    assert (both.clips, both.statistics.neutral) == (3, 1)
    items = [make_evidence(seed=seed) for seed in range(2)]
    found = [predictor.of_evidence(item) for item in items]
    declared = Baseline.of_evidence(predictor, items, neutral=True)
    assert declared == empty.after(found, neutral=True)
    assert Baseline.of(predictor, [SAMPLE], neutral=True).statistics.neutral == 1


def test_a_path_is_no_list_and_no_baseline(predictor):
    with pytest.raises(InvalidInputError, match=r"\['anna.mp4'\]"):
        Baseline.of(predictor, "anna.mp4")
    with pytest.raises(InvalidInputError, match=r"Baseline.load\('anna.json'\)"):
        predictor(SAMPLE, baseline="anna.json")


def test_a_clip_without_scores_adds_nothing(predictor, clips):
    baseline = Baseline.empty(predictor.bundle).after(clips)
    assert baseline.update(replace(clips[0], scores=None, reading=None)) is baseline


def test_a_clip_counts_once(predictor, clips):
    baseline = Baseline.empty(predictor.bundle).after(clips)
    assert len(baseline.fingerprints) == len(clips)
    again = predictor.of_evidence(make_evidence(faces=2, seed=0))
    assert baseline.holds(again)
    assert Baseline.from_dict(baseline.to_dict()).update(again) == baseline
    another = predictor.of_evidence(make_evidence(seed=99))
    assert not baseline.holds(another)
    assert baseline.update(another).clips == baseline.clips + 1


def test_a_clip_is_known_again_on_a_machine_that_rounds_otherwise(clips):
    reading = clips[0].reading
    nearly = {name: logs * (1 + 1e-7) for name, logs in reading.log_scores.items()}
    assert replace(reading, log_scores=nearly).fingerprint == reading.fingerprint
    assert replace(reading, seconds=reading.seconds + 1).fingerprint != reading.fingerprint


def test_a_baseline_of_an_older_version_is_read(predictor, clips):
    record = Baseline.empty(predictor.bundle).after(clips).to_dict()
    del record["fingerprints"]
    assert Baseline.from_dict(record).update(clips[0]).clips == len(clips) + 1


def test_a_file_keeps_every_digit_and_no_picture(predictor, clips, tmp_path):
    path = tmp_path / "anna.baseline.json"
    baseline = Baseline.empty(predictor.bundle).after(clips)
    baseline.save(path)
    assert Baseline.load(path) == baseline
    record = json.loads(path.read_text())
    assert set(record) == {
        "format", "version", "holds", "bundle", "clips", "neutral", "seconds",
        "branches", "fingerprints",
    }  # fmt: skip
    assert "no pictures, no sound" in record["holds"]
    assert path.stat().st_size < 10_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a baseline"),
        ("[]", "not a baseline"),
        ("{}", "not a baseline"),
        ('{"format": "facevoice baseline", "version": 9}', "version 1"),
        ('{"format": "facevoice baseline", "version": 1, "bundle": {}}', "not a baseline"),
    ],
)
def test_what_is_not_a_baseline_is_refused(text, message, tmp_path):
    path = tmp_path / "anna.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message) as error:
        Baseline.load(path)
    assert str(path) in str(error.value)
    with pytest.raises(InvalidInputError, match="no baseline file"):
        Baseline.load(tmp_path / "gone.json")


def test_a_damaged_state_is_refused(predictor, clips):
    record = Baseline.empty(predictor.bundle).after(clips).to_dict()
    for key, value in {"clips": -1, "seconds": float("nan"), "branches": {"voice": {}}}.items():
        with pytest.raises(InvalidInputError):
            Baseline.from_dict(record | {key: value})


@pytest.mark.parametrize("length", [1, 2])
def test_vectors_that_do_not_fit_the_labels_are_refused(length, predictor, clips):
    """One value would be added to all labels alike, in silence."""
    record = Baseline.empty(predictor.bundle).after(clips).to_dict()
    short = {
        name: record["branches"]["face.sequence"][name][:length] for name in ("total", "shares")
    }
    record["branches"]["face.sequence"] |= short
    baseline = Baseline.from_dict(record)
    with pytest.raises(InvalidInputError, match=f"{length} values for 7 labels"):
        predictor(SAMPLE, baseline=baseline)


def test_branches_that_the_bundle_lacks_are_refused(predictor, clips):
    record = Baseline.empty(predictor.bundle).after(clips).to_dict()
    record["branches"]["face.nose"] = record["branches"]["face.sequence"]
    with pytest.raises(
        InvalidInputError, match=r"statistics of face\.nose; the branches are: face"
    ):
        Baseline.from_dict(record).check(predictor.bundle)


def test_rounded_records_are_refused(predictor, clips):
    """They have scores, but not the log scores of each branch: nothing may be lost in silence."""
    rounded = Prediction.from_dict(clips[0].to_dict())
    with pytest.raises(InvalidInputError, match="rounded"):
        Baseline.empty(predictor.bundle).update(rounded)
    with pytest.raises(InvalidInputError, match="rounded"):  # and not: nothing_scored
        read_against(rounded, predictor.bundle, Baseline.empty(predictor.bundle))
