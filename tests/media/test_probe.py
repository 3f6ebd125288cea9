"""Probing files, refusing unreadable ones, and finding media in folders."""

import csv
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import facevoice
from facevoice import media
from facevoice.errors import (
    FacevoiceError,
    MediaNotFoundError,
    MediaPermissionError,
    MediaUnreadableError,
)
from support.media_files import SIZE, steady, tone, write_media


def clips() -> list[Path]:
    """The real clips in the folder named by FACEVOICE_DATA."""
    root = os.environ.get("FACEVOICE_DATA")
    return sorted(Path(root, "clips").glob("*")) if root else []


def everything(path: Path) -> media.MediaInfo:
    """Read a file in every way."""
    info = media.probe(path)
    list(media.iter_frames(path))
    media.read_waveform(path, rate_hz=16_000)
    list(media.iter_waveform(path, rate_hz=16_000, window_seconds=1.0))
    return info


def test_probe_reports_both_streams(tmp_path: Path) -> None:
    path = tmp_path / "both.mp4"
    write_media(
        path, times=steady(50), sound=tone(2.5, 44_100), sound_codec="aac", sound_rate=44_100
    )
    info = media.probe(path)
    assert (info.path, info.kind) == (path, "video")
    assert (info.has_video, info.has_audio) == (True, True)
    assert (info.width, info.height) == SIZE
    assert info.frame_rate_hz == pytest.approx(25)
    assert info.audio_rate_hz == 44_100
    assert info.duration_seconds == pytest.approx(2.5, abs=0.05)
    assert info.start_seconds == pytest.approx(0, abs=0.03)


def test_probe_of_sound_and_of_a_still_picture(tmp_path: Path) -> None:
    sound = media.probe(write_media(tmp_path / "a.wav", sound=tone(1.0, 8_000), sound_rate=8_000))
    assert (sound.kind, sound.audio_rate_hz, sound.width, sound.height) == ("audio", 8_000, 0, 0)
    assert sound.frame_rate_hz is None
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    still = media.probe(tmp_path / "a.jpg")
    assert (still.kind, still.width, still.height) == ("image", 30, 20)
    assert (still.start_seconds, still.duration_seconds) == (0, 0)
    assert not still.has_audio


def test_a_picture_with_a_wrong_suffix_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.mp4", format="PNG")
    assert media.probe(tmp_path / "a.mp4").kind == "image"


def test_the_cover_of_an_album_is_not_a_film(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        song = container.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover: Any = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        block = av.AudioFrame.from_ndarray(tone(1.0, 44_100)[None], "fltp", "mono")
        block.sample_rate, block.time_base, block.pts = 44_100, Fraction(1, 44_100), 0
        container.mux(song.encode(block))
        container.mux(song.encode(None))
    info = media.probe(path)
    assert (info.kind, info.has_video, info.has_audio) == ("audio", False, True)
    assert list(media.iter_frames(path)) == []


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(FacevoiceError) as caught:
            media.probe(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    for ask in (media.probe, media.iter_frames):
        with pytest.raises(MediaNotFoundError):
            ask(tmp_path / "none.mp4")
        with pytest.raises(MediaNotFoundError, match="folder"):
            ask(tmp_path)


def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaNotFoundError, match="regular"):
        media.probe(tmp_path / "pipe.mp4")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_media(tmp_path / "a.wav", sound=tone(0.1, 16_000))

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod does not restrict the superuser
    with pytest.raises(MediaPermissionError, match="permissions"):
        media.probe(path)


def bad_files(folder: Path) -> dict[str, Path]:
    """Unreadable files, one per cause."""
    film = write_media(folder / "film.mp4", times=steady(20)).read_bytes()
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"This is no film at all.\n" * 50,
        "text.txt": b"This is no film at all.\n" * 50,
        "playlist.m3u8": b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "playlist.mp4": b"ffconcat version 1.0\nfile film.mp4\n",
        "zeros.mp4": bytes(5000),
        "no_moov.mp4": film[: film.index(b"moov") - 4],
        "head.mp4": film[:32],
        "head.png": b"\x89PNG\r\n\x1a\n",
        "head.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "subtitles.srt": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    Image.effect_noise((64, 64), 50).convert("RGB").save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 3])
    return {name: folder / name for name in (*contents, "cut.jpg")}


def test_unreadable_files_give_one_line_messages(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, path in bad_files(tmp_path).items():
        with pytest.raises(MediaUnreadableError) as caught:
            pytest.fail(f"{name}: {everything(path)}")
        message = str(caught.value)
        assert str(path) in message, name
        assert "\n" not in message, name
        assert ";" in message, "the remedy follows a semicolon"
    assert capfd.readouterr() == ("", "")


def test_damaged_pictures_do_not_hide_good_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_media(path, times=steady(25), codec="ffv1", sound=tone(1.0, 16_000))
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                place = content.index(bytes(packet))
                content[place : place + packet.size] = b"\xff" * packet.size
    path.write_bytes(content)
    info = media.probe(path)
    assert (info.kind, info.has_video, info.has_audio) == ("audio", False, True)
    with pytest.raises(MediaUnreadableError, match="not one packet"):
        list(media.iter_frames(path))
    sound = media.read_waveform(path, rate_hz=16_000)
    assert sound is not None
    assert sound.duration_seconds == pytest.approx(1, abs=0.01)


def test_pictures_that_are_too_large_are_refused(tmp_path: Path) -> None:
    film = tmp_path / "wide.mkv"
    write_media(film, times=steady(1), codec="ffv1", size=(20_000, 48))
    bomb = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(bomb)
    for path in (film, bomb):
        for ask in (media.probe, lambda p: list(media.iter_frames(p))):
            with pytest.raises(MediaUnreadableError, match="000x"):
                ask(path)


def test_find_media(tmp_path: Path) -> None:
    names = ["b.mp4", "a.WAV", "sub/c.jpg", "sub/deep/d.mkv"]
    for name in [*names, "notes.txt", ".hidden.mp4", ".git/e.mp4", "table.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    below = [tmp_path / name for name in ("a.WAV", "b.mp4", "sub/c.jpg", "sub/deep/d.mkv")]
    assert media.find_media([tmp_path]) == below
    given = tmp_path / "notes.txt"
    assert media.find_media([given, below[1], tmp_path]) == [given, below[1], below[0], *below[2:]]
    assert media.find_media([]) == []
    (tmp_path / "bare").mkdir()
    with pytest.raises(MediaNotFoundError, match="no picture, sound or video"):
        media.find_media([tmp_path / "bare"])
    with pytest.raises(MediaNotFoundError, match="does not exist"):
        media.find_media([tmp_path / "none.mp4"])


@pytest.mark.skipif(not clips(), reason="FACEVOICE_DATA names no folder with clips/")
@pytest.mark.parametrize("path", [p for p in clips() if p.suffix != ".csv"], ids=lambda p: p.name)
def test_real_clips(path: Path) -> None:
    info = media.probe(path)
    with (path.parent / "expected.csv").open(newline="") as file:
        known = {row["file"] for row in csv.DictReader(file)}
    assert path.name in known
    assert info.has_audio == (not any(s in path.name for s in ("no_audio", "photo")))
    assert (info.kind == "audio") == path.name.startswith("audio_only")
    times = []
    for frame in media.iter_frames(path, rate_hz=5, stop_seconds=info.start_seconds + 6):
        assert frame.image.shape == (info.height, info.width, 3)
        times.append(frame.time_seconds)
    assert bool(times) == (info.kind != "audio")
    assert np.all(np.diff(times) > 0)
    whole = media.read_waveform(path, rate_hz=16_000)
    assert (whole is not None) == info.has_audio
    if whole is not None:
        parts = list(media.iter_waveform(path, rate_hz=16_000, window_seconds=0.7))
        joined = np.concatenate([part.samples for part in parts])
        lead = len(joined) - len(whole.samples)
        assert info.duration_seconds is not None
        assert whole.stop_seconds <= info.start_seconds + info.duration_seconds + 0.1
        if len(parts) == round((parts[-1].stop_seconds - parts[0].start_seconds) / 0.7 + 0.499):
            assert np.abs(joined[lead:] - whole.samples).max() < 1e-4


def test_the_sample_clip_has_pictures_and_sound() -> None:
    path = Path(facevoice.__file__).parent / "samples" / "sample.mp4"
    info = media.probe(path)
    assert (info.kind, info.width, info.height, info.has_audio) == ("video", 640, 360, True)
    assert path.stat().st_size < 1_000_000
    sound = media.read_waveform(path, rate_hz=16_000)
    assert sound is not None
    assert np.abs(sound.samples).max() > 0.2
    assert len(list(media.iter_frames(path, rate_hz=5))) == 20
