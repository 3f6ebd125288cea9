"""Processes that share work: pinned, survived, ended."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from facevoice.errors import BundleError, WorkerError
from facevoice.workers import Crew, run, threads_each
from support.places import REPOSITORY, TESTS


def threads_seen(path: Path) -> None:
    path.write_text(f"{os.environ.get('FACEVOICE_THREADS')} {os.environ.get('OMP_NUM_THREADS')}")


def test_workers_find_their_threads_pinned(tmp_path):
    before = dict(os.environ)
    units = [tmp_path / "a", tmp_path / "b"]
    assert sorted(run(threads_seen, units, workers=2, threads=3)) == units
    assert [path.read_text() for path in units] == ["3 3", "3 3"]
    assert dict(os.environ) == before
    assert threads_each(10_000) == 1
    assert threads_each(1) is None


def test_starting_some_from_several_threads_leaves_this_process_as_it_was(tmp_path):
    before, main = dict(os.environ), sys.modules["__main__"]

    def start(number):
        units = [tmp_path / f"{number}-{unit}" for unit in range(2)]
        return list(run(threads_seen, units, workers=2, threads=number))

    with ThreadPoolExecutor(4) as pool:
        assert sum(map(len, pool.map(start, range(1, 5)))) == 8
    seen = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert seen == {f"{n}-{unit}": f"{n} {n}" for n in range(1, 5) for unit in range(2)}
    assert dict(os.environ) == before
    assert sys.modules["__main__"] is main


def die(path: Path) -> None:
    if path.name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    path.touch()


def test_a_killed_worker_is_told_when_the_rest_is_done(tmp_path):
    units = [tmp_path / name for name in "abc"]
    with pytest.raises(WorkerError, match=r"SIGKILL.*fewer --workers"):
        list(run(die, units, workers=2, threads=1))
    assert [path.name for path in units if path.exists()] == ["a", "c"]


def work_on(folder: Path, unit: str) -> str:
    """Note the unit, then do what it is called."""
    with (folder / unit).open("a") as stream:
        print(os.getpid(), file=stream)
    if unit == "exits":
        os._exit(3)
    if unit == "once" and len((folder / unit).read_text().split()) == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if unit == "raises":
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte")
    if unit == "odd":

        class OddError(Exception):
            pass

        raise OddError("not to be pickled")
    if unit == "slow":
        time.sleep(60)
    return unit.upper()


def opened(folder: Path) -> partial[str]:
    return partial(work_on, folder)


def test_a_unit_that_kills_its_process_does_not_stop_the_others(tmp_path):
    names = ["a", "exits", "b", "once", "raises", "c", "odd", "d"]
    crew = Crew(partial(opened, tmp_path), workers=2, threads=1)
    try:
        found = {outcome.unit: outcome for outcome in crew.outcomes(iter(names))}
    finally:
        crew.close()
    assert sorted(found) == sorted(names)
    assert {name: found[name].value for name in names if found[name].error is None} == {
        "a": "A", "b": "B", "c": "C", "d": "D", "once": "ONCE",
    }  # fmt: skip
    assert isinstance(found["exits"].error, WorkerError)
    assert "exit status 3" in str(found["exits"].error)
    assert isinstance(found["raises"].error, UnicodeDecodeError)
    assert "in work_on" in "".join(found["raises"].error.__notes__)
    assert str(found["odd"].error) == "OddError: not to be pickled"
    tries = {name: len((tmp_path / name).read_text().split()) for name in names}
    assert tries == dict.fromkeys(names, 1) | {"exits": 2, "once": 2}
    processes = {(tmp_path / name).read_text().split()[0] for name in ("a", "b", "c", "d")}
    assert len(processes) <= 4  # started again after a death, not for each unit


def unopenable() -> None:
    raise BundleError("no such model")


def dead_at_birth() -> None:
    os._exit(9)


def test_a_crew_that_cannot_begin_says_why():
    for opening, error, message in (
        (unopenable, BundleError, "no such model"),
        (dead_at_birth, WorkerError, "exit status 9"),
    ):
        crew = Crew(opening, workers=2, threads=1)
        with pytest.raises(error, match=message):
            list(crew.outcomes(["a", "b", "c"]))
        crew.close()


def test_closing_ends_what_is_under_way(tmp_path):
    crew = Crew(partial(opened, tmp_path), workers=2, threads=1)
    outcomes = crew.outcomes(["slow", "a", "b"])
    assert next(outcomes).unit == "a"
    began = time.monotonic()
    note = tmp_path / "slow"
    while not (note.exists() and note.read_text()):  # the other process may be slow to start
        assert time.monotonic() - began < 60
        time.sleep(0.05)
    began = time.monotonic()
    crew.close()
    assert time.monotonic() - began < 30  # it would sleep for a minute
    assert not psutil.pid_exists(int(note.read_text()))


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = """
        import sys
        from functools import partial
        from pathlib import Path
        from facevoice.workers import Crew
        from tests.workers.test_workers import opened

        if __name__ == "__main__":
            crew = Crew(partial(opened, Path(sys.argv[1])), workers=1, threads=1)
            list(crew.outcomes(["slow"]))
    """
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(code))
    place = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(TESTS)])}
    with subprocess.Popen([sys.executable, script, tmp_path], env=os.environ | place) as parent:
        note = tmp_path / "slow"
        wait_for(lambda: note.exists() and note.read_text())
        parent.kill()
    wait_for(lambda: not psutil.pid_exists(int(note.read_text())))


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_daemon_starts_no_process_and_works_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    units = [tmp_path / "a", tmp_path / "b"]
    assert list(run(threads_seen, units, workers=2, threads=3)) == units
    with pytest.raises(WorkerError, match="daemon of multiprocessing"):
        next(Crew(partial(int, 1), workers=1, threads=1).outcomes([1]))
