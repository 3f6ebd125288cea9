"""How films are cut into windows, and how often faces are sampled."""

import pytest

from facevoice.errors import InvalidInputError
from facevoice.evidence import Plan, clip_plan, film_plan
from facevoice.evidence.plan import SLOWEST_SAMPLING_HZ
from facevoice.media import MediaInfo
from facevoice.samples import SAMPLE


def info(duration: float | None, start: float = 0.0) -> MediaInfo:
    return MediaInfo(SAMPLE, "video", start, duration, True, True, 64, 48, 25.0, 16000)


def test_a_short_clip_is_one_window():
    made = clip_plan(info(10.0), None, None)
    assert made.bounds(0) == (0.0, 10.0)
    assert made.rest_seconds == 5.0  # sound that outlasts the picture belongs to it
    assert made.rate_hz == SLOWEST_SAMPLING_HZ


def test_a_very_short_clip_is_sampled_often_enough_for_sixteen_faces():
    assert clip_plan(info(2.0), None, None).rate_hz == pytest.approx(8.0)
    assert clip_plan(info(0.1), None, None).rate_hz == pytest.approx(32.0)  # films hold no more


def test_a_long_clip_is_cut_into_windows_that_do_not_overlap():
    made = clip_plan(info(13.0, start=0.5), None, None)
    assert [made.bounds(number) for number in range(3)] == [(0.5, 3.5), (3.5, 6.5), (6.5, 9.5)]
    assert made.rest_seconds == 1.5
    assert made.rate_hz == pytest.approx(16 / 3)


def test_a_clip_of_unknown_length_is_cut():
    made = clip_plan(info(None), None, None)
    assert made.stop is None
    assert made.bounds(2) == (6.0, 9.0)


def test_a_prediction_and_a_timeline_of_one_window_have_one_plan():
    made = clip_plan(info(7.25, start=1.4), None, None)
    assert made == film_plan(info(7.25, start=1.4), 7.25, 7.25, None, None)


def test_overlapping_windows_absorb_short_remainders_only():
    assert film_plan(info(60.0), 3.0, 1.0, None, None).rest_seconds == 0.1
    assert film_plan(info(60.0), 3.0, 2.0, None, None).rest_seconds == 0.5


@pytest.mark.parametrize(("window", "hop"), [(1.0, 2.0), (0.0, 0.0), (float("nan"), 1.0)])
def test_invalid_windows_are_rejected(window, hop):
    with pytest.raises(InvalidInputError, match="hop"):
        Plan(0.0, window, hop, has_video=True, has_audio=True)


@pytest.mark.parametrize(("start", "stop"), [(5.0, 5.0), (5.0, 4.0), (20.0, None), (None, 0.0)])
def test_an_empty_part_is_rejected(start, stop):
    for plan in (clip_plan, lambda *part: film_plan(part[0], 3.0, 1.0, *part[1:])):
        with pytest.raises(InvalidInputError, match="nothing lies between"):
            plan(info(10.0), start, stop)
