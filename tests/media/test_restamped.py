"""Films with damaged stamps and wrong headers, each beside its undamaged twin."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from facevoice import media
from facevoice.errors import MediaUnreadableError
from facevoice.media import LiveInput, View, Wanted, opening
from facevoice.media.runs import unbroken
from facevoice.types import UNDAMAGED, Damage, Waveform
from support.live_sources import piped
from support.media_files import steady, tone, write_media
from support.restamped import Change, Kind, flv_that_states, restamped

RATE = 16_000
START = 0.5
SECONDS = 6.0


def rising(seconds: float, rate: int) -> NDArray[np.float32]:
    """A low tone that rises, so that a shift of more than a millisecond or two shows."""
    at = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (40 + 3 * at) * at)).astype("f4")


@pytest.fixture(scope="module", params=["flv", "ts"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suffix = request.param
    return write_media(
        tmp_path_factory.mktemp("film") / f"film.{suffix}",
        times=steady(round(SECONDS * 25), start=START),
        sound=rising(SECONDS, 44_100),
        sound_codec="aac" if suffix == "flv" else "mp2",
        sound_rate=44_100,
        sound_start=START,
    )


def one(kind: Kind, number: int, off: float) -> Change:
    return lambda which, place, stamp: stamp + off * (which == kind and place == number)


def standing(kind: Kind, first: int, last: int) -> Change:
    held: list[float] = []

    def change(which: Kind, place: int, stamp: float) -> float:
        if which != kind or not first <= place <= last:
            return stamp
        held.append(stamp)
        return held[0]

    return change


CHANGES: dict[str, Change] = {
    "a sound ahead": one("sound", 20, 49.0),
    "a sound a little ahead": one("sound", 20, 0.7),
    "a sound back": one("sound", 20, -1.5),
    "the first sound back": one("sound", 0, -30.0),
    "a picture ahead": one("picture", 60, 49.0),
    "a picture a little ahead": one("picture", 60, 0.7),
    "a picture back": one("picture", 60, -30.0),
    "a picture just back": one("picture", 60, -1.2),
    "the first picture back": one("picture", 0, -2.0),
    "hours ahead": one("sound", 10, 20_000.0),
    "sound stands": standing("sound", 40, 100_000),
    "sound stands for a while": standing("sound", 8, 30),
    "pictures stand": standing("picture", 60, 100_000),
    "pictures stand for a while": standing("picture", 60, 90),
}


def read(path: Path) -> tuple[list[float], Any, Damage]:
    """The times of all pictures, the sound, and the damage."""
    found: list[Damage] = []
    views = list(media.iter_views(path, rate_hz=4.0, damaged=found.append))
    pieces = list(
        media.iter_waveform(
            path, rate_hz=RATE, window_seconds=1.0, origin_seconds=0.0, damaged=found.append
        )
    )
    samples = np.concatenate([piece.samples for piece in pieces])
    times = [view.time_seconds for view in views if not view.again]
    return times, (pieces[0].start_seconds, samples), sum(found, UNDAMAGED)


def read_live(source: Any) -> tuple[list[float], float, float, int]:
    """Times of pictures, the first and last instant of sound, and the mended stamps."""
    live = LiveInput(opening(source), Wanted(4.0))
    live.opened()
    arrivals = list(live)
    views = [a.content for a in arrivals if isinstance(a.content, View)]
    sounds = [a.content for a in arrivals if isinstance(a.content, Waveform)]
    mended = sum(arrival.damage.mended_stamps for arrival in arrivals)
    times = [view.time_seconds for view in views if not view.again]
    return times, sounds[0].start_seconds, sounds[-1].stop_seconds, mended


@pytest.mark.parametrize("name", CHANGES)
def test_pictures_and_sound_are_where_the_twin_has_them(
    film: Path, tmp_path: Path, name: str
) -> None:
    times, (start, samples), damage = read(film)
    assert damage == UNDAMAGED
    copy = restamped(film, tmp_path / film.name, CHANGES[name])
    found, (found_start, found_samples), found_damage = read(copy)
    kept = len(found)  # the last pictures may change places where their stamps stand
    assert kept >= len(times) - 2 * (name == "pictures stand")
    assert found == pytest.approx(times[:kept], abs=0.17 if "stand" in name else 0.05)
    assert found_start == pytest.approx(start, abs=0.05)
    count = min(len(samples), len(found_samples))
    assert abs(len(samples) - len(found_samples)) <= 0.1 * RATE
    off = samples[:count] - found_samples[:count]
    lost = np.abs(off.reshape(-1)[: count // 160 * 160].reshape(-1, 160)).max(axis=1) > 0.3
    assert lost.mean() <= (0.0 if "picture" in name else 0.02)
    assert found_damage.mended_stamps > 0
    info, true = media.probe(copy), media.probe(film)
    assert info.start_seconds == pytest.approx(true.start_seconds, abs=0.2)
    assert info.duration_seconds == pytest.approx(true.duration_seconds, abs=0.5)


@pytest.mark.parametrize("name", ["a sound ahead", "a picture back", "sound stands", "hours ahead"])
def test_a_live_source_is_mended_alike(film: Path, tmp_path: Path, name: str) -> None:
    copy = restamped(film, tmp_path / film.name, CHANGES[name])
    times, start, stop, _ = read_live(film)
    with piped(copy.read_bytes()) as pipe:
        for source in (copy, pipe):
            found, found_start, found_stop, mended = read_live(source)
            assert found == pytest.approx(times, abs=0.05)
            assert (found_start, found_stop) == pytest.approx((start, stop), abs=0.05)
            assert mended > 0


@pytest.mark.parametrize("stated", [0.1, 2.0, 60.0, 90_000.0])
def test_a_header_is_a_hint(film: Path, tmp_path: Path, stated: float) -> None:
    if film.suffix != ".flv":
        pytest.skip("MPEG-TS states no duration")
    copy = flv_that_states(film, tmp_path / film.name, stated)
    info, true = media.probe(copy), media.probe(film)
    assert info.duration_seconds == pytest.approx(true.duration_seconds, abs=0.3)
    part = [view.time_seconds for view in media.iter_views(copy, rate_hz=1, start_seconds=4.0)]
    assert part == [v.time_seconds for v in media.iter_views(film, rate_hz=1, start_seconds=4.0)]


def test_a_long_header_of_a_long_film_is_refuted_by_its_size(tmp_path: Path) -> None:
    film = write_media(
        tmp_path / "a.flv",
        times=steady(500),
        sound=tone(20.0, 44_100),
        sound_codec="aac",
        sound_rate=44_100,
    )
    copy = flv_that_states(film, tmp_path / "b.flv", 50_000.0)
    assert media.probe(copy).duration_seconds == pytest.approx(20.0, abs=0.3)


def test_a_seek_before_damage_reads_from_the_start(film: Path, tmp_path: Path) -> None:
    copy = restamped(film, tmp_path / film.name, CHANGES["pictures stand"])
    whole = [frame.time_seconds for frame in media.iter_frames(copy)]
    part = [frame.time_seconds for frame in media.iter_frames(copy, start_seconds=5.0)]
    assert part == pytest.approx([time for time in whole if time >= 5.0])


def test_measured_span(film: Path) -> None:
    times, _, _ = read(film)
    first, last = media.measured_span(film) or (0.0, 0.0)
    assert first == pytest.approx(times[0], abs=0.1)
    assert last == pytest.approx(times[-1] + 0.04, abs=0.15)


def cluster(first: float, last: float, off: float) -> Change:
    """All stamps of a stretch of time are off, as those of one cluster would be."""
    return lambda _, __, stamp: stamp + off * (first <= stamp < last)


@pytest.mark.parametrize("off", [49.0, 3.0, -20.0, 5000.0])
@pytest.mark.parametrize("seconds", [0.8, 3.0])
def test_a_whole_run_of_stamps_is_mended(
    film: Path, tmp_path: Path, off: float, seconds: float
) -> None:
    times, (start, samples), _ = read(film)
    copy = restamped(film, tmp_path / film.name, cluster(2.0, 2.0 + seconds, off))
    found, (found_start, found_samples), damage = read(copy)
    assert found == pytest.approx(times, abs=0.05)
    assert found_start == pytest.approx(start, abs=0.01)
    assert len(found_samples) == pytest.approx(len(samples), abs=0.1 * RATE)
    assert damage.mended_stamps > 20
    live = read_live(str(copy))
    assert live[0] == pytest.approx(times, abs=0.05)
    assert live[1:3] == pytest.approx(read_live(str(film))[1:3], abs=0.05)
    assert live[3] == pytest.approx(damage.mended_stamps, abs=2)
    length = media.probe(film).duration_seconds
    assert media.probe(copy).duration_seconds == pytest.approx(length, abs=0.5)


def test_packets_before_the_end_of_a_run_are_not_lost_where_the_source_breaks_off(
    film: Path, tmp_path: Path
) -> None:
    copy = restamped(film, tmp_path / film.name, cluster(3.0, 9.0, 49.0))
    with av.open(str(copy)) as container:
        whole = [packet for packet in container.demux() if packet.size]

        def broken() -> Iterator[Any]:
            yield from whole
            raise MediaUnreadableError("broke off")

        came = unbroken(broken())
        assert len(list(islice(came, len(whole)))) == len(whole)
        with pytest.raises(MediaUnreadableError, match="broke off"):
            next(came)


def test_a_clock_that_leaps_for_good_is_left_alone(film: Path, tmp_path: Path) -> None:
    times, _, _ = read(film)
    copy = restamped(film, tmp_path / film.name, lambda _, __, stamp: stamp + 40 * (stamp >= 3.0))
    found, _, damage = read(copy)
    assert [time for time in found if time < 2.8] == [time for time in times if time < 2.8]
    late = [time + 40 for time in times if time > 3.3]
    assert [time for time in found if time > 43.3] == pytest.approx(late, abs=1e-3)
    assert damage.mended_stamps <= 4  # pictures that change places there
