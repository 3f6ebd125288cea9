"""The shared inputs about channels, tracks, values, numbers, folders and messages."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import facevoice
from facevoice.cli import main
from facevoice.scores.table import read_score_table

pytestmark = pytest.mark.slow

LIMIT_SECONDS: Final = 60.0
"""For a command, which has to import and to load its networks; the work takes a few seconds."""


@pytest.fixture(scope="module")
def predictor() -> facevoice.Predictor:
    return facevoice.load(threads=1)


def run(command: Sequence[object], **options: Any) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, *map(str, command)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, **options
    )


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("antiphase_near.flac", "antiphase_near_clean.flac"),
        ("float_0_1.tif", "float_0_1_reference.png"),
    ],
)
def test_verdicts_of_undamaged_twins(
    cases: Path, predictor: facevoice.Predictor, name: str, twin: str
) -> None:
    found, wanted = predictor(cases / name), predictor(cases / twin)
    assert found.scores is not None
    assert wanted.scores is not None
    assert found.missing == wanted.missing
    assert found.scores.to_dict() == pytest.approx(wanted.scores.to_dict(), abs=0.01)


def test_a_second_track_that_speaks(cases: Path, predictor: facevoice.Predictor) -> None:
    path = cases / "two_tracks_first_silent.mkv"
    silent = predictor(path)
    assert silent.missing == {"voice": "silent"}
    assert silent.audio_tracks is not None
    assert silent.audio_tracks.speaking == (1,)
    assert predictor(path, audio_track=1).missing == {}


def test_arrays_in_wrong_units(cases: Path) -> None:
    done = run([cases / "api_arrays.py", cases / "clip.mp4"])
    answers = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert len(answers) == 8
    assert "InvalidInputError" not in answers["reference"]
    assert answers["opposite channels"] == answers["reference"]
    refused = {name for name, answer in answers.items() if "InvalidInputError: " in answer}
    assert refused == set(answers) - {"reference", "opposite channels"}


def test_a_folder_of_less_usual_suffixes(
    cases: Path, tmp_path: Path, toy_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"a.jpg": "still.jpg", "b.jfif": "still.jpg", "cam.dav": "clip.mp4", "c.qt": "clip.mp4",
             "d.fla": "dc_offset_10pct.flac", "book.m4b": "antiphase_near.flac"}  # fmt: skip
    for name, source in names.items():
        shutil.copy(cases / source, tmp_path / name)
    (tmp_path / "notes.txt").write_text("A note.")
    assert main(["predict", str(tmp_path), "--json", "--bundle", str(toy_bundle)]) == 0
    out, err = capsys.readouterr()
    assert {Path(json.loads(line)["path"]).name for line in out.splitlines()} == set(names)
    assert "skipped 1 file without picture, sound or video: notes.txt" in err


def test_live_files_and_pipes(cases: Path, toy_bundle: Path) -> None:
    command = ["-m", "facevoice", "live", "-", "--bundle", toy_bundle]
    with (cases / "clip.mp4").open("rb") as stream:
        redirected = run(command, stdin=stream)
    assert redirected.returncode == 0
    named = run(["-m", "facevoice", "live", cases / "clip.mp4", "--bundle", toy_bundle])
    rows = [[json.loads(line)["rows"] for line in done.stdout.splitlines()]
            for done in (redirected, named)]  # fmt: skip
    assert rows[0] == rows[1]
    still = run(["-m", "facevoice", "live", cases / "still.jpg", "--bundle", toy_bundle])
    assert still.returncode == 1
    assert "facevoice predict" in still.stderr
    assert still.stdout == ""


def test_a_table_that_a_spreadsheet_saved(cases: Path) -> None:
    saved, twin = (read_score_table(cases / f"fuse_{name}.csv") for name in ("semicolon", "ok"))
    assert (saved.scores == twin.scores).all()
    assert saved.ids.tolist() == twin.ids.tolist()


def test_processes_inside_a_daemon(cases: Path) -> None:
    done = run([cases / "daemon.py", cases / "clip.mp4"])
    assert done.stdout.splitlines()[-1] == "exit 0"
    assert len(done.stdout.splitlines()) == 2
