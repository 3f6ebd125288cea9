"""Films with long stretches that hold nothing, through predict, timeline and live."""

from pathlib import Path

import pytest

from facevoice import live
from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import InvalidInputError
from facevoice.predict import Predictor
from facevoice.timeline import timeline
from facevoice.timeline.summary import Cores
from support.media_files import steady, tone, write_media
from support.restamped import flv_that_states, restamped
from support.written_timelines import row

RATE = 16_000
SECONDS = 4.0


@pytest.fixture(scope="module")
def bundle(toy_bundle: Path) -> Bundle:
    return load_bundle(toy_bundle, threads=1)


def film(path: Path, sound_start: float, picture_start: float = 0.0) -> Path:
    return write_media(
        path,
        times=steady(100, start=picture_start),
        sound=tone(SECONDS, RATE),
        sound_start=sound_start,
    )


def spans(rows):
    return sorted({(row.start_seconds, row.stop_seconds) for row in rows})


@pytest.mark.parametrize(("start", "hop"), [(600.0, 3.0), (18_000.0, 1.0)])
def test_an_empty_stretch_makes_no_rows(
    tmp_path: Path, bundle: Bundle, start: float, hop: float
) -> None:
    path = film(tmp_path / "gap.mkv", sound_start=start)
    found = timeline(path, bundle, hop=hop)
    assert found.stop_seconds == pytest.approx(start + SECONDS, abs=0.05)
    assert len(found.rows) <= 12 / hop
    for begin, end in spans(found.rows):
        assert begin < SECONDS or end > start
    lived = list(live(path, bundle, hop=hop))
    assert spans(lived) == spans(found.rows)
    piped = list(live(path.open("rb"), bundle, hop=hop))
    assert spans(piped) == spans(found.rows)
    prediction = Predictor(bundle)(path)
    assert prediction.windows <= 5
    assert prediction.stop_seconds == pytest.approx(start + SECONDS, abs=0.05)


@pytest.mark.parametrize("gap", [400.0, 8_000.0])
def test_a_film_may_be_interrupted(tmp_path: Path, bundle: Bundle, gap: float) -> None:
    source = write_media(
        tmp_path / "a.flv",
        times=steady(150, start=0.5),
        sound=tone(6.0, 44_100),
        sound_codec="aac",
        sound_rate=44_100,
        sound_start=0.5,
    )
    path = restamped(source, tmp_path / "b.flv", lambda _, __, at: at + gap * (at > 3.5))
    found = timeline(path, bundle)
    assert len(found.rows) <= 12
    assert spans(live(path, bundle)) == spans(found.rows)
    assert Predictor(bundle)(path).windows <= 5


@pytest.mark.parametrize(
    ("picture", "sound"), [(1e8, 0.0), (0.0, 1e8), (1.7e9, 3.0), (100_000.0, 0.0)]
)
def test_streams_that_share_no_clock_are_joined(
    tmp_path: Path, bundle: Bundle, picture: float, sound: float
) -> None:
    twin = Predictor(bundle)(film(tmp_path / "twin.mkv", 0.0))
    path = film(tmp_path / "far.mkv", sound, picture)
    found = Predictor(bundle)(path)
    first = min(picture, sound)
    assert found.start_seconds == pytest.approx(first, abs=0.05)
    assert found.stop_seconds == pytest.approx(first + SECONDS, abs=0.05)
    assert found.windows == twin.windows == 1
    assert found.damage.mended_stamps == 1
    assert found.evidence.speech_seconds == twin.evidence.speech_seconds
    assert found.duration_seconds == pytest.approx(SECONDS, abs=0.2)
    rows = timeline(path, bundle).rows
    assert spans(rows) == spans(live(path, bundle))
    assert len(rows) <= 3


def test_a_clock_that_both_streams_share_may_start_late(tmp_path: Path, bundle: Bundle) -> None:
    found = Predictor(bundle)(film(tmp_path / "late.mkv", 1e8, 1e8))
    assert (found.start_seconds, found.windows) == (pytest.approx(1e8, abs=0.05), 1)
    assert found.damage.mended_stamps == 0


def test_a_part_behind_a_wrong_header_is_read(tmp_path: Path, bundle: Bundle) -> None:
    source = write_media(
        tmp_path / "a.flv",
        times=steady(150, start=0.5),
        sound=tone(6.0, 44_100),
        sound_start=0.5,
        sound_codec="aac",
        sound_rate=44_100,
    )
    short = flv_that_states(source, tmp_path / "short.flv", 0.1)
    long = flv_that_states(source, tmp_path / "long.flv", 900.0)
    predictor = Predictor(bundle)
    whole = predictor(source)
    for path in (short, long):
        found = predictor(path)
        assert found.windows == whole.windows
        assert found.evidence.speech_seconds == whole.evidence.speech_seconds
        part = predictor(path, start_seconds=3.0, stop_seconds=5.0)
        assert (part.start_seconds, part.stop_seconds) == (3.0, 5.0)
        with pytest.raises(InvalidInputError, match=r"nothing lies between 50\.0 and the end"):
            predictor(path, start_seconds=50.0)
        with pytest.raises(InvalidInputError, match="nothing lies between"):
            timeline(path, bundle, start=50.0, stop=60.0)


def test_a_part_in_an_empty_stretch_holds_nothing(tmp_path: Path, bundle: Bundle) -> None:
    path = film(tmp_path / "gap.mkv", sound_start=600.0)
    with pytest.raises(InvalidInputError, match=r"between 100\.0 and 200\.0"):
        Predictor(bundle)(path, start_seconds=100.0, stop_seconds=200.0)


def test_no_segment_reaches_into_an_empty_stretch() -> None:
    rows = [row(start, None, ("a", "b"), 0, voice=True) for start in (0.0, 1.0, 600.0)]
    cores = Cores(rows, {})
    assert [cores.of(each) for each in rows] == [(0.0, 2.0), (2.0, 4.0), (600.0, 603.0)]
