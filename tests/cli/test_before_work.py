"""What cannot end well is refused before any clip is read or any network is trained."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facevoice
from facevoice.cli import main
from facevoice.errors import MissingDependencyError
from facevoice.samples import SAMPLE
from facevoice.scores.table import write_score_table
from support.prepared_folders import shown, write_folder
from support.score_tables import skilled
from support.toy_bundle import add_functionals


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(f"file,label\n{SAMPLE},happy\n")
    return path


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("score_clips", "score_evidence"):
        monkeypatch.setattr(f"facevoice.report.scoring.{name}", None)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("verb", "output", "message"),
    [
        ("score", "t.xlsx", "a score table is one of .csv, .npz, .parquet"),
        ("score", "file/t.csv", "is a file, not a folder"),
        ("score", "folder.csv", "it is a folder"),
        ("evaluate", "folder.csv", "it is a folder"),
        ("evaluate", "file", "is a file, not a folder"),
        ("evaluate", "file/report", "is a file, not a folder"),
    ],
)
def test_a_place_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    labels: Path,
    toy_bundle: Path,
    verb: str,
    output: str,
    message: str,
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.csv").mkdir()
    assert run(verb, labels, "--bundle", toy_bundle, "-o", tmp_path / output) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("predict", SAMPLE, "-o", "LONG/x.csv"),
        ("predict", SAMPLE, "-o", "LONG/x.csv", "--resume"),
        ("predict", "LONG"),
        ("timeline", SAMPLE, "-o", "LONG/x"),
        ("timeline", SAMPLE, "-o", "LONG"),
        ("timeline", "LONG"),
        ("score", "labels.csv", "-o", "LONG/x.csv"),
        ("fuse", "table.csv", "-o", "LONG/x.json"),
    ],
    ids=lambda words: " ".join(Path(word).name for word in words),
)
def test_a_folder_with_too_long_a_name(
    capsys: pytest.CaptureFixture[str], toy_bundle: Path, words: tuple[object, ...]
) -> None:
    given = [str(word).replace("LONG", "x" * 300) for word in words]
    given += [] if words[0] == "fuse" else ["--bundle", str(toy_bundle)]
    assert run(*given) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "cannot be written: " in said or "cannot be found: File name too long" in said


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("verb", ["score", "evaluate"])
def test_parquet_without_its_extra(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    labels: Path,
    toy_bundle: Path,
    verb: str,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert run(verb, labels, "--bundle", toy_bundle, "-o", tmp_path / "t.parquet") == 1
    assert "needs the package pyarrow: uv sync" in capsys.readouterr().err


def test_weights_into_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_score_table(skilled(), tmp_path / "t.npz")
    assert run("fuse", tmp_path / "t.npz", "-o", tmp_path) == 1
    said = capsys.readouterr()
    assert "it is a folder" in said.err
    assert said.out == ""


@pytest.fixture
def with_is10(toy_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    from facevoice.speech import functionals

    functionals._extractor.cache_clear()
    return add_functionals(toy_bundle, tmp_path / "with_is10", "is10")


@pytest.mark.parametrize("options", [(), ("--workers", 1), ("--json",)])
def test_a_missing_extra_is_told_once_not_once_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, with_is10: Path, options: tuple[object, ...]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    paths = (tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert run("predict", *paths, "--bundle", with_is10, *options) == 1
    said = capsys.readouterr()
    assert said.err.count("the feature set is10 needs the package opensmile") == 1
    assert said.out == ""


def test_a_missing_extra_is_told_by_every_way_in(
    capsys: pytest.CaptureFixture[str], with_is10: Path, labels: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingDependencyError, match="opensmile"):
        facevoice.load(with_is10)
    with pytest.raises(MissingDependencyError, match="opensmile"):
        facevoice.live(SAMPLE, bundle=with_is10)
    for arguments in (("timeline", SAMPLE), ("score", labels, "-o", tmp_path / "t.csv")):
        assert run(*arguments, "--bundle", with_is10) == 1
        assert capsys.readouterr().err.count("opensmile") == 3  # package, extra, pip


def test_training_verbs_check_before_torch_is_even_imported(
    tmp_path: Path, toy_bundle: Path
) -> None:
    parts = [shown(np.zeros((8, 8), np.uint8))]
    data = write_folder(tmp_path / "p", parts, ["a,happy,train,s"], labels=("happy",)).folder
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    code = """
import sys
sys.modules["torch"] = None
from facevoice.cli import main
print([main(words.split("|")) for words in sys.argv[1:]])
"""
    given = [
        ("bundle", tmp_path / "nothing", "--tree", "system", "-o", tmp_path / "b"),
        ("adapt", toy_bundle, "--data", data, "-o", tmp_path / "full"),
        ("train", "resnet18_blstm", "--data", data, "-o", tmp_path / "file" / "run"),
    ]
    words = ["|".join(map(str, each)) for each in given]
    command = [sys.executable, "-c", code, *words]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "[1, 1, 1]" in result.stdout
    told = result.stderr.splitlines()
    assert "nothing holds no run: run.json is absent" in told[0]
    assert "full exists and is not a bundle" in told[1]
    assert "is a file, not a folder" in told[2]
