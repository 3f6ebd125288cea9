"""Files as live sources, named, piped and redirected: they are read, or the cure is named."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.media import LiveInput, View, Wanted, opening
from support.live_sources import piped
from support.media_files import steady, tone, write_media


@pytest.fixture(scope="module")
def index_last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "last.mp4"
    sound = tone(2.0, 16_000)
    return write_media(path, times=steady(50), sound=sound, sound_codec="aac")


def pictures_of(source: Any) -> list[float]:
    arrivals = LiveInput(opening(source), Wanted(8.0))
    try:
        arrivals.opened()
        came = [arrival.content for arrival in arrivals]
    finally:
        arrivals.close()
    return [each.time_seconds for each in came if isinstance(each, View) and not each.again]


def still(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(stream, form)
    return stream.getvalue()


def test_streams_that_can_go_back_are_read_like_their_file(index_last: Path) -> None:
    twin = pictures_of(str(index_last))
    assert len(twin) == 50
    assert pictures_of(io.BytesIO(index_last.read_bytes())) == twin
    with index_last.open("rb") as stream:
        assert pictures_of(stream) == twin


def test_a_stream_begins_where_it_stands(index_last: Path) -> None:
    stream = io.BytesIO(b"something before" + index_last.read_bytes())
    stream.seek(len(b"something before"))
    assert pictures_of(stream) == pictures_of(str(index_last))


def test_a_redirected_file_is_read(index_last: Path, toy_bundle: Path) -> None:
    command = [sys.executable, "-m", "facevoice", "live", "-", "--bundle", str(toy_bundle)]
    with index_last.open("rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"stop_seconds": 2.0' in done.stdout


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_pipe_whose_index_comes_last_names_the_cure(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 20 * 16_000)  # more than is buffered
    path = tmp_path / f"a.{suffix}"
    write_media(path, times=steady(50), sound=noise, sound_codec="aac")
    for content in (path.read_bytes(), path.read_bytes()[:100_000]):
        with piped(content) as pipe, pytest.raises(MediaUnreadableError, match="live - < FILE"):
            pictures_of(pipe)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_still_picture_is_sent_to_predict(tmp_path: Path, form: str) -> None:
    path = tmp_path / "still.dat"
    path.write_bytes(still(form))
    with pytest.raises(InvalidInputError, match=r"still\.dat is a still picture.*predict"):
        opening(str(path))
    with pytest.raises(InvalidInputError, match="still picture"):
        pictures_of(io.BytesIO(still(form)))
    with piped(still(form)) as pipe, pytest.raises(InvalidInputError, match="still picture"):
        pictures_of(pipe)


def test_pictures_piped_one_after_another_are_a_film() -> None:
    with piped(still("JPEG") * 5) as pipe:
        assert len(pictures_of(pipe)) == 5


def test_a_stream_of_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("no bytes")
    with path.open() as stream, pytest.raises(MediaUnreadableError, match="binary mode"):
        pictures_of(stream)


def test_random_bytes_are_no_film() -> None:
    noise = np.random.default_rng(0).bytes(20_000)
    read, write = os.pipe()
    os.close(write)
    for source in (io.BytesIO(noise), open(read, "rb")):  # noqa: PTH123, SIM115 - a descriptor
        with pytest.raises(MediaUnreadableError, match="cannot read"):
            pictures_of(source)
