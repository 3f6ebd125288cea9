"""The shared inputs about damage, sizes of pictures, and results that leave a process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import facevoice
from facevoice.timeline import timeline
from facevoice.types import UNDAMAGED
from support.damage import flagged

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor() -> facevoice.Predictor:
    return facevoice.load(threads=1)


def test_flipped_bits(cases: Path, predictor: facevoice.Predictor) -> None:
    path = cases / "bits_flipped_b.mp4"
    first, *others = [predictor(path) for _ in range(5)]
    assert first.damage.corrupt_pictures == len(flagged(path)[1]) >= 12
    assert first.damage.lost_packets > 0
    assert all(replace(each, timings=first.timings) == first for each in others)


@pytest.mark.parametrize(
    "name", ["undamaged_j.mp4", "rotated_270.mp4", "joined.ts", "pts_wraps.ts", "clip.mp4"]
)
def test_whole_films_have_no_damage(cases: Path, predictor: facevoice.Predictor, name: str) -> None:
    assert predictor(cases / name).damage == UNDAMAGED


def test_a_picture_that_changes_its_size(cases: Path, predictor: facevoice.Predictor) -> None:
    path = cases / "size_change.ts"
    assert predictor(path).damage.corrupt_pictures == 0  # two recordings, joined
    film = timeline(path, predictor.bundle)
    windows = list(facevoice.live(path, predictor.bundle))
    assert len(film.people) == 1
    for rows in (film.rows, [row for window in windows for row in window.rows]):
        assert {(row.person, row.speaker) for row in rows} == {(0, "this")}
    assert {row.picture_size for row in film.rows} == {(240, 240), (400, 400)}


def test_results_leave_a_process(cases: Path) -> None:
    words = [sys.executable, str(cases / "pickle_prediction.py"), str(cases / "clip.mp4")]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.count(" ok\n") == 6
    assert "[Prediction(" in said
