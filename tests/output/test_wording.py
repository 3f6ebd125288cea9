"""What names of files may hold and a terminal must not get."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from facevoice.cli import main
from facevoice.output.wording import json_line, visible
from facevoice.samples import SAMPLE

ODD = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202efdp\u2066.mp4"


def test_what_moves_the_cursor_is_written_as_an_escape() -> None:
    assert visible("a\x1b[2Jb\nc\u202ed\x9be\udcff") == r"a\x1b[2Jb\nc\u202ed\x9be\udcff"
    assert visible("two\nlines", keep="\n") == "two\nlines"
    assert visible("Ärger 100 % – 笑い 😀.mp4") == "Ärger 100 % – 笑い 😀.mp4"


def test_json_has_its_own_escapes() -> None:
    line = json_line({"path": ODD})
    assert line.isprintable()
    assert json.loads(line) == {"path": ODD}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / ODD).write_bytes(SAMPLE.read_bytes())
    (folder / f"{ODD}.cut.mp4").write_bytes(SAMPLE.read_bytes()[:1000])
    (folder / f"{ODD}.txt").touch()
    return folder


@pytest.mark.parametrize(
    "verb", [["predict"], ["predict", "--json"], ["predict", "--workers", "1"], ["timeline"]]
)
def test_no_command_lets_such_names_through(
    odd: Path, toy_bundle: Path, capfd: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    assert main([*verb, str(odd), "--bundle", str(toy_bundle)]) == 1  # one of them is cut short
    for text in capfd.readouterr():
        assert "owned" in text
        assert all(line.isprintable() for line in text.splitlines())
        assert "\u202e" not in text


def test_no_message_about_usage_lets_them_through(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "a.mp4", f"--{ODD}"])
    assert main(["predict", f"gone{ODD}", "--bundle", f"gone{ODD}"]) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 2
    assert all(line.isprintable() for line in err.splitlines())


def test_names_that_are_not_utf8_reach_no_error(tmp_path: Path, toy_bundle: Path) -> None:
    path = bytes(tmp_path) + b"/\xff\xfe.mp4"
    Path(path.decode(errors="surrogateescape")).write_bytes(SAMPLE.read_bytes())
    command = [sys.executable, "-m", "facevoice", "timeline", path, "--bundle", str(toy_bundle)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"\udcff\udcfe.mp4" in done.stdout
