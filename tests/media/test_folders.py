"""Folders: what can be read is read, whatever it is called; the rest is counted and named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevoice import media
from facevoice.cli import main
from facevoice.errors import MediaNotFoundError, MediaPermissionError
from facevoice.media import folders
from support.media_files import steady, tone, write_media


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Media under common, odd and no suffixes; beside them what stands in such folders."""
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    film = write_media(tmp_path / "a.mp4", times=steady(5))
    sound = write_media(tmp_path / "a.flac", sound=tone(0.5, 16_000), sound_codec="flac")
    picture = tmp_path / "a.jpg"
    Image.new("RGB", (32, 24), "red").save(picture)
    for source, names in {
        film: ["clip.mp4", "cam.dav", "sub/take.qt", "no_suffix"],
        sound: ["voice.FLAC", "book.fla"],
        picture: ["still.jpg", "still.jfif", "still.jpe"],
    }.items():
        for name in names:
            shutil.copy(source, folder / name)
    noise = np.random.default_rng(3)
    (folder / "labels.csv").write_text("file,label\n")
    (folder / "clip.json").write_text("{}")
    (folder / "notes").write_text("A note.\n")
    (folder / "weights.dat").write_bytes(noise.bytes(50_000))
    (folder / "sub/data.raw").write_bytes(bytes(50_000))
    np.save(folder / "array.npy", noise.random(100))
    shutil.copy(film, folder / ".trash.mp4")
    shutil.copy(picture, folder / "._still.jpg")
    return folder


READABLE = {
    "clip.mp4", "cam.dav", "take.qt", "no_suffix", "voice.FLAC", "book.fla", "still.jpg",
    "still.jfif", "still.jpe",
}  # fmt: skip
REST = {"labels.csv", "clip.json", "notes", "weights.dat", "data.raw", "array.npy"}


def test_folders_are_read_by_content(mixed: Path) -> None:
    found = media.search_media([mixed])
    assert {path.name for path in found.files} == READABLE
    assert list(found.files) == sorted(found.files)
    assert {path.name for path in found.skipped} == REST
    assert [path.name for path in found.hidden] == [".trash.mp4"]
    assert media.find_media([mixed]) == list(found.files)


def test_what_is_left_out_is_counted_and_named(mixed: Path) -> None:
    skipped, hidden = media.search_media([mixed]).lines()
    assert skipped.startswith("skipped 6 files without picture, sound or video: ")
    assert skipped.count(",") >= 4
    assert ".csv 1" in skipped
    assert hidden == "left out 1 hidden file: .trash.mp4"
    assert list(media.search_media([mixed / "clip.mp4"]).lines()) == []


@pytest.mark.parametrize("name", ["b.part", "b.tmp", "b.bin", "b.log", "b.mp4.part"])
def test_films_under_the_names_of_other_files_are_read(mixed: Path, name: str) -> None:
    shutil.copy(mixed / "clip.mp4", mixed / name)
    (mixed / "run.log").write_text("A line.\n")
    found = media.search_media([mixed])
    assert {path.name for path in found.files} == READABLE | {name}
    assert {path.name for path in found.skipped} == REST | {"run.log"}


def test_files_that_may_not_be_read_are_said_to_be_so(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(path: Path) -> media.MediaInfo:
        if path.name in {"cam.dav", "data.raw"}:
            raise MediaPermissionError("it may not be read")
        return media.probe(path)

    monkeypatch.setattr(folders, "probe", probe)
    found = media.search_media([mixed])
    assert {path.name for path in found.forbidden} == {"cam.dav", "data.raw"}
    assert {path.name for path in found.skipped} == REST - {"data.raw"}
    line = "skipped 2 files that may not be read by this user: cam.dav, data.raw"
    assert line in list(found.lines())
    (tmp_path / "alone").mkdir()
    shutil.copy(mixed / "cam.dav", tmp_path / "alone")
    with pytest.raises(MediaPermissionError, match=r"cam\.dav may not be read"):
        media.search_media([tmp_path / "alone"])


def test_hidden_folders_are_counted_and_named(mixed: Path) -> None:
    (mixed / ".old").mkdir()
    shutil.copy(mixed / "clip.mp4", mixed / ".old")
    found = media.search_media([mixed])
    assert {path.name for path in found.files} == READABLE
    assert {path.name for path in found.hidden} == {".trash.mp4", ".old"}
    assert list(found.lines())[1:] == [
        "left out 1 hidden file: .trash.mp4", "left out 1 hidden folder: .old"
    ]  # fmt: skip


def test_linked_folders_are_named(mixed: Path, tmp_path: Path) -> None:
    (mixed / "link").symlink_to(tmp_path, target_is_directory=True)
    found = media.search_media([mixed])
    assert {path.name for path in found.files} == READABLE
    assert [path.name for path in found.linked] == ["link"]


def test_a_folder_without_media_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("A note.")
    with pytest.raises(MediaNotFoundError, match=r"no picture, sound or video, only notes\.txt"):
        media.find_media([tmp_path])


def test_files_of_known_suffixes_are_taken_so_that_damage_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").touch()
    assert media.find_media([tmp_path]) == [tmp_path / "cut.mp4"]


@pytest.mark.parametrize("more", [[], ["--workers", "1"]])
def test_predict_reads_them_and_names_the_rest(
    mixed: Path, toy_bundle: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["predict", str(mixed), "--json", "--bundle", str(toy_bundle), *more]) == 0
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert {Path(record["path"]).name for record in records} == READABLE
    assert f"{mixed}: skipped 6 files" in err
    assert "left out 1 hidden file" in err


def test_a_pipe_is_sent_to_live(toy_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "-", "--bundle", str(toy_bundle)]) == 1
    assert "facevoice live reads" in capsys.readouterr().err
