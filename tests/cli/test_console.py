"""The progress line: one that changes on a terminal, a message now and then elsewhere."""

import pickle
import sys

import pytest

from facevoice.cli import console
from facevoice.cli.console import ProgressLine
from facevoice.workers.progress import Progress


@pytest.fixture
def now(monkeypatch):
    """A clock that tests set."""
    time = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: time[0])
    return time


def terminal(monkeypatch):
    """Let standard error be one, as it is in the test itself."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def test_it_changes_on_a_terminal_and_comes_now_and_then_elsewhere(now, monkeypatch, capsys):
    progress = Progress(total=3000, clock=lambda: now[0])
    log = ProgressLine("files")
    terminal(monkeypatch)
    line = ProgressLine("files")
    for number in range(100):
        now[0] += 0.5
        progress.count(failed=number < 3, kept=number >= 98)
        log.show(progress)
        line.show(progress)
    line.wipe()
    err = capsys.readouterr().err
    assert err.count("facevoice: ") == err.count("\n") == 1
    assert "facevoice: 60/3000 files, 2.0/s, 24 min 30 s left, 3 failed\n" in err
    assert err.count("\r\x1b[K") == 101
    assert err.endswith("\r\x1b[K")
    assert "100/3000 files, 2 known already, 2.0/s" in err
    assert console.speed(0.25) == "15.0/min"
    assert console.duration(7265) == "2 h 01 min"
    assert console.duration(9.6) == "10 s"


def test_numbers_alone_are_enough(now, monkeypatch, capsys):
    terminal(monkeypatch)
    with ProgressLine("clips") as line:
        for done in range(10, 30, 5):  # ten were done before
            now[0] += 5.0
            line(done, 30, "a.mp4")
            shown = capsys.readouterr().err
        assert shown == "\r\x1b[K25/30 clips, 10 known already, 1.0/s, 5 s left a.mp4"
        line(1, 30)  # fewer than before: another count
        assert capsys.readouterr().err == ""  # a moment ago
        now[0] += 1.0
        line(2, 30)
        assert capsys.readouterr().err == "\r\x1b[K2/30 clips"
        line(30, 30)
        assert capsys.readouterr().err == "\r\x1b[K"  # nothing is left to wait for


def test_a_message_takes_the_place_of_the_line(now, monkeypatch, capsys):
    terminal(monkeypatch)
    with ProgressLine("clips") as line:
        line.say("before")
        line(3, 30)
        line.say("broken")
    assert capsys.readouterr().err == (
        "facevoice: before\n\r\x1b[K3/30 clips, 3 known already\r\x1b[Kfacevoice: broken\n"
    )


def test_it_is_silent_where_nothing_is_gained(now, monkeypatch, capsys):
    line = ProgressLine("batches", logged=False)
    line(0, 300)
    now[0] += 100.0
    line(5, 300)
    ProgressLine("clips")(2, 2)
    assert capsys.readouterr().err == ""
    ProgressLine("samples", last=True)(2, 2)
    assert capsys.readouterr().err == "facevoice: 2/2 samples, 2 known already\n"
    terminal(monkeypatch)
    ProgressLine("inputs")(0, 1, "the_only_one.mp4")
    assert capsys.readouterr().err == ""


def test_it_goes_to_other_processes():
    line = pickle.loads(pickle.dumps(ProgressLine("batches")))  # noqa: S301 - our own bytes
    line(1, 3)
