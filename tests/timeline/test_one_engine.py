"""A prediction equals a timeline of one window to the last digit."""

from pathlib import Path

import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.samples import SAMPLE
from facevoice.timeline import Row, timeline
from support.toy_bundle import add_face_mesh, add_speech_encoder


def row_of_one_window(path: Path, predictor: facevoice.Predictor) -> Row:
    """The main person's row, or that of the voice if no one is seen."""
    length = media.probe(path).duration_seconds
    made = timeline(path, predictor.bundle, window=length, hop=length, people="main")
    rows = [row for row in made.rows if row.person is not None] or list(made.rows)
    assert len(rows) == 1
    return rows[0]


def parts_of(scores: facevoice.Scores, prefix: str = "") -> dict[str, list[float]]:
    found = {prefix: scores.values.tolist()}
    for name, part in scores.parts.items():
        found |= parts_of(part, f"{prefix}.{name}")
    return found


def assert_equal(prediction: facevoice.Prediction, row: Row) -> None:
    assert (prediction.scores is None) == (row.scores is None)
    if prediction.scores is not None:
        assert parts_of(prediction.scores) == parts_of(row.scores)
    assert dict(prediction.missing) == dict(row.missing)
    assert prediction.windows == 1
    evidence = prediction.evidence
    assert evidence.people == row.people
    assert evidence.face_seconds == row.seen_seconds
    assert evidence.speech_seconds == row.speech_seconds
    assert evidence.box == row.box
    assert (prediction.start_seconds, prediction.stop_seconds) == (
        row.start_seconds,
        row.stop_seconds,
    )


def test_the_prediction_of_the_sample_equals_its_timeline_of_one_window():
    predictor = facevoice.load(threads=1)
    row = row_of_one_window(SAMPLE, predictor)
    assert row.speaker == "this"
    assert_equal(predictor(SAMPLE), row)


@pytest.mark.parametrize("in_pieces", [False, True])
def test_so_does_that_of_a_bundle_with_a_speech_encoder(toy_bundle, tmp_path, in_pieces):
    folder = add_speech_encoder(toy_bundle, tmp_path / "encoded", in_pieces=in_pieces)
    predictor = facevoice.load(folder, threads=1)
    row = row_of_one_window(SAMPLE, predictor)
    assert "encoded" in row.voice.parts["voice"].parts
    assert_equal(predictor(SAMPLE), row)


def test_so_does_that_of_a_bundle_with_a_face_mesh(toy_bundle, tmp_path):
    predictor = facevoice.load(add_face_mesh(toy_bundle, tmp_path / "mesh"), threads=1)
    row = row_of_one_window(SAMPLE, predictor)
    assert "shown" in row.face.parts["face"].parts
    assert_equal(predictor(SAMPLE), row)


@pytest.mark.slow
def test_so_does_that_of_every_real_clip_of_up_to_ten_seconds(data_folder):
    """If the speech was attributed to the main person, or no one is in view."""
    predictor = facevoice.load(threads=1)
    files = [*(data_folder / "clips").iterdir(), *(data_folder / "javanese_av").glob("*.mp4")]
    compared = 0
    for path in sorted(files)[::2]:
        if path.suffix in {".csv", ".jpg"}:
            continue
        length = media.probe(path).duration_seconds
        if length is None or length > 10:
            continue
        row = row_of_one_window(path, predictor)
        if row.speaker in {"this", "nobody"} or row.person is None:
            assert_equal(predictor(path), row)
            compared += 1
    assert compared > 60


def test_a_long_film_is_the_mean_of_its_windows(data_folder):
    predictor = facevoice.load(threads=1)
    path = data_folder / "clips" / "talk_30s_360p.mp4"
    prediction = predictor(path, stop_seconds=12.0)
    rows = [
        row
        for row in timeline(path, predictor.bundle, window=3.0, hop=3.0, stop=12.0).rows
        if row.person is not None
    ]
    assert prediction.windows == len({row.start_seconds for row in rows}) == 4
    trace = predictor.trace(path, stop_seconds=12.0)
    weights = [evidence.face_seconds * evidence.faces.quality.mean() for evidence, _ in trace]
    whole = prediction.scores.parts["face"].parts  # fusions follow from the means of their branches
    assert len(whole) == 2
    for name, scores in whole.items():
        each = [row.face.parts["face"].parts[name].values for row in rows]
        mean = np.average(each, axis=0, weights=weights)
        np.testing.assert_allclose(scores.values, mean, atol=1e-12)
