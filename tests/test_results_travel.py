"""Every public result can be copied, pickled and handed back by another process, and is equal."""

import copy
import inspect
import multiprocessing
import pickle
from dataclasses import is_dataclass, replace

import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.predict import read_against
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.types import Damage, Face, Sample
from support.people import add_population
from support.score_tables import skilled
from support.written_timelines import make_timeline, with_blendshapes

NO_RESULTS = {"Blend", "Branch", "FacevoiceError", "Predictor"}
"""Public classes that are no result: what makes results, and what is raised."""


@pytest.fixture(scope="module")
def results(toy_bundle, tmp_path_factory):
    """A result of every kind by the name of its class, made as a user makes them."""
    people = add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")
    bundle = load_bundle(people, threads=1)
    predictor = facevoice.Predictor(bundle, threads=1)
    prediction = predictor(SAMPLE)
    baseline = facevoice.Baseline.empty(bundle).update(prediction, neutral=True)
    prediction = read_against(prediction, bundle, baseline)
    ((evidence, _),) = predictor.trace(SAMPLE)
    known = {"baseline": baseline, "window": 2.0}
    film = timeline(SAMPLE, bundle, frames=True, personal="whole", **known)
    (*_, window) = facevoice.live(SAMPLE, bundle, personal=True, **known)
    assert film.rows[0].personal
    assert window.rows[0].personal
    found = [
        prediction,
        prediction.scores,
        prediction.evidence,
        prediction.personal,
        prediction.reading,
        baseline,
        replace(prediction, damage=Damage(1, 2, 3)).damage,
        evidence,
        evidence.faces,
        evidence.speech,
        next(media.iter_frames(SAMPLE)),
        Face(evidence.faces.boxes[0], evidence.faces.landmarks[0], 0.9),
        Sample("a", SAMPLE, "happy", "train", "JV01"),
        media.probe(SAMPLE),
        film,
        film.rows[0],
        film.people[0],
        film.segments[0],
        with_blendshapes(make_timeline()).frames,
        window,
        window.sights[0],
        skilled(),
    ]
    return {type(each).__name__: each for each in found}


NAMES = (
    "Prediction",
    "Scores",
    "EvidenceSummary",
    "Personal",
    "Reading",
    "Baseline",
    "Damage",
    "Evidence",
    "FaceTrack",
    "Waveform",
    "Frame",
    "Face",
    "Sample",
    "MediaInfo",
    "Timeline",
    "Row",
    "Person",
    "Segment",
    "FrameTable",
    "LiveWindow",
    "FaceSight",
    "ScoreTable",
)


def pickled(result):
    return pickle.loads(pickle.dumps(result))  # noqa: S301 - our own


def test_every_public_result_is_tried(results):
    public = {name for name in facevoice.__all__ if inspect.isclass(getattr(facevoice, name))}
    assert public - NO_RESULTS <= set(NAMES)
    assert set(NAMES) == set(results)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", [pickled, copy.deepcopy, copy.copy])
def test_a_result_survives_a_copy(way, name, results):
    again = way(results[name])
    assert again is not results[name]
    assert again == results[name]
    assert repr(again) == repr(results[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_as_frozen_as_its_original(name, results):
    again = pickled(results[name])
    for field in again.__dataclass_fields__:
        one, two = getattr(results[name], field), getattr(again, field)
        assert type(one) is type(two)
        if isinstance(one, np.ndarray):
            assert one.flags.writeable == two.flags.writeable


def test_results_differ_where_a_value_does(results):
    scores = results["Scores"]
    assert scores != replace(scores, values=np.roll(scores.values, 1))
    assert results["Prediction"] != replace(results["Prediction"], scores=None)
    assert results["Row"] != replace(results["Row"], quality=0.25)
    assert scores != "happy"
    with pytest.raises(TypeError, match="Scores holds arrays"):
        hash(scores)


def itself(result):
    return result


def test_another_process_hands_every_result_back(results):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        again = pool.map(itself, results.values())
    assert again == list(results.values())


def test_joblib_hands_every_result_back(results):
    joblib = pytest.importorskip("joblib")
    again = joblib.Parallel(n_jobs=2)(joblib.delayed(itself)(each) for each in results.values())
    assert again == list(results.values())
    assert all(map(is_dataclass, again))
