"""The command over several films: outputs are checked first, finished ones are skipped."""

import json
import os
import sys

import pytest

from facevoice.cli import main
from facevoice.output.timeline import FORMATS, files_of
from facevoice.samples import SAMPLE
from support.media_files import tone, write_media


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films of sound alone in a folder, the quickest to make."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("one.wav", "two.wav"):
        write_media(folder / name, sound=tone(4, 16_000), sound_codec="pcm_s16le")
    return folder


@pytest.fixture
def command(toy_bundle):
    return lambda *words: main(["timeline", *map(str, words), "--bundle", str(toy_bundle)])


def test_files_and_folders_are_read_and_a_finished_one_is_skipped(films, command, tmp_path, capsys):
    out = tmp_path / "out"
    assert command(films, "-o", out, "--formats", "csv") == 0
    said = capsys.readouterr()
    assert said.out.count(" 4.0 s, sound without picture") == 2
    assert said.err.count("written: ") == 8
    before = (out / "one.windows.csv").stat().st_mtime_ns
    assert command(films, "-o", out, "--formats", "csv,json") == 0
    said = capsys.readouterr()
    assert sorted(path.name for path in out.glob("one.*.csv")) == [
        "one.about.csv", "one.people.csv", "one.segments.csv", "one.windows.csv",
    ]  # fmt: skip
    assert (out / "one.windows.csv").stat().st_mtime_ns == before
    assert (out / "two.json").exists()
    assert command(films, SAMPLE, "-o", out, "--formats", "json", "--stop", "1") == 1
    assert command(films, "-o", out, "--formats", "json,csv") == 0
    assert capsys.readouterr().err.count("skipped, complete in") == 2


def test_films_of_one_name_get_folders_of_their_own(films, command, tmp_path, capsys):
    out = tmp_path / "out"
    for folder in ("cam1", "cam2"):
        (tmp_path / folder).mkdir()
        for name in ("one.wav", *(["two.wav"] if folder == "cam2" else [])):
            (tmp_path / folder / name).write_bytes((films / name).read_bytes())
    words = [tmp_path / "cam1", tmp_path / "cam2", "-o", out, "--formats", "json"]
    assert command(*words) == 0
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.json"))
    assert [name for name in written if "settings" not in name] == [
        "cam1/one.json", "cam2/one.json", "two.json",
    ]  # fmt: skip
    for folder in ("cam1", "cam2"):
        record = json.loads((out / folder / "one.json").read_text())
        assert record["path"] == str(tmp_path / folder / "one.wav")
    assert command(*words) == 0
    assert capsys.readouterr().err.count("skipped, complete in") == 3


def test_an_interrupted_run_goes_on_and_a_changed_film_is_not_skipped(films, command, tmp_path):
    out, film = tmp_path / "out", tmp_path / "film.wav"
    film.write_bytes((films / "one.wav").read_bytes())
    assert command(film, "-o", out) == 0
    settings = out / "film.settings.json"
    kept = json.loads(settings.read_text())
    settings.write_text(json.dumps({**kept, "formats": dict.fromkeys(kept["formats"])}))
    (out / "film.json").unlink()
    assert command(film, "-o", out) == 0
    assert (out / "film.json").exists()
    os.utime(film, (1, 1))
    assert command(film, "-o", out) == 1
    assert command(film, "-o", out, "--overwrite") == 0


def test_a_format_whose_file_was_removed_is_made_again(films, command, tmp_path, capsys):
    out, film = tmp_path / "out", films / "one.wav"
    assert command(film, "-o", out) == 0
    (out / "one.windows.csv").unlink()
    before = (out / "one.json").stat().st_mtime_ns
    assert command(film, "-o", out) == 0
    assert "skipped" not in capsys.readouterr().err
    assert (out / "one.windows.csv").exists()
    assert (out / "one.json").stat().st_mtime_ns == before
    assert command(film, "-o", out) == 0
    assert "skipped" in capsys.readouterr().err


def test_a_format_added_later_replaces_nothing_of_others(films, command, tmp_path, capsys):
    out, film = tmp_path / "out", films / "one.wav"
    assert command(film, "-o", out) == 0
    (out / "one.html").write_text("mine")
    assert command(film, "-o", out, "--formats", "html") == 1
    assert "one.html exists: replace it with --overwrite" in capsys.readouterr().err
    assert (out / "one.html").read_text() == "mine"
    assert command(film, "-o", out, "--formats", "html", "--overwrite") == 0
    assert (out / "one.html").read_text() != "mine"
    assert command(film, "-o", out, "--formats", "csv,json,html") == 0
    assert "skipped" in capsys.readouterr().err


def test_an_annotated_video_may_be_added_and_leaves_the_tables(command, tmp_path):
    assert command(SAMPLE, "-o", tmp_path, "--formats", "csv", "--stop", "1") == 0
    assert command(SAMPLE, "-o", tmp_path, "--formats", "json,mp4", "--stop", "1") == 0
    assert (tmp_path / f"{SAMPLE.stem}.annotated.mp4").exists()
    record = json.loads((tmp_path / f"{SAMPLE.stem}.json").read_text())
    assert record["frames"] is None  # as in the tables of the same settings


def test_a_file_that_two_inputs_reach_is_read_once(films, command, toy_bundle, tmp_path, capsys):
    inputs = (films, films / "one.wav")
    assert command(*inputs, "-o", tmp_path / "out", "--formats", "csv") == 0
    assert capsys.readouterr().out.count("one.wav: ") == 1
    table = tmp_path / "t.csv"
    words = ["predict", *map(str, inputs), "--bundle", str(toy_bundle), "-o", str(table)]
    assert main(words) == 0
    assert len(table.read_text().splitlines()) == 3


def test_outputs_are_checked_before_anything_is_read(films, command, tmp_path, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError("work before the check")

    monkeypatch.setattr("facevoice.timeline.timeline", never)
    film, out = films / "one.wav", tmp_path / "out"
    out.mkdir()
    (out / "one.people.csv").write_text("mine")
    twins = [tmp_path / name for name in ("one.mp3", "one.wav")]
    for twin in twins:
        twin.touch()
    (tmp_path / "file").touch()
    long_name = tmp_path / f"{'x' * 248}.wav"
    long_name.write_bytes(film.read_bytes())
    for words, said in (
        ([film, "-o", out], "one.people.csv exists: replace it with --overwrite"),
        ([*twins, "-o", out, "--overwrite"], "files of the same names"),
        ([film, "-o", tmp_path / "file"], "not a folder"),
        ([long_name, "-o", out], "cannot be written"),
        ([film, "--overwrite"], "needs -o"),
    ):
        assert command(*words) == 1
        assert said in capsys.readouterr().err
    assert (out / "one.people.csv").read_text() == "mine"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert command(film, "-o", out, "--formats", "parquet") == 1
    assert "needs the package pyarrow" in capsys.readouterr().err


def test_one_that_cannot_be_read_does_not_stop_the_others(films, command, tmp_path, capsys):
    (tmp_path / "empty.mp4").touch()
    assert command(tmp_path / "empty.mp4", tmp_path / "gone.mp4", films / "two.wav") == 1
    said = capsys.readouterr()
    assert "two.wav: 4.0 s" in said.out
    assert "empty.mp4" in said.err
    assert "gone.mp4 does not exist" in said.err


def test_progress_says_how_much_of_which_film_is_done(films, command, capsys, monkeypatch):
    monkeypatch.setattr("facevoice.cli.console._LOG_SECONDS", -1.0)
    assert command(films / "one.wav", films / "two.wav") == 0
    err = capsys.readouterr().err
    assert "facevoice: one.wav (1 of 2): 3 s of 4 s, " in err
    assert "two.wav (2 of 2): 3 s of 4 s, " in err


def test_files_of_a_format_are_those_that_it_writes(films, command, tmp_path):
    film, formats = films / "one.wav", [name for name in FORMATS if name != "mp4"]
    assert (
        command(films / "one.wav", "-o", tmp_path, "--frames", "--formats", ",".join(formats)) == 0
    )
    expected = {*files_of(film, tmp_path, formats), tmp_path / "one.settings.json"}
    expected = {path for path in expected if ".personal_" not in path.name}  # need --personal
    assert set(tmp_path.iterdir()) == expected


def test_predictions_do_not_replace_a_file_unless_asked(toy_bundle, films, tmp_path, capsys):
    words = ["predict", str(films / "one.wav"), "--bundle", str(toy_bundle), "-o"]
    table = tmp_path / "table.csv"
    assert main([*words, str(table)]) == 0
    first = table.read_text()
    table.write_text("mine")
    for more in ([], ["--resume"], ["--workers", "2"]):
        assert main([*words, str(table), *more]) == 1
        assert "exists: replace it with --overwrite" in capsys.readouterr().err
    assert table.read_text() == "mine"
    assert main([*words, str(table), "--overwrite"]) == 0
    assert table.read_text().split(",")[:5] == first.split(",")[:5]
    assert main([*words, str(tmp_path / "gone" / "table.csv")]) == 1
    assert "does not exist: make it" in capsys.readouterr().err
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert main([*words[:-1], "--report", str(page)]) == 1
    assert page.read_text() == "mine"


@pytest.mark.parametrize("existing", [True, False])
def test_a_name_too_long_for_its_files_is_found_before_the_work(
    films, command, tmp_path, capsys, monkeypatch, existing
):
    film, out = tmp_path / f"{'x' * 250}.wav", tmp_path / "out"
    film.write_bytes((films / "one.wav").read_bytes())
    if existing:
        out.mkdir()
    monkeypatch.setattr("facevoice.timeline.timeline", None)  # would fail if it were called
    assert command(film, "-o", out) == 1
    assert "255 are allowed" in capsys.readouterr().err
    monkeypatch.undo()
    short = film.with_name(f"{'x' * 233}.wav")
    film.rename(short)
    assert command(short, "-o", out, "--formats", "csv,json,vtt") == 0
    assert len(list(out.iterdir())) == 7
