"""A picture stands until the next one, and is viewed at the sampled instants meanwhile."""

from pathlib import Path

import numpy as np
import pytest

from facevoice import media
from facevoice.media import Arrival, LiveInput, View, Wanted, opening
from facevoice.types import Frame
from support.live_sources import piped
from support.media_files import number_in, steady, write_media

RATE = 4.0
FROZEN = [*steady(25), *steady(50, start=3.0)]  # nothing from 0.96 s to 3 s
Seen = list[tuple[float, int]]


def sampled(views: list[View]) -> Seen:
    """Time and number of each picture in colour."""
    return [
        (round(view.time_seconds, 3), number_in(view.image))
        for view in views
        if view.image is not None
    ]


def viewed(path: Path, start: float = 0.0, stop: float | None = None) -> list[View]:
    return list(media.iter_views(path, rate_hz=RATE, start_seconds=start, stop_seconds=stop))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media(tmp_path_factory.mktemp("views") / "freeze.mkv", times=FROZEN)


def test_a_steady_film_shows_nothing_again(tmp_path: Path) -> None:
    path = write_media(tmp_path / "steady.mkv", times=steady(50))
    views = viewed(path)
    assert len(views) == 50
    assert not any(view.again for view in views)


def test_a_picture_that_stands_is_viewed_at_each_instant(film: Path) -> None:
    views = viewed(film)
    standing = [(1.0 + k / RATE, 24) for k in range(8)]
    assert sampled(views)[:14] == [
        *[(0.0, 0), (0.28, 7), (0.52, 13), (0.76, 19)],
        *standing,
        *[(3.0, 25), (3.28, 32)],
    ]
    again = [view for view in views if view.again]
    assert [view.time_seconds for view in again] == [time for time, _ in standing]
    assert all(view.image is again[0].image for view in again), "it is converted once"
    assert all(view.light is again[0].light for view in again)
    times = [view.time_seconds for view in views]
    assert times == sorted(set(times))


def test_at_the_start_of_a_part_stands_the_picture_before_it(film: Path) -> None:
    assert sampled(viewed(film, 2.0, 2.7)) == [(2.0, 24), (2.25, 24), (2.5, 24)]
    assert sampled(viewed(film, 2.0))[:5] == [
        *[(2.0, 24), (2.25, 24), (2.5, 24), (2.75, 24), (3.0, 25)],
    ]


def test_before_the_first_picture_there_is_nothing(tmp_path: Path) -> None:
    path = write_media(tmp_path / "late.mkv", times=steady(10, start=2.0))
    assert viewed(path)[0].time_seconds == 2.0


def test_few_pictures_are_all_seen_until_the_last_has_lasted(tmp_path: Path) -> None:
    path = write_media(tmp_path / "slow.mp4", times=[0.0, 1.001, 2.002, 3.003])
    found = sampled(viewed(path))
    assert len({number for _, number in found}) == 4
    assert np.diff([time for time, _ in found]).max() <= 1 / RATE + 0.01
    assert 3.5 < found[-1][0] < 4.1


def test_a_single_picture_lasts_for_its_own_duration(tmp_path: Path) -> None:
    path = write_media(tmp_path / "one.mp4", times=[0.0])
    assert len(viewed(path)) == 1


def test_a_gap_of_hours_is_no_standing_picture(tmp_path: Path) -> None:
    path = write_media(tmp_path / "gap.mkv", times=[*steady(5), *steady(5, start=7200.0)])
    assert len(viewed(path)) < 5 * RATE


@pytest.mark.parametrize(("pause", "stop"), [(50.0, None), (100.0, None), (100.0, 90.0)])
def test_views_name_the_end_of_a_long_pause(
    tmp_path: Path, pause: float, stop: float | None
) -> None:
    path = write_media(tmp_path / "pause.mkv", times=[*steady(5), *steady(5, start=pause)])
    named = {view.resumes for view in viewed(path, 0.0, stop) if view.again}
    assert named - {None} == ({pause} if pause > media.PAUSE_SECONDS else set())


def test_slides_stand_for_minutes(tmp_path: Path) -> None:
    path = write_media(tmp_path / "slides.mkv", times=[0.0, 400.0, 800.0])
    assert len(viewed(path)) == 3 * 300 * RATE


@pytest.mark.parametrize("duration", [None, 2.2])
def test_live_views_are_those_of_the_file(film: Path, duration: float | None) -> None:
    with piped(film.read_bytes()) as pipe:
        arrivals = LiveInput(opening(pipe), Wanted(RATE, duration))
        arrivals.opened()
        came: list[Arrival] = list(arrivals)
        arrivals.close()
    views = [each.content for each in came if isinstance(each.content, View)]
    expected = viewed(film, 0.0, duration)
    assert [(v.time_seconds, v.again) for v in views] == [
        (v.time_seconds, v.again) for v in expected
    ]
    assert sampled(views) == sampled(expected)


def test_pictures_in_memory_stand_as_well() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    frames = [Frame(image, time) for time in (0.0, 0.25, 1.3)]
    times = [(view.time_seconds, view.again) for view in media.views_of(frames, RATE)]
    assert times == [
        *[(0.0, False), (0.25, False), (0.5, True), (0.75, True), (1.0, True), (1.3, False)],
        *[(1.5, True), (1.75, True), (2.0, True), (2.25, True)],
    ]
    assert len(list(media.views_of(frames, None))) == 3
