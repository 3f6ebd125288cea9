"""A picture stands while there is sound; a long stretch with neither is a gap without windows."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from facevoice import media
from facevoice.evidence import EvidenceReader, EvidenceWindow, Feeder, Plan, film_plan
from facevoice.media import PAUSE_SECONDS, LiveInput, Wanted, opening
from facevoice.samples import SAMPLE
from facevoice.types import UInt8Array
from support.joined_clips import SOUND_RATE, write_film
from support.live_sources import piped
from support.media_files import write_media
from support.restamped import restamped

SHOWN = 1.0  # seconds of pictures on either side of the break
LONG = PAUSE_SECONDS + 40


@pytest.fixture(scope="module")
def reader() -> EvidenceReader:
    return EvidenceReader(threads=1)


@pytest.fixture(scope="module")
def pictures() -> list[UInt8Array]:
    return [frame.image[::2, ::2] for frame in media.iter_frames(SAMPLE, stop_seconds=SHOWN)]


def film(path: Path, pictures: list[UInt8Array], pause: float, heard: float | None) -> Path:
    """Pictures, nothing new for so long, and pictures; sound for as long as it is heard."""
    steps = np.arange(len(pictures)) / 25
    times = [*steps, *(steps + SHOWN + pause)]
    sound = None if heard is None else np.full(round(heard * SOUND_RATE), 0.01, np.float32)
    return write_film(path, [*pictures, *pictures], times, sound)


def plan_of(path: Path) -> Plan:
    """Without a length, so that no process is started for it."""
    return replace(film_plan(media.probe(path), 3.0, 3.0, None, None), stop=None)


def read(reader: EvidenceReader, path: Path) -> list[EvidenceWindow]:
    return list(reader.film(path, plan_of(path)))


def read_live(reader: EvidenceReader, path: Path) -> list[EvidenceWindow]:
    plan = plan_of(path)
    feeder = Feeder(reader.maker(plan, follow=True))
    with piped(path.read_bytes()) as pipe:
        arrivals = LiveInput(opening(pipe), Wanted(plan.rate_hz, real_time=False))
        arrivals.opened()
        made = [window for arrival in arrivals for window in feeder.take(arrival)]
        made += feeder.end()
        arrivals.close()
    return made


def seen(windows: list[EvidenceWindow]) -> float:
    return sum(sight.seconds for window in windows for sight in window.sights)


@pytest.mark.parametrize(
    ("pause", "heard", "stands"),
    [
        (LONG, None, False),
        (LONG, SHOWN, False),
        (LONG, 2 * SHOWN + LONG, True),
        (LONG, SHOWN + LONG - PAUSE_SECONDS + 5, True),  # the rest is shorter
        (PAUSE_SECONDS - 10, SHOWN, True),
    ],
)
def test_timeline_and_live_agree_on_pauses(
    reader: EvidenceReader,
    pictures: list[UInt8Array],
    tmp_path: Path,
    pause: float,
    heard: float | None,
    stands: bool,
) -> None:
    path = film(tmp_path / "film.mkv", pictures, pause, heard)
    made = read(reader, path)
    if stands:
        assert seen(made) == pytest.approx(2 * SHOWN + pause, abs=0.3)
        assert len(made) >= pause / 3
    else:
        assert seen(made) == pytest.approx(2 * SHOWN, abs=0.5)
        assert len(made) <= 4
    live = read_live(reader, path)
    assert [(w.start_seconds, list(w.faces)) for w in live] == [
        (w.start_seconds, list(w.faces)) for w in made
    ]


@pytest.mark.parametrize(("heard", "lasts"), [(None, 60.0), (30.0, 60.0), (90.0, 90.0)])
def test_a_single_picture_stands_for_a_minute_or_with_the_sound(
    reader: EvidenceReader,
    pictures: list[UInt8Array],
    tmp_path: Path,
    heard: float | None,
    lasts: float,
) -> None:
    path = tmp_path / "one.mp4"
    sound = None if heard is None else np.full(round(heard * 16_000), 0.01, np.float32)
    write_media(path, times=[0.0], sound=sound, sound_codec="aac")
    content = bytearray(path.read_bytes())
    lasting = content.index(b"stts") + 16  # of the first sample of the first track
    content[lasting : lasting + 4] = (256 * 90_000).to_bytes(4, "big")
    path.write_bytes(content)
    assert read(reader, path)[-1].stop_seconds == pytest.approx(lasts, abs=0.2)


def test_slides_stand_without_sound(
    reader: EvidenceReader, pictures: list[UInt8Array], tmp_path: Path
) -> None:
    path = write_film(tmp_path / "slides.mkv", pictures[:3], [0.0, LONG, 2 * LONG], None)
    made = read(reader, path)
    assert seen(made) == pytest.approx(3 * LONG, abs=1.0)


def test_a_last_picture_that_is_far_off_is_put_back(
    reader: EvidenceReader, pictures: list[UInt8Array], tmp_path: Path
) -> None:
    whole = film(tmp_path / "whole.mkv", pictures[:5], 0.2 - SHOWN, None)
    twin = tmp_path / "whole.ts"
    with av.open(str(whole)) as source, av.open(str(twin), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    copy = restamped(
        twin, tmp_path / "off.ts", lambda _, number, stamp: stamp + 93.0 * (number == 9)
    )
    (one,), (other,) = (list(reader.clip(path)) for path in (twin, copy))
    assert other.start_seconds == one.start_seconds
    assert other.stop_seconds == pytest.approx(one.stop_seconds, abs=0.1)
    assert other.damage.mended_stamps == 1


def test_a_clip_is_one_window_whatever_its_length_was_taken_for(
    reader: EvidenceReader, pictures: list[UInt8Array], tmp_path: Path
) -> None:
    path = write_film(tmp_path / "clip.mkv", pictures, list(np.arange(len(pictures)) / 25), None)
    info = media.probe(path)
    (right,) = reader.clip(path)
    for stated in (0.1, 0.3, 9.0):
        (found,) = reader.clip(path, info=replace(info, duration_seconds=stated))
        assert found.stop_seconds == right.stop_seconds
        assert found.face_seconds == pytest.approx(right.face_seconds, abs=0.1)
