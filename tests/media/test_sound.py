"""Sound: times, rates, mixing and failures."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soxr
from scipy.signal import resample_poly

from facevoice import media
from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.types import Waveform
from support.media_files import damaged, steady, tone, write_media

RATE = 16_000


def read(path: Path, rate: int = RATE, **options: Any) -> Waveform:
    wave = media.read_waveform(path, rate_hz=rate, **options)
    assert wave is not None
    return wave


def windows(path: Path, seconds: float, **options: Any) -> list[Waveform]:
    return list(media.iter_waveform(path, rate_hz=RATE, window_seconds=seconds, **options))


def onset(wave: Waveform) -> float:
    """Presentation time of the first loud sample."""
    return wave.start_seconds + float(np.argmax(np.abs(wave.samples) > 0.3)) / wave.rate_hz


def click_at(seconds: float, length: float, rate: int) -> Any:
    """Silence with a burst of tone at ``seconds``."""
    sound = np.zeros(round(length * rate))
    burst = tone(0.1, rate, 1000)
    sound[round(seconds * rate) :][: len(burst)] = burst * 1.6
    return sound


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s of noise at 44.1 kHz; all samples differ, which reveals a seam or a shift."""
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, 441_000)
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    return write_media(path, sound=noise, sound_rate=44_100)


def native(path: Path) -> Any:
    return read(path, rate=44_100).samples


def test_native_rate_is_untouched(voice: Path) -> None:
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, 441_000)
    assert np.abs(native(voice) - noise).max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_the_stream_equals_soxr_in_one_piece(voice: Path, rate: int) -> None:
    wanted = soxr.resample(native(voice), 44_100, rate)
    found = read(voice, rate=rate)
    assert found.start_seconds == 0
    assert len(found.samples) == pytest.approx(10 * rate, abs=1)
    length = min(len(wanted), len(found.samples))
    assert np.abs(found.samples[:length] - wanted[:length]).max() < 1e-5


def test_resampling_agrees_with_scipy_in_the_pass_band(tmp_path: Path) -> None:
    sound = tone(2, 48_000, 1000)
    path = write_media(tmp_path / "a.wav", sound=sound, sound_rate=48_000)
    wanted = resample_poly(sound.astype("f8"), 1, 3)
    assert np.abs(read(path).samples - wanted)[500:-500].max() < 1e-3


@pytest.mark.parametrize("seconds", [0.1, 0.33337, 1.0, 3.0, 1000.0])
def test_joined_windows_equal_the_whole(voice: Path, seconds: float) -> None:
    whole = read(voice)
    parts = windows(voice, seconds)
    assert np.abs(np.concatenate([p.samples for p in parts]) - whole.samples).max() < 1e-4
    for number, part in enumerate(parts):
        assert part.start_seconds == pytest.approx(number * seconds, abs=0.5001 / RATE)
        assert part.duration_seconds <= seconds + 1 / RATE


@pytest.mark.parametrize("start", [0.5, 2.7, 4.0, 8.123])
@pytest.mark.parametrize("suffix", ["wav", "mkv", "flac"])
def test_a_span_equals_that_part_of_the_whole(tmp_path: Path, suffix: str, start: float) -> None:
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, 441_000)
    codec = "flac" if suffix == "flac" else "pcm_s16le"
    path = tmp_path / f"a.{suffix}"
    write_media(path, sound=noise, sound_codec=codec, sound_rate=44_100)
    part = read(path, start_seconds=start, stop_seconds=start + 1)
    first = round(start * RATE)
    assert part.start_seconds == pytest.approx(first / RATE)
    wanted = read(path).samples[first : first + RATE]
    # Matroska rounds stamps to milliseconds: 9 samples of sound may lie between the two
    assert len(part.samples) == RATE
    if suffix != "mkv":
        assert np.abs(part.samples - wanted).max() < 1e-4


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("mov", "pcm_s16le", 44_100),
        ("mkv", "pcm_s16le", 48_000),
        ("mp4", "aac", 44_100),
        ("mkv", "aac", 48_000),
        ("ts", "aac", 48_000),
        ("webm", "libopus", 48_000),
        ("mp4", "libmp3lame", 44_100),
    ],
)
def test_late_sound_keeps_its_time(tmp_path: Path, suffix: str, codec: str, rate: int) -> None:
    """A click 1 s into sound that starts half a second after the pictures."""
    path = tmp_path / f"late.{suffix}"
    write_media(
        path,
        times=steady(50),
        codec="libvpx" if suffix == "webm" else "libx264",
        sound=click_at(1.0, 2.0, rate),
        sound_codec=codec,
        sound_rate=rate,
        sound_start=0.5,
    )
    pictures = next(media.iter_frames(path)).time_seconds
    coder = 0.0 if codec.startswith("pcm") else 1.5e-3  # a coder smears a click, MP3 in MP4 by 1 ms
    assert onset(read(path)) - pictures == pytest.approx(1.5, abs=1e-3 + coder)
    first = windows(path, 1.0, origin_seconds=pictures)
    assert first[0].start_seconds == pytest.approx(pictures, abs=1 / RATE)
    assert not first[0].samples[: round(0.4 * RATE)].any()
    assert onset(first[1]) - pictures == pytest.approx(1.5, abs=1e-3 + coder)


def test_windows_without_sound_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "late.mov"
    write_media(path, times=steady(100), sound=tone(1.0, RATE), sound_start=2.5)
    found = windows(path, 0.4)
    assert [w.start_seconds for w in found] == pytest.approx([2.4, 2.8, 3.2])
    assert [w.duration_seconds for w in found] == pytest.approx([0.4, 0.4, 0.3])
    assert not found[0].samples[: round(0.1 * RATE)].any()
    assert found[0].samples[round(0.1 * RATE) + 2 :].any()
    cut = windows(path, 0.4, start_seconds=2.5, stop_seconds=3.0, origin_seconds=0.0)
    assert [w.start_seconds for w in cut] == pytest.approx([2.5, 2.8])
    assert [w.duration_seconds for w in cut] == pytest.approx([0.3, 0.2])


def test_windows_may_precede_the_origin(voice: Path) -> None:
    found = windows(voice, 2.0, origin_seconds=3.0)
    assert [w.start_seconds for w in found] == pytest.approx([-1, 1, 3, 5, 7, 9])
    assert not found[0].samples[:RATE].any()
    assert np.array_equal(found[0].samples[RATE:], read(voice).samples[:RATE])


def test_missing_packets_become_silence(tmp_path: Path) -> None:
    sound = tone(4.0, RATE)
    path = write_media(tmp_path / "gap.mkv", sound=sound, skip=range(20, 40))
    whole = read(path)
    gap = slice(20 * 1024, 40 * 1024)
    assert whole.duration_seconds == pytest.approx(4.0, abs=2e-3)
    assert not whole.samples[gap][20:-20].any()
    assert np.abs(whole.samples - sound[: len(whole.samples)])[: gap.start].max() < 1e-4
    assert np.abs(whole.samples[gap.stop + 20 :] - sound[gap.stop + 20 :]).max() < 0.1  # 1 ms off
    held = windows(path, 0.5)  # the gap is 1.28 to 2.56 s
    assert [w.start_seconds for w in held] == pytest.approx([0, 0.5, 1.0, 2.5, 3.0, 3.5])
    assert [len(w.samples) for w in held[:-1]] == [RATE // 2] * 5


def test_a_clock_that_jumps_ahead_does_not_fill_memory(tmp_path: Path) -> None:
    part = write_media(
        tmp_path / "a.ts", sound=tone(2, 48_000), sound_codec="mp2", sound_rate=48_000
    )
    later = write_media(
        tmp_path / "b.ts",
        sound=tone(2, 48_000),
        sound_codec="mp2",
        sound_rate=48_000,
        sound_start=20_000.0,
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(part.read_bytes() + later.read_bytes() + part.read_bytes())
    assert read(path).duration_seconds == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("pcm_u8", "wav"),
        ("pcm_s16le", "wav"),
        ("pcm_s24le", "wav"),
        ("pcm_s32le", "wav"),
        ("pcm_f32le", "wav"),
        ("pcm_f64le", "wav"),
        ("pcm_s16le_planar", "nut"),
        ("flac", "flac"),
        ("aac", "m4a"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_every_sample_format_and_layout(
    tmp_path: Path, codec: str, suffix: str, layout: str
) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    sound = np.tile(tone(1.0, RATE), (channels, 1))
    path = tmp_path / f"a.{suffix}"
    write_media(path, sound=sound, sound_codec=codec, sound_layout=layout)
    found = read(path)
    loud = np.sqrt(np.mean(found.samples[2000:14_000] ** 2))
    assert loud == pytest.approx(0.5 / math.sqrt(2), rel=0.03)
    assert media.probe(path).kind == "audio"


def test_mixing_down(tmp_path: Path) -> None:
    order = ("FL", "FR", "FC", "LFE", "BL", "BR")
    loudness = {}
    for number, name in enumerate(order):
        sound = np.zeros((6, RATE))
        sound[number] = tone(1.0, RATE)
        path = tmp_path / f"{name}.wav"
        write_media(path, sound=sound, sound_codec="pcm_f32le", sound_layout="5.1")
        loudness[name] = float(np.abs(read(path).samples).max()) / 0.5
    assert loudness.pop("LFE") == pytest.approx(1, abs=1e-3)  # all that there is
    assert sum(loudness.values()) == pytest.approx(1, abs=1e-3)
    assert loudness["FC"] > loudness["FL"] > loudness["BL"] > 0
    assert loudness["FL"] == pytest.approx(loudness["FR"])


def test_values_that_are_not_finite_are_removed(tmp_path: Path) -> None:
    sound = tone(1.0, RATE)
    sound[100:110] = np.nan
    sound[200:210] = np.inf
    path = write_media(tmp_path / "a.wav", sound=sound, sound_codec="pcm_f32le")
    found = read(path).samples
    assert np.abs(found).max() <= 4
    assert np.array_equal(found[1000:], sound[1000:])


def test_empty_spans(voice: Path) -> None:
    assert windows(voice, 1.0, start_seconds=20) == []
    assert len(read(voice, start_seconds=20).samples) == 0
    assert len(read(voice, start_seconds=5, stop_seconds=5).samples) == 0


def test_arguments_are_checked_at_once(voice: Path) -> None:
    for options in ({"window_seconds": 0}, {"window_seconds": math.nan}):
        with pytest.raises(InvalidInputError):
            media.iter_waveform(voice, rate_hz=RATE, **options)
    with pytest.raises(InvalidInputError, match="rate_hz"):
        media.read_waveform(voice, rate_hz=0)
    with pytest.raises(InvalidInputError, match="origin"):
        media.iter_waveform(voice, rate_hz=RATE, window_seconds=1, origin_seconds=math.inf)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    sound = np.tile(tone(10.0, 48_000), 30)  # 5 minutes: 58 MB as float32
    path = tmp_path / "long.wav"
    write_media(path, sound=sound, sound_codec="pcm_s16le", sound_rate=48_000)
    process = psutil.Process()
    for count, _ in enumerate(media.iter_waveform(path, rate_hz=48_000, window_seconds=1.0)):
        if count == 30:
            early = process.memory_info().rss
    assert process.memory_info().rss - early < 10e6


def test_closing_early_closes_the_file(voice: Path) -> None:
    process = psutil.Process()
    sound = media.iter_waveform(voice, rate_hz=RATE, window_seconds=0.5)
    next(sound)
    assert voice.resolve() in {Path(file.path) for file in process.open_files()}
    sound.close()
    assert voice.resolve() not in {Path(file.path) for file in process.open_files()}


@pytest.mark.parametrize(
    ("suffix", "codec"), [("m4a", "aac"), ("mka", "libmp3lame"), ("ts", "mp2"), ("flac", "flac")]
)
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_never_crash(
    tmp_path: Path, suffix: str, codec: str, seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a.{suffix}"
    write_media(path, sound=tone(3, 48_000), sound_codec=codec, sound_rate=48_000)
    copy = damaged(path, tmp_path / f"b.{suffix}", flips=60, after=300, seed=seed)
    try:
        found = read(copy)
        assert np.abs(found.samples).max() <= 8
        media.probe(copy)
    except MediaUnreadableError:
        pass
    assert capfd.readouterr() == ("", "")
