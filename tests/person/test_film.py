"""Windows that overlap, counted as the clips that they hold."""

import numpy as np
import pytest

from facevoice.person import FilmStatistics, Reading, Statistics


def reading(seed, *, seconds=3.0, names=("face", "voice"), weight=None):
    random = np.random.default_rng(seed)
    scores = {name: np.log(random.dirichlet(np.ones(4))) for name in names}
    weights = dict.fromkeys(names, seconds if weight is None else weight)
    second = {"voice": np.log(random.dirichlet(np.ones(4)))} if "voice" in names else {}
    return Reading(scores, weights, seconds, second)


def after(readings, share, enrolled=None):
    film = FilmStatistics(share, Statistics.empty() if enrolled is None else enrolled)
    for each in readings:
        film.add(each)
    return film.statistics


def of_clips(readings, enrolled=None):
    statistics = Statistics.empty() if enrolled is None else enrolled
    for each in readings:
        statistics = statistics.plus(each)
    return statistics


@pytest.mark.parametrize("seconds", [3.0, 10.0])
def test_windows_that_do_not_overlap_are_clips(seconds):
    found = [reading(seed, seconds=seconds) for seed in range(5)]
    enrolled = of_clips([reading(9)])
    assert after(found, 1.0, enrolled) == of_clips(found, enrolled)


def test_overlapping_windows_weigh_as_the_clips_they_hold():
    """27 windows of 3 s, one each second, and 9 clips that say the same."""
    always = reading(0)
    film, clips = after([always] * 27, 1 / 3), of_clips([always] * 9)
    assert (film.clips, film.seconds) == (9, pytest.approx(27.0))
    for name, each in clips.branches.items():
        assert film.branches[name].every.clips == 9
        np.testing.assert_allclose(film.branches[name].every.total, each.every.total)


@pytest.mark.parametrize(
    ("count", "clips"), [(1, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 2), (8, 3), (9, 3)]
)
def test_every_window_counts_and_a_short_rest_belongs_to_the_clip_before(count, clips):
    found = [reading(seed) for seed in range(count)]
    film = after(found, 1 / 3)
    assert (film.clips, film.seconds) == (clips, pytest.approx(count))


def test_someone_who_is_seen_half_of_the_time_takes_twice_as_long():
    assert after([reading(0, seconds=1.5)] * 12, 1 / 3).clips == 2


def test_the_state_does_not_depend_on_when_it_is_looked_at():
    found = [reading(seed) for seed in range(11)]
    film = FilmStatistics(1 / 3, Statistics.empty())
    for count, each in enumerate(found, start=1):
        film.add(each)
        assert film.statistics == after(found[:count], 1 / 3)


def test_a_clip_is_the_mean_of_its_windows_by_their_evidence():
    one, two = reading(1, weight=1.0), reading(2, weight=3.0)
    silent = reading(3, names=("face",), weight=0.0)
    film = after([one, two, silent], 1 / 3)
    assert film.clips == 1
    for name in ("face", "voice"):
        mean = (one.log_scores[name] + 3 * two.log_scores[name]) / 4
        np.testing.assert_allclose(film.branches[name].every.mean, mean)
    assert after([silent], 1.0).branches.keys() == {"face"}
