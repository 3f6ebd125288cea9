"""Cuts in synthetic thumbnails, and in real clips joined with hard cuts."""

import numpy as np
import pytest

from facevoice import media
from facevoice.evidence.cuts import CutFinder
from support.joined_clips import joined, read_clip, speakers, write_film


def scene(seed, shift=0, noise=0.0, light=0.0):
    """A smooth picture (48, 64, 3) that depends on the seed, shifted to the right."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(20, 235, (7, 13, 3))
    rows, columns = np.linspace(0, 5.99, 48), np.linspace(0, 7.99, 64) + shift / 8
    y, x = rows.astype(int), columns.astype(int)
    down, across = (rows - y)[:, None, None], (columns - x)[None, :, None]
    top = coarse[y][:, x] * (1 - across) + coarse[y][:, x + 1] * across
    below = coarse[y + 1][:, x] * (1 - across) + coarse[y + 1][:, x + 1] * across
    picture = top * (1 - down) + below * down
    picture = picture + np.random.default_rng(1).normal(0, noise, picture.shape) + light
    return np.clip(picture, 0, 255).astype(np.uint8)


def found(pictures, kind="cut"):
    finder, settled = CutFinder(), []
    for number, picture in enumerate(pictures):
        settled += finder.push(number, picture)
    settled += finder.flush()
    assert [time for time, _ in settled] == list(range(len(pictures)))
    return [time for time, what in settled if what == kind]


def test_a_hard_cut_is_found_at_the_first_picture_of_the_new_shot():
    pictures = [scene(1, noise=2)] * 10 + [scene(2, noise=2)] * 10 + [scene(3)] * 2
    assert found(pictures) == [10, 20]


def test_a_moving_camera_is_not_a_cut():
    assert found([scene(1, shift=1.5 * number) for number in range(15)]) == []
    swinging = [scene(1, shift=3.0 * (number % 4)) for number in range(30)]
    assert found(swinging) == []


def test_a_flash_is_not_a_cut_but_a_fade_through_white_is():
    white = np.full((48, 64, 3), 255, np.uint8)
    assert found([scene(1)] * 8 + [white] * 2 + [scene(1)] * 8) == []
    fading = [scene(1, light=level) for level in (0, 0, 0, 60, 120, 180)]
    rising = [scene(2, light=level) for level in (180, 120, 60, 0, 0, 0)]
    assert found(fading + [white] * 2 + rising) == [8]


def test_black_pictures_belong_to_no_shot():
    black = np.zeros((48, 64, 3), np.uint8)
    assert found([black] * 3 + [scene(1)] * 6) == []
    assert found([black] * 3 + [scene(1)] * 6, "doubt") == [3]  # faces are searched for at once
    assert found([scene(1)] * 6 + [black] + [scene(2)] * 6) == [7]


def test_a_film_of_repeated_pictures_keeps_its_cuts():
    doubled = [picture for seed in (1, 2) for n in range(6) for picture in [scene(seed, n)] * 2]
    assert found(doubled) == [12]


def test_a_sudden_change_of_part_of_the_picture_is_doubtful():
    near = scene(1).astype(int)
    near[16:34, 22:42] = 255 - near[16:34, 22:42] // 2
    changed = near.astype(np.uint8)
    pictures = [scene(1)] * 8 + [changed] * 8
    assert found(pictures) + found(pictures, "doubt") == [8]


@pytest.mark.parametrize(
    ("start", "steady"), [(0.0, True), (0.0, False), (7.5, True)], ids=["cfr", "vfr", "late"]
)
def test_cuts_between_speakers_in_one_studio_are_exact(data_folder, tmp_path, start, steady):
    chosen = [paths[4] for paths in speakers(data_folder).values()]
    clips = [read_clip(path, seconds=0.7) for path in chosen]
    pictures, times, wanted = joined(clips, start, steady=steady)
    film = write_film(tmp_path / "film.mkv", pictures, times, None)
    finder, settled = CutFinder(), []
    for view in media.iter_views(film, rate_hz=1.0):
        settled += finder.push(view.time_seconds, view.thumbnail)
    settled += finder.flush()
    cuts = [time for time, kind in settled if kind == "cut"]
    assert cuts == pytest.approx(wanted, abs=2e-3)  # Matroska rounds stamps to milliseconds
