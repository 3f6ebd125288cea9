"""Pictures: selection, times, orientation and failures."""

import gc
import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from facevoice import media
from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.media import pixels
from facevoice.types.damage import Damage
from support.media_files import SIZE, damaged, number_in, numbered, steady, write_media

ONE, W = 1 << 16, 1 << 30
WIDTH, HEIGHT = SIZE


def seen(path: Path, **options: Any) -> list[tuple[int, float]]:
    return [(number_in(f.image), f.time_seconds) for f in media.iter_frames(path, **options)]


def numbers(path: Path, **options: Any) -> list[int]:
    return [number for number, _ in seen(path, **options)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 pictures at 25 Hz with B-frames and a key frame every half second."""
    return write_media(tmp_path_factory.mktemp("film") / "film.mp4", times=steady(250))


def test_every_picture_once_with_its_time(film: Path) -> None:
    found = seen(film)
    assert [n for n, _ in found] == list(range(250))
    assert [t for _, t in found] == pytest.approx(steady(250), abs=1e-6)


@pytest.mark.parametrize("rate", [1, 5, 7.5, 10, 25, 60])
def test_rate_takes_the_first_picture_at_or_after_each_instant(film: Path, rate: float) -> None:
    instants = (k / rate for k in range(math.ceil(10 * rate)))
    wanted = dict.fromkeys(math.ceil(t * 25 - 1e-6) for t in instants)
    assert numbers(film, rate_hz=rate) == [n for n in wanted if n < 250]


def test_a_picture_for_two_instants_is_given_once(tmp_path: Path) -> None:
    times = [0.0, 0.1, 1.05, 1.1, 1.2]
    path = write_media(tmp_path / "vfr.mkv", times=times)
    assert numbers(path, rate_hz=5) == [0, 2, 4]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_variable_frame_rate_and_a_late_start_are_kept(tmp_path: Path, suffix: str) -> None:
    times = [5.0, 5.04, 5.2, 5.21, 6.0, 6.5, 6.52]
    path = write_media(tmp_path / f"vfr.{suffix}", times=times)
    shift = media.probe(path).start_seconds - 5.0
    assert shift == pytest.approx(0 if suffix != "ts" else shift, abs=1e-3)
    found = seen(path)
    assert [n for n, _ in found] == list(range(7))
    assert [t for _, t in found] == pytest.approx([t + shift for t in times], abs=1e-3)


def test_negative_times_are_kept(tmp_path: Path) -> None:
    path = write_media(tmp_path / "early.mkv", codec="mpeg4", times=steady(10, start=-0.2))
    assert seen(path)[0][1] == pytest.approx(-0.2, abs=1e-6)
    assert media.probe(path).start_seconds == pytest.approx(-0.2, abs=1e-6)
    assert numbers(path, start_seconds=0.0) == [5, 6, 7, 8, 9]


def test_pictures_without_stamps_follow_each_other(tmp_path: Path) -> None:
    path = write_media(tmp_path / "bare.h264", times=steady(10))
    found = seen(path)
    assert [n for n, _ in found] == list(range(10))
    steps = np.diff([t for _, t in found])
    assert found[0][1] == 0
    assert np.allclose(steps, steps[0])
    assert steps[0] > 0


def test_joined_recordings_continue_when_the_clock_restarts(tmp_path: Path) -> None:
    part = write_media(tmp_path / "part.ts", times=steady(60)).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    found = seen(path)
    times = [t for _, t in found]
    assert len(found) >= 115
    assert np.all(np.diff(times) > 0)
    assert times[-1] - times[0] == pytest.approx(119 / 25, abs=0.3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("start", [0.0, 0.52, 3.1, 7.0, 9.96])
def test_seeking_gives_the_same_as_reading_from_the_start(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, start: float
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"seek.{suffix}"
    if not path.exists():
        codec = "mpeg4" if suffix == "avi" else "libx264"
        write_media(path, times=steady(250), codec=codec)
    through = seen(path)
    start += through[0][1]
    span = {"start_seconds": start, "stop_seconds": start + 0.4}
    wanted = [(n, t) for n, t in through if start - 1e-6 <= t < start + 0.4 - 1e-6]
    assert wanted
    assert seen(path, **span) == wanted


def test_seeking_where_key_frames_are_rare(tmp_path: Path) -> None:
    path = write_media(tmp_path / "rare.mp4", times=steady(250), gop=250)
    assert numbers(path, start_seconds=9.0, rate_hz=5) == [225, 230, 235, 240, 245]


def test_consecutive_spans_share_no_picture(film: Path) -> None:
    bounds = [0, 1.234, 5.0, 5.04, 8.88, 11]
    parts = [
        number
        for a, b in itertools.pairwise(bounds)
        for number in numbers(film, start_seconds=a, stop_seconds=b)
    ]
    assert parts == list(range(250))
    assert numbers(film, start_seconds=99) == []


ORIENTATIONS: dict[str, tuple[tuple[int, ...], Any]] = {
    "upright": ((ONE, 0, 0, 0, ONE, 0, 0, 0, W), lambda x: x),
    "clockwise": ((0, ONE, 0, -ONE, 0, 0, 0, 0, W), lambda x: np.rot90(x, -1)),
    "anticlockwise": ((0, -ONE, 0, ONE, 0, 0, 0, 0, W), np.rot90),
    "half turn": ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, W), lambda x: np.rot90(x, 2)),
    "mirrored": ((-ONE, 0, 0, 0, ONE, 0, 0, 0, W), lambda x: x[:, ::-1]),
    "mirrored and turned": ((0, ONE, 0, ONE, 0, 0, 0, 0, W), lambda x: x.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_display_matrix_is_applied(tmp_path: Path, name: str) -> None:
    matrix, turn = ORIENTATIONS[name]
    path = write_media(tmp_path / "turned.mp4", times=steady(3), matrix=matrix)
    frame = next(media.iter_frames(path))
    wanted = turn(numbered(0))
    assert frame.image.shape == wanted.shape
    assert np.abs(frame.image.astype(int) - wanted).mean() < 12  # chroma is subsampled and lossy
    info = media.probe(path)
    assert (info.height, info.width) == wanted.shape[:2]


def test_pixels_become_square_without_loss(tmp_path: Path) -> None:
    path = write_media(tmp_path / "wide.mkv", times=steady(2), ratio=Fraction(2))
    assert next(media.iter_frames(path)).image.shape == (HEIGHT, 2 * WIDTH, 3)
    assert media.probe(path).width == 2 * WIDTH


def test_a_film_without_sound_and_sound_without_film(film: Path, tmp_path: Path) -> None:
    sound = write_media(tmp_path / "voice.wav", sound=np.zeros(16_000))
    assert list(media.iter_frames(sound)) == []
    assert media.read_waveform(film, rate_hz=16_000) is None
    assert list(media.iter_waveform(film, rate_hz=16_000, window_seconds=1)) == []


def test_closing_early_closes_the_file(film: Path) -> None:
    process = psutil.Process()
    frames = media.iter_frames(film)
    next(frames)
    assert film.resolve() in {Path(file.path) for file in process.open_files()}
    frames.close()
    assert film.resolve() not in {Path(file.path) for file in process.open_files()}


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = write_media(tmp_path / "long.mkv", times=steady(400), codec="mpeg4", size=(640, 480))
    process = psutil.Process()
    for count, _ in enumerate(media.iter_frames(path)):
        if count == 200:
            early = process.memory_info().rss
    grown = process.memory_info().rss - early
    assert grown < 90e6  # the last 200 pictures would be 184 MB


def test_a_file_cut_short_gives_its_intact_pictures(film: Path, tmp_path: Path) -> None:
    path = write_media(tmp_path / "whole.mkv", times=steady(100))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found = seen(path)
    assert 20 < len(found) < 90
    assert [n for n, _ in found[:20]] == list(range(20))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_never_crash(
    tmp_path: Path, suffix: str, seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_media(tmp_path / f"a.{suffix}", times=steady(50), codec=codec)
    copy = damaged(path, tmp_path / f"b.{suffix}", flips=200, after=500, seed=seed)
    try:
        times = [frame.time_seconds for frame in media.iter_frames(copy)]
        media.probe(copy)
    except MediaUnreadableError:
        times = []
    assert np.all(np.diff(times) > 0)
    assert capfd.readouterr() == ("", "")


def test_no_stamp_of_reordered_pictures_in_avi_counts_as_damaged(tmp_path: Path) -> None:
    """AVI has no presentation stamps, and those that FFmpeg guesses run back and forth."""
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        stream.options = {"x264-params": "bframes=2:b-adapt=0"}
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * number, np.uint8))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        guessed = [frame.pts for frame in container.decode(video=0)]
    assert guessed != sorted(guessed)
    found: list[Damage] = []
    views = list(media.iter_views(path, rate_hz=25.0, damaged=found.append))
    assert len(views) == 40
    assert not found


def test_a_span_and_a_rate_are_checked_at_once(film: Path) -> None:
    for options in ({"rate_hz": 0}, {"rate_hz": math.nan}, {"start_seconds": math.inf}):
        with pytest.raises(InvalidInputError):
            media.iter_frames(film, **options)
    with pytest.raises(InvalidInputError, match="ends before it starts"):
        media.iter_frames(film, start_seconds=2, stop_seconds=1)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_still_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((10, 20), 0xCC40, np.uint16))
    else:
        image = Image.new("RGB", (20, 10), (204, 204, 204)).convert(mode)
    path = tmp_path / ("still.jpg" if mode == "CMYK" else "still.png")
    image.save(path)
    (frame,) = media.iter_frames(path, rate_hz=5)
    assert frame.time_seconds == 0
    assert frame.image.shape == (10, 20, 3)
    assert mode == "1" or np.abs(frame.image.astype(int) - 204).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255  # a bright corner distinguishes all eight orientations
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    wanted = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored),
    }[orientation]
    (frame,) = media.iter_frames(tmp_path / "a.png")
    assert np.array_equal(frame.image, wanted)
    info = media.probe(tmp_path / "a.png")
    assert (info.kind, info.height, info.width) == ("image", *wanted.shape[:2])


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_only_the_first_picture_of_an_animation_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving.{suffix}"
    pictures = [Image.new("RGB", (32, 24), colour) for colour in ("red", "lime", "blue")]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    (frame,) = media.iter_frames(path)
    assert np.abs(frame.image.astype(int) - (255, 0, 0)).max() < 20
    assert media.probe(path).kind == "image"
    assert media.read_waveform(path, rate_hz=16_000) is None


@pytest.mark.parametrize("read", [media.iter_frames, media.iter_views])
def test_pictures_are_freed_once_they_are_read(film: Path, read: Any) -> None:
    """Reading side data ties a picture into a reference cycle: hundreds would accumulate."""
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in read(film, rate_hz=25.0)) == 250
        alive = sum(isinstance(each, VideoFrame) for each in gc.get_objects())
    finally:
        gc.enable()
    assert alive < 20


@pytest.mark.parametrize("read", [media.iter_frames, media.iter_views])
def test_the_side_data_of_a_film_is_read_once(
    film: Path, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[VideoFrame] = []
    orientation = pixels._orientation
    monkeypatch.setattr(pixels, "_orientation", lambda p: asked.append(p) or orientation(p))
    assert sum(1 for _ in read(film, rate_hz=5.0, stop_seconds=1.0)) >= 5
    assert len(asked) == 1
