"""Every verb answers wrong input in one plain line, before any work, and fails."""

import errno
import os
from pathlib import Path

import pytest

from facevoice.cli import main
from facevoice.cli.options import seconds
from facevoice.messages import counted, near, some
from facevoice.samples import SAMPLE


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files and folders of the wrong kinds, as the current one."""
    monkeypatch.chdir(tmp_path)
    for suffix in ("csv", "npz", "json", "toml", "parquet"):
        Path(f"noise.{suffix}").write_bytes(bytes(range(255, 0, -1)) * 8)
        Path(f"empty.{suffix}").touch()
        Path(f"folder.{suffix}").mkdir()
    Path("file").write_text("x\n")
    Path("labels.csv").write_text(f"file,label,split\n{SAMPLE},happy,test\nnothing.mp4,sad,train\n")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str]:
    try:
        status = main(line.replace("SAMPLE", str(SAMPLE)).split())
    except SystemExit as error:  # argparse
        status = int(error.code or 0)
    said = capsys.readouterr()
    assert said.err.startswith("facevoice")
    assert said.err.count("\n") == 1
    return status, said.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        # words that are close to a known one
        ("predikt SAMPLE", "did you mean 'predict'?"),
        ("predict SAMPLE --device gpu", "'gpu' is none of cpu, cuda"),
        ("predict SAMPLE --bundle bas", "did you mean 'base'?"),
        ("predict SAMPLE --bundel base", "did you mean '--bundle'?"),
        ("baseline SAMPLE --ouput=anna.json", "--ouput is not an option of this command; did you"),
        ("models bas", "did you mean 'base'?"),
        ("evaluate labels.csv --split tset", "splits: test, train; did you mean 'test'?"),
        ("timeline SAMPLE -o out --formats csv,htm", "did you mean 'html'?"),
        ("prepare foldrs --root . -o out", "did you mean 'folders'?"),
        ("train base_vioce --data out", "did you mean 'base_voice'?"),
        # times and numbers
        ("timeline SAMPLE --window 0", "'0' is not above 0 s"),
        ("timeline SAMPLE --window -1", "is not a time"),
        ("timeline SAMPLE --hop nan", "is not a time"),
        ("timeline SAMPLE --hop 4", "--hop 4 s is longer than --window 3 s"),
        ("live SAMPLE --duration inf", "is not a time"),
        ("predict SAMPLE --start 1:75", "h:mm:ss"),
        ("predict SAMPLE --start 0:03 --stop 1", "--start 3 s is not before --stop 1 s"),
        ("timeline SAMPLE --start 3 --stop 3", "--start 3 s is not before --stop 3 s"),
        ("fuse empty.csv --step nan", "'nan' is not a number above 0 and at most 1"),
        ("fuse empty.csv --folds -1", "whole number of at least 0"),
        ("train base_voice --data out --devices 0", "whole number of at least 1"),
        ("adapt base --data out -o new --seed -1", "whole number of at least 0"),
        ("folds base_voice --data out --weights a", "'a' is not numbers between commas"),
        # what is no file, or a file of another kind
        ("timeline https://example.org/a.mp4", "download it first"),
        ("evaluate SAMPLE", "facevoice predict takes clips"),
        ("evaluate nothing.csv", "does not exist"),
        ("evaluate noise.csv", "it is not text"),
        ("evaluate empty.csv", "is empty"),
        ("score noise.csv -o t.csv", "it is not text"),
        ("fuse noise.npz", "not an archive of numpy arrays"),
        ("fuse empty.npz", "not an archive of numpy arrays"),
        ("fuse folder.npz", "it is a folder"),
        ("fuse noise.parquet", "it is not a Parquet file"),
        ("reweigh base --weights folder.json -o new", "no weights at folder.json"),
        ("reweigh base --weights noise.json -o new", "it is not JSON"),
        ("evaluate empty.npz --weights empty.json", "not an archive of numpy arrays"),
        ("predict SAMPLE --baseline folder.json", "is not a baseline: not a JSON file"),
        ("predict SAMPLE --baseline noise.json", "is not a baseline: not a JSON file"),
        ("models file", "no bundle 'file'"),
        ("prepare folders --root file -o new", "file is not a folder"),
        ("prepare folders --root . -o file", "is a file, not a folder"),
        ("train base_voice --data file", "is not a prepared folder"),
        ("train noise.toml --data out", "it is not text"),
        ("adapt base --data file -o new", "is not a prepared folder"),
        ("folds base_voice --data file -o new", "is not a prepared folder"),
        # places to write to
        ("predict SAMPLE -o file", "its suffix sets the format"),
        ("predict SAMPLE --cache file", "is a file, not a folder"),
        ("predict SAMPLE -o folder.csv", "facevoice: folder.csv cannot be written: it is a folder"),
        *(
            (f"{line} -o nowhere/{name}", "the folder nowhere does not exist: make it")
            for line, name in (
                ("demo", "page.html"),
                ("predict SAMPLE", "t.csv"),
                ("baseline SAMPLE", "anna.json"),
                ("score labels.csv", "t.npz"),
                ("evaluate labels.csv", "t.npz"),
                ("fuse empty.csv", "weights.json"),
            )
        ),
        ("predict SAMPLE -o folder/", "folder/ names a folder: give the name of a file to write"),
        ("baseline SAMPLE -o new/", "new/ names a folder"),
        ("score labels.csv -o t.npz/", "t.npz/ names a folder"),
        ("evaluate labels.csv -o t.npz/", "t.npz/ names a folder"),
        ("fuse empty.csv -o new/", "new/ names a folder"),
        ("demo -o new.html/", "new.html/ names a folder"),
        ("evaluate labels.csv -o report.html", "a report is a folder of several files"),
        ("evaluate labels.csv -o card --split test --weights w.json --record x", "--record writes"),
    ],
)
def test_one_line_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    status, said = answer(capsys, line)
    assert status in {1, 2}
    assert message in said


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("predict SAMPLE -o there.csv", "there.csv"),
        ("predict SAMPLE --report there.html", "there.html"),
        ("demo -o there.html", "there.html"),
        ("score labels.csv -o there.npz", "there.npz"),
        ("fuse empty.csv -o there.json", "there.json"),
        ("evaluate labels.csv -o there.csv", "there.csv"),
        ("evaluate labels.csv -o there --split test", "there/report.md"),
        ("evaluate empty.npz -o there --weights w.json", "there/report.html"),
        ("reweigh base --weights w.json -o there", "there/bundle.json"),
        ("bundle run --tree base_tree -o there", "there/bundle.json"),
        ("quantize base --data run -o there", "there/bundle.json"),
    ],
)
def test_nothing_is_replaced_unasked(
    capsys: pytest.CaptureFixture[str], line: str, there: str
) -> None:
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine")
    Path("run").mkdir()
    Path("run/run.json").write_text("{}")
    status, said = answer(capsys, line)
    assert status == 1
    assert "exists: replace it with --overwrite" in said
    assert Path(there).read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("75", 75), ("75.5", 75.5), (".5", 0.5), ("1:15", 75), ("90:00", 5400), ("1:02:03.5", 3723.5)],
)
def test_times_are_written_in_seconds_or_as_on_a_clock(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


def test_a_file_that_may_not_be_read_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "labels.csv")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert answer(capsys, "evaluate labels.csv") == (
        1,
        "facevoice: labels.csv: Permission denied\n",
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_is_said_once_where_both_streams_are_a_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toy_bundle: Path,
    terminal: bool,
) -> None:
    monkeypatch.setattr("facevoice.cli.inputs.beside_messages", lambda: terminal)
    for further in ([], ["--workers", "1"]):
        assert main(["predict", "nothing.mp4", "--bundle", str(toy_bundle), *further]) == 1
        said = capsys.readouterr()
        assert said.err.count("nothing.mp4 does not exist") == 1
        assert said.out.count("nothing.mp4 does not exist") == (0 if terminal else 1)


def test_ctrl_c_says_what_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, toy_bundle: Path
) -> None:
    done: list[Path] = []

    for number in range(3):
        Path(f"film{number}.mp4").write_bytes(SAMPLE.read_bytes())
    monkeypatch.setattr("facevoice.cli.timeline._one", lambda path, *_: interrupt(path, done))
    films = [f"film{number}.mp4" for number in range(3)]
    assert main(["timeline", *films, "-o", "out", "--bundle", str(toy_bundle)]) == 130
    assert capsys.readouterr().err == (
        "facevoice: interrupted: 1 of 3 inputs done and kept in out (the same command goes on from"
        " there)\n"
    )


def interrupt(path: Path, done: list[Path]) -> None:
    done.append(path)
    if len(done) == 2:
        raise KeyboardInterrupt


def test_counts_and_names_in_messages() -> None:
    assert [counted(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert counted(2, "branch", "branches") == "2 branches"
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert near("Tset", ["test", "train"]) == "; did you mean 'test'?"
    assert near("xyz", ["test", "train"]) == ""
