"""The command live: lines that keep to their schema, and quiet ends."""

import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from facevoice.cli import main
from facevoice.output.timeline.columns import record_of
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from support.live_sources import remuxed
from support.places import DOCS

SCHEMA = json.loads((DOCS / "live.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    return remuxed(SAMPLE, tmp_path_factory.mktemp("piped") / "sample.mkv")


def command(toy_bundle, *arguments):
    given = ["live", *map(str, arguments), "--bundle", str(toy_bundle), "--threads", "1"]
    return [sys.executable, "-m", "facevoice", *given]


def piped(toy_bundle, content, *arguments):
    return subprocess.run(
        command(toy_bundle, "-", *arguments),
        input=content,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_lines_keep_to_the_schema_and_hold_the_rows_of_the_timeline(toy_bundle, film):
    result = piped(toy_bundle, film.read_bytes())
    assert (result.returncode, result.stderr) == (0, b"")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    from facevoice.bundle import load_bundle

    whole = timeline(film, load_bundle(toy_bundle, threads=1), threads=1)
    expected = record_of(whole)["windows"]
    rows = [row for line in lines for row in line["rows"]]
    assert [sorted(row) for row in rows] == [sorted(row) for row in expected]
    assert [row["emotion"] for row in rows] == [row["emotion"] for row in expected]
    lines[0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(lines[0], SCHEMA)


def test_rows_are_described_as_in_timelines():
    whole = json.loads((DOCS / "timeline.schema.json").read_text(encoding="utf-8"))["$defs"]
    whole["row"] = whole["window"]
    assert SCHEMA["$defs"] == {name: whole[name] for name in SCHEMA["$defs"]}


def test_the_page_names_every_field():
    text = (DOCS / "live.md").read_text(encoding="utf-8")
    assert [name for name in SCHEMA["properties"] if f"`{name}`" not in text] == []


def test_a_part_and_other_windows(toy_bundle, film):
    result = piped(
        toy_bundle, film.read_bytes(), "--duration", "2", "--window", "1", "--hop", "0.5"
    )
    stops = [json.loads(line)["stop_seconds"] for line in result.stdout.splitlines()]
    assert stops == pytest.approx([1.0, 1.5, 2.0], abs=1e-3)


def test_no_camera_is_one_line(capsys):
    if os.path.lexists("/dev/video7"):
        pytest.skip("there is a seventh camera here")
    assert main(["live", "7"]) == 1
    error = capsys.readouterr().err
    assert "camera" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no film at all" * 200])
def test_what_is_no_film_is_one_line(toy_bundle, content):
    result = piped(toy_bundle, content)
    assert result.returncode == 1
    assert result.stderr.startswith(b"facevoice: cannot read standard input")
    assert result.stderr.count(b"\n") == 1


def test_a_film_that_is_cut_short_gives_what_it_held(toy_bundle, film):
    result = piped(toy_bundle, film.read_bytes()[:-20_000])
    assert b"Traceback" not in result.stderr
    assert json.loads(result.stdout.splitlines()[0])["stop_seconds"] == pytest.approx(3)


def test_other_failures_are_one_line(capsys, tmp_path):
    for arguments, part in (
        ([str(tmp_path / "none.mkv")], "does not exist"),
        (["rtsp://127.0.0.1:9/none"], "cannot open rtsp://127.0.0.1:9/none"),
        (["x", "--format", "nonsense"], "no input format 'nonsense'"),
        (["-", "--hop", "5"], "--hop 5 s is longer than --window 3 s"),
    ):
        assert main(["live", *arguments]) == 1
        error = capsys.readouterr().err
        assert part in error
        assert error.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["live", "-", "--option", "framerate"])
    assert "KEY=VALUE" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_it_quietly(toy_bundle, film):
    with subprocess.Popen(
        command(toy_bundle, "-", "--hop", "0.2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        process.stdin.write(film.read_bytes())
        process.stdin.flush()  # and stays open: the source has not ended
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_an_interrupt_ends_it_quietly_and_lines_come_at_once(toy_bundle, film):
    with subprocess.Popen(
        command(toy_bundle, "-", "--window", "1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(film.read_bytes())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["stop_seconds"] == pytest.approx(1)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


def test_a_device_goes_by_its_own_clock(toy_bundle, capsys):
    """ffmpeg's virtual device gives pictures at the pace of the clock, as a camera does."""
    device = "testsrc=duration=3:rate=25:size=320x240,realtime"
    arguments = ["live", device, "--format", "lavfi", "--window", "1.5", "--threads", "1"]
    started = time.monotonic()
    assert main([*arguments, "--bundle", str(toy_bundle)]) == 0
    assert time.monotonic() - started > 2.0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rows"][0]["missing"]["voice"] for line in lines] == ["no_audio_stream"] * 3
    assert all(0 <= line["delay_seconds"] < 1.5 + 1 + 1 for line in lines)
