"""Sound whose sampling rate or channels change in mid-stream, beside the sound of both parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facevoice import media
from facevoice.media import LiveInput, Wanted, opening
from facevoice.media.ogg import Part, link_bounds
from facevoice.types import Waveform
from support.media_files import tone, write_media

RATE = 16_000
SECONDS = 2.0


def part(path: Path, codec: str, rate: int, channels: int, hertz: float) -> Path:
    sound: Any = np.tile(tone(SECONDS, rate, hertz), (channels, 1))
    layout = "stereo" if channels > 1 else "mono"
    return write_media(path, sound=sound, sound_codec=codec, sound_rate=rate, sound_layout=layout)


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(one.read_bytes() for one in parts))
    return path


def loud_hertz(samples: Any) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


@pytest.mark.parametrize(
    ("suffix", "codec", "first", "second"),
    [
        ("ogg", "flac", (44_100, 1), (22_050, 2)),
        ("ogg", "flac", (16_000, 2), (48_000, 1)),
        ("ogg", "libopus", (48_000, 1), (48_000, 2)),
        ("ogg", "libopus", (48_000, 2), (16_000, 2)),
        ("mp3", "libmp3lame", (44_100, 2), (24_000, 1)),
        ("mp3", "libmp3lame", (22_050, 1), (48_000, 2)),
        ("aac", "aac", (44_100, 1), (22_050, 2)),
        ("ts", "mp2", (48_000, 1), (32_000, 2)),
        ("ts", "aac", (22_050, 2), (48_000, 2)),
    ],
)
def test_both_parts_are_heard(
    tmp_path: Path, suffix: str, codec: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    parts = (
        part(tmp_path / f"a.{suffix}", codec, *first, 440.0),
        part(tmp_path / f"b.{suffix}", codec, *second, 1_000.0),
    )
    alone = [media.read_waveform(one, rate_hz=RATE) for one in parts]
    film = joined(tmp_path / f"both.{suffix}", *parts)
    whole = media.read_waveform(film, rate_hz=RATE)
    assert whole is not None
    length = sum(one.duration_seconds for one in alone if one is not None)
    assert whole.duration_seconds == pytest.approx(length, abs=0.12)  # coders pad
    loud = np.abs(whole.samples.reshape(-1)[: len(whole.samples) // 1600 * 1600].reshape(-1, 1600))
    assert (loud.max(axis=1)[1:-1] > 0.2).mean() > 0.95  # no part of it is silent
    middle = len(whole.samples) // 2
    margin = round(0.3 * RATE)
    assert loud_hertz(whole.samples[margin : middle - margin]) == pytest.approx(440, rel=0.01)
    assert loud_hertz(whole.samples[middle + margin : -margin]) == pytest.approx(1000, rel=0.01)
    if suffix == "ogg":  # others state durations by the first rate
        assert media.probe(film).duration_seconds == pytest.approx(length, abs=0.3)


def test_a_part_of_a_chain_is_that_of_the_whole(tmp_path: Path) -> None:
    parts = [part(tmp_path / f"{r}.ogg", "flac", r, 1, r / 50) for r in (44_100, 22_050, 8_000)]
    film = joined(tmp_path / "chain.ogg", *parts)
    whole = media.read_waveform(film, rate_hz=RATE)
    piece = media.read_waveform(film, rate_hz=RATE, start_seconds=3.0, stop_seconds=5.0)
    assert whole is not None
    assert piece is not None
    assert whole.duration_seconds == pytest.approx(3 * SECONDS, abs=0.01)
    assert np.array_equal(piece.samples, whole.samples[3 * RATE : 5 * RATE])


def test_links_are_found_behind_damage(tmp_path: Path) -> None:
    parts = [part(tmp_path / f"{r}.ogg", "flac", r, 1, 440.0) for r in (16_000, 8_000)]
    first, second = (one.read_bytes() for one in parts)
    path = tmp_path / "chain.ogg"
    path.write_bytes(first + b"damaged" * 30_000 + second)
    (start, stop), (again, end) = link_bounds(path)
    assert (start, stop, again) == (0, again, len(first) + 210_000)
    with Part(path, again, end) as link:
        assert link.read() == second
        assert link.seek(-5, 2) == len(second) - 5
        assert link.read(99) == second[-5:]
    assert len(link_bounds(parts[0])) == 1
    assert link_bounds(write_media(tmp_path / "a.wav", sound=tone(0.1, RATE))) == []


def test_a_chain_is_heard_live(tmp_path: Path) -> None:
    parts = [part(tmp_path / f"{r}.ogg", "flac", r, 1, 440.0) for r in (44_100, 22_050, 8_000)]
    live = LiveInput(opening(joined(tmp_path / "chain.ogg", *parts)), Wanted(4.0))
    live.opened()
    heard = [arrival.content for arrival in live if isinstance(arrival.content, Waveform)]
    assert {sound.rate_hz for sound in heard} == {44_100, 22_050, 8_000}
    assert sum(sound.duration_seconds for sound in heard) == pytest.approx(3 * SECONDS, abs=0.01)
    assert heard[-1].stop_seconds == pytest.approx(3 * SECONDS, abs=0.01)
