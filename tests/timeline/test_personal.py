"""Everyone in a film read against himself or herself, whole and as it goes on."""

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.cli import main
from facevoice.cli.timeline import summary
from facevoice.errors import InvalidInputError
from facevoice.output.person import why_none
from facevoice.output.timeline import write
from facevoice.output.timeline.tiers import tiers_of
from facevoice.person import FEWEST_CLIPS, film
from facevoice.predict import read_against
from facevoice.samples import SAMPLE
from facevoice.timeline import iter_windows, timeline
from facevoice.timeline.personal import OwnBaselines
from support.evidence_factory import make_evidence
from support.live_sources import piped, remuxed
from support.media_files import tone, write_media
from support.people import add_population, clips_of, few_emotions_will_do
from support.places import DOCS
from support.written_timelines import row

TOO_LITTLE = "too little of this person is seen and heard, about 8 s are needed"
WINDOWS = {"window": 1.0, "hop": 0.5}


@pytest.fixture(scope="module", autouse=True)
def _few_emotions_will_do():
    with few_emotions_will_do():
        yield


@pytest.fixture(scope="module")
def folder(toy_bundle, tmp_path_factory):
    return add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")


@pytest.fixture(scope="module")
def toy(folder):
    return load_bundle(folder, threads=1)


@pytest.fixture(scope="module")
def predictor(toy):
    return facevoice.Predictor(toy, threads=1)


@pytest.fixture(scope="module")
def baseline(predictor):
    return facevoice.Baseline.empty(predictor.bundle).after(clips_of(predictor, 6))


@pytest.fixture
def short_clips(monkeypatch):
    """So that a film of four seconds has enough of them."""
    monkeypatch.setattr(film, "CLIP_SECONDS", 0.5)


def answers(rows):
    return [(row.personal, row.personal_reason) for row in rows]


def plain(made):
    """A timeline without its personal answers."""
    return replace(
        made,
        rows=tuple(replace(row, personal=None, personal_reason=None) for row in made.rows),
        people=tuple(replace(person, personal_shares={}) for person in made.people),
        segments=tuple(replace(each, personal_emotion=None) for each in made.segments),
        personal=None,
        personal_segments=None,
    )


@pytest.mark.usefixtures("short_clips")
def test_personal_answers_stand_beside_the_plain_ones(toy):
    without = timeline(SAMPLE, toy, **WINDOWS)
    made = timeline(SAMPLE, toy, **WINDOWS, personal="whole")
    assert plain(made) == without
    assert made.personal == "whole"
    rows = made.rows_of(0)
    found = [row.personal for row in rows]
    assert {each.clips for each in found} == {found[0].clips}
    assert found[0].clips >= FEWEST_CLIPS
    assert found[0].seconds == pytest.approx(sum(row.seen_seconds for row in rows) / 2, rel=0.2)
    assert not any(np.allclose(row.personal.scores.values, row.scores.values) for row in rows)
    assert max(made.people[0].personal_shares, key=made.people[0].personal_shares.get) == (
        made.people[0].personal_emotion
    )
    assert made.personal_segments[0].start_seconds == made.segments[0].start_seconds
    assert made.personal_segments[-1].stop_seconds == made.segments[-1].stop_seconds
    assert {each.personal_emotion for each in made.segments} <= set(toy.labels)
    assert made.personal_segments[0].emotion in {row.personal.emotion for row in rows}


def test_a_film_of_one_window_is_read_as_the_prediction_is(predictor, baseline):
    """Whole: its own clip is part of the baseline; causal: not yet."""
    length = media.probe(SAMPLE).duration_seconds
    once = {"window": length, "hop": length, "people": "main", "baseline": baseline}
    prediction = predictor(SAMPLE)
    for mode, against in (("whole", baseline.update(prediction)), ("causal", baseline)):
        (row,) = timeline(SAMPLE, predictor.bundle, personal=mode, **once).rows
        expected = read_against(prediction, predictor.bundle, against).personal
        assert row.personal == expected


@pytest.mark.usefixtures("short_clips")
@pytest.mark.parametrize("enrolled", [False, True])
def test_live_is_the_causal_timeline_to_the_last_digit(toy, baseline, enrolled, tmp_path):
    start = baseline if enrolled else None
    path = remuxed(SAMPLE, tmp_path / "sample.mkv")
    expected = timeline(path, toy, **WINDOWS, personal="causal", baseline=start)
    windows = list(iter_windows(path, toy, **WINDOWS, personal=True, baseline=start))
    assert answers(row for window in windows for row in window.rows) == answers(expected.rows)
    with piped(path.read_bytes()) as pipe:
        found = [
            row
            for window in facevoice.live(pipe, toy, **WINDOWS, personal=True, baseline=start)
            for row in window.rows
        ]
    assert [row.scores for row in found] == [row.scores for row in expected.rows]
    assert answers(found) == answers(expected.rows)
    clips = [row.personal.clips for row in found if row.personal is not None]
    assert clips == sorted(clips)
    assert (clips[0], found[0].personal is None) == (6, False) if enrolled else (3, True)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """The sound of the sample, without pictures."""
    return write_media(
        tmp_path_factory.mktemp("voice") / "voice.wav",
        sound=media.read_waveform(SAMPLE, rate_hz=16_000).samples,
        sound_codec="pcm_s16le",
    )


@pytest.mark.usefixtures("short_clips")
def test_sound_alone_is_the_enrolled_persons(toy, baseline, voice, tmp_path):
    own = {**WINDOWS, "baseline": baseline}
    made = timeline(voice, toy, **own, personal="causal")
    read = [row.personal for row in made.rows if row.scores is not None]
    assert {row.person for row in made.rows} == {None}
    assert None not in read
    assert read[0].clips == baseline.clips < read[-1].clips
    assert {each.person for each in made.personal_segments} == {None}
    windows = facevoice.live(str(voice), toy, **own, personal=True)
    assert answers(row for each in windows for row in each.rows) == answers(made.rows)
    whole = timeline(voice, toy, **own, personal="whole")
    (clips,) = {row.personal.clips for row in whole.rows if row.personal}
    assert clips >= read[-1].clips
    text = "\n".join(summary(whole))
    assert "sound without picture" in text
    assert re.search(r"the voice: speaking \d\.\d s; \w+ \d+%.*\n +personal: .*: \w+ \d+%", text)
    (page,) = write(whole, tmp_path, ["html"], source=voice)
    assert "Personal: " in page.read_text()
    assert "voice of no one in view personal emotion" in [tier.name for tier in tiers_of(whole)]


def test_there_is_a_reason_where_there_is_no_personal_answer(toy, toy_bundle, voice):
    made = timeline(SAMPLE, toy, **WINDOWS, personal="whole")
    assert {row.personal_reason for row in made.rows_of(0)} == {"too_little"}
    assert f"    personal: none: {TOO_LITTLE}" in summary(made)
    assert made.personal_segments == ()
    assert made.people[0].personal_emotion is None
    rows = timeline(voice, toy, **WINDOWS, personal="whole").rows
    assert {(row.person, row.personal) for row in rows} == {(None, None)}
    found = {(row.scores is None, row.personal_reason) for row in rows}
    assert found <= {(False, "no_baseline"), (True, "nothing_scored")}
    assert (False, "no_baseline") in found
    unknown = timeline(SAMPLE, load_bundle(toy_bundle, threads=1), personal="whole")
    assert {row.personal_reason for row in unknown.rows_of(0)} == {"no_population"}


def test_a_baseline_goes_with_personal_and_its_own_bundle(toy, toy_bundle, baseline):
    with pytest.raises(InvalidInputError, match="only with personal"):
        timeline(SAMPLE, toy, baseline=baseline)
    with pytest.raises(InvalidInputError, match="only with personal"):
        facevoice.live(SAMPLE, toy, baseline=baseline)
    with pytest.raises(InvalidInputError, match="whole or causal"):
        timeline(SAMPLE, toy, personal="both")
    other = load_bundle(toy_bundle, threads=1)
    for call in (
        lambda: timeline(SAMPLE, other, personal="whole", baseline=baseline),
        lambda: iter_windows(SAMPLE, other, personal=True, baseline=baseline),
        lambda: facevoice.live(SAMPLE, other, personal=True, baseline=baseline),
    ):
        with pytest.raises(InvalidInputError, match="enrol the person again"):
            call()


def test_the_commands_write_it(folder, baseline, tmp_path, capsys):
    path = tmp_path / "anna.json"
    baseline.save(path)
    own = ("--bundle", folder, "--personal", "--baseline", path)
    schema = json.loads((DOCS / "live.schema.json").read_text(encoding="utf-8"))
    assert main(["live", *map(str, (SAMPLE, *own))]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        jsonschema.validate(line, schema)
    assert lines[-1]["rows"][0]["personal"]["clips"] > 6
    command = ["timeline", *map(str, (SAMPLE, "-o", tmp_path / "out", *own))]
    assert main(command) == 0
    assert "personal: " in capsys.readouterr().out
    assert (tmp_path / "out" / "sample.personal_segments.csv").exists()
    assert main(command) == 0
    assert "skipped" in capsys.readouterr().err
    replace(baseline, statistics=baseline.statistics.plus(clip_of(baseline))).save(path)
    assert main(command) == 1  # against another baseline it is another timeline
    assert main(["timeline", str(SAMPLE), "--baseline", str(path)]) == 1
    assert "add --personal" in capsys.readouterr().err


def test_the_reason_is_that_of_most_windows_with_scores(toy):
    """The terminal and the page had each a way of counting."""
    scored = [replace(row(k, 0, toy.labels, 0), personal_reason="too_little") for k in range(2)]
    empty = [
        replace(row(k, 0, toy.labels, 0), scores=None, face=None, personal_reason="nothing_scored",
                missing={"face": "no_face", "voice": "silent"})
        for k in range(2, 5)
    ]  # fmt: skip
    assert why_none([*scored, *empty]) == TOO_LITTLE
    assert why_none(empty) == why_none([]) == "there is nothing to read"


def clip_of(baseline):
    scores = {name: each.every.total for name, each in baseline.statistics.branches.items()}
    return facevoice.person.Reading(scores, dict.fromkeys(scores, 1.0), 1.0)


def test_a_film_without_anyone_has_no_personal_answers(toy, tmp_path):
    silent = write_media(tmp_path / "tone.wav", sound=tone(2, 16_000), sound_codec="pcm_s16le")
    made = timeline(silent, toy, personal="whole")
    assert answers(made.rows) == [(None, "nothing_scored")] * len(made.rows)
    assert made.personal_segments == ()


def test_several_people_and_one_baseline_are_told(folder, baseline, data_folder, tmp_path, capsys):
    path = tmp_path / "anna.json"
    baseline.save(path)
    film = data_folder / "clips" / "several_faces_5_frames_no_audio.mp4"
    own = ("--bundle", folder, "--personal", "--baseline", path)
    for verb, told in (("timeline", "--people main"), ("live", "")):
        assert main([verb, *map(str, (film, *own))]) == 0
        said = capsys.readouterr().err
        assert said.count("people are in view at once") == 1
        assert told in said


def test_a_camera_that_runs_for_days_forgets_people_who_are_gone(toy):
    own = OwnBaselines(toy, "causal", 1.0, None)
    evidence = make_evidence()
    scores = toy.tree.score(evidence)
    for person in range(200):
        once = replace(row(5.0 * person, person, toy.labels, 0), scores=scores)
        assert own.take(once, evidence).personal_reason == "too_little"
    assert 10 < len(own._people) < 20
    again = [
        own.take(replace(row(1000.0 + at, 199, toy.labels, 0), scores=scores), evidence)
        for at in range(0, 30, 3)
    ]
    assert again[-1].personal.clips > FEWEST_CLIPS
