"""Files without their end say so, whole ones do not."""

from pathlib import Path

import pytest

from facevoice import media
from facevoice.media.cut_short import ends_early
from facevoice.types import Damage
from support.media_files import steady, tone, write_media

PICTURES = ("mkv", "ts", "flv", "mp4")


def lost(path: Path) -> int:
    """The packets that are counted as lost in pictures and sound."""
    found: list[Damage] = []
    list(media.iter_views(path, rate_hz=1.0, damaged=found.append))
    list(media.iter_waveform(path, rate_hz=16_000, window_seconds=1.0, damaged=found.append))
    return sum(damage.lost_packets for damage in found)


def write(path: Path) -> Path:
    codec = "aac" if path.suffix in {".flv", ".mp4"} else "mp2"
    pictures = steady(50) if path.suffix[1:] in PICTURES else ()
    sound = {"sound": tone(2.0, 44_100), "sound_rate": 44_100}
    codec = "pcm_s16le" if path.suffix == ".wav" else codec
    return write_media(path, times=pictures, sound_codec=codec, **sound)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["mkv", "ts", "flv", "wav"])
def test_a_missing_rest_counts_as_one_packet(tmp_path: Path, suffix: str) -> None:
    whole = write(tmp_path / f"whole.{suffix}")
    cut = tmp_path / f"cut.{suffix}"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2 + 1])
    assert lost(whole) == 0
    assert lost(cut) == 1
    assert not ends_early(whole)


def test_a_part_that_is_there_is_whole(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mkv")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[:-100])
    found: list[Damage] = []
    list(media.iter_views(cut, rate_hz=1.0, stop_seconds=1.0, damaged=found.append))
    assert found == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF\0\0\0\0WAVE" + bytes(50),  # no size was written
        b"RIFF\x3e\0\0\0WAVE" + bytes(50),  # that of the whole file, as some programs write
        b"RIFF\xff\xff\xff\xffWAVE" + bytes(50),
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(9),  # live
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x89" + bytes(9),
        b"OggS" + bytes(500),
        b"\x47" + bytes(1000),
    ],
)
def test_what_states_no_size_is_not_cut_short(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not ends_early(path)
