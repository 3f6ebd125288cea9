"""A damaged clip: every way of analysing it says so, in one and the same record every time."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jsonschema
import pytest

import facevoice
from facevoice.batch import Processes, predict_all
from facevoice.bundle import load_bundle
from facevoice.cli import main
from facevoice.evidence import read
from facevoice.output.clip import clip_page
from facevoice.output.predictions.text import render
from facevoice.output.timeline import write
from facevoice.output.timeline.columns import record_of
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.types import UNDAMAGED
from support.damage import flagged, overwritten
from support.places import PREDICTION_SCHEMA

SENTENCE = "The file is damaged: "


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The sample with 20 of its 100 pictures damaged, and some of its sound."""
    folder = tmp_path_factory.mktemp("damaged")
    pictures = overwritten(SAMPLE, folder / "pictures.mp4", range(30, 50))
    return overwritten(pictures, folder / "clip.mp4", range(40, 44), "audio", whole=True)


@pytest.fixture(scope="module")
def bundle(toy_bundle):
    return load_bundle(toy_bundle, threads=1)


@pytest.fixture(scope="module")
def predictor(bundle):
    return facevoice.Predictor(bundle, threads=1)


@pytest.fixture(scope="module")
def prediction(predictor, clip):
    return predictor(clip)


def test_the_record_counts_the_damage(prediction, predictor, clip):
    assert prediction.damage.corrupt_pictures == len(flagged(clip)[1]) > 5
    assert prediction.damage.lost_packets > 0
    record = prediction.to_dict()
    jsonschema.validate(record, PREDICTION_SCHEMA)
    assert record["damage"] == prediction.damage.to_dict()
    twin = predictor(SAMPLE)
    assert twin.damage == UNDAMAGED
    assert prediction.evidence.people == twin.evidence.people
    assert 0 < prediction.evidence.face_seconds < twin.evidence.face_seconds
    assert prediction.stop_seconds == pytest.approx(twin.stop_seconds, abs=0.05)


def test_the_record_is_the_same_every_time(prediction, predictor, clip):
    with ThreadPoolExecutor(2) as several:
        found = list(several.map(predictor, [clip] * 4))
    assert all(replace(each, timings=prediction.timings) == prediction for each in found)


def test_a_worker_hands_the_same_record_back(prediction, toy_bundle, clip):
    (found,) = predict_all([clip], bundle=toy_bundle, engine=Processes(1))
    assert found.to_dict() == prediction.to_dict()


def test_the_timeline_and_live_count_it_too(prediction, bundle, clip, monkeypatch):
    film = timeline(clip, bundle)
    assert film.damage == prediction.damage
    assert record_of(film)["damage"] == film.damage.to_dict()
    windows = list(facevoice.live(clip, bundle))
    assert sum((window.damage for window in windows), UNDAMAGED) == film.damage
    monkeypatch.setattr(read, "is_worth_a_process", lambda _: True)
    assert timeline(clip, bundle) == film


def test_people_are_told(prediction, predictor, bundle, toy_bundle, clip, tmp_path, capsys):
    assert SENTENCE in render(prediction, bundle.tree)
    assert SENTENCE not in render(predictor(SAMPLE), bundle.tree)
    assert SENTENCE in clip_page(predictor, clip)[1]
    assert main(["timeline", str(clip), "--bundle", str(toy_bundle)]) == 0
    assert SENTENCE in capsys.readouterr().out
    (page,) = write(timeline(clip, bundle), tmp_path, ["html"], clip)
    assert SENTENCE in page.read_text(encoding="utf-8")
    (whole,) = write(timeline(SAMPLE, bundle), tmp_path, ["html"], SAMPLE)
    assert SENTENCE not in whole.read_text(encoding="utf-8")


def test_the_lines_of_live_hold_it(toy_bundle, clip, prediction, capsys):
    assert main(["live", str(clip), "--bundle", str(toy_bundle)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    total = sum(line["damage"]["corrupt_pictures"] for line in lines)
    assert total == prediction.damage.corrupt_pictures
