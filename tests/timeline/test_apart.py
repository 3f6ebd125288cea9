"""Following people in another process: the same pictures, errors that arrive, nothing left over."""

import multiprocessing
import os
import signal
from functools import partial

import numpy as np
import pytest

from facevoice.bundle import load_bundle
from facevoice.errors import MediaNotFoundError, WorkerError
from facevoice.samples import SAMPLE
from facevoice.timeline import apart as apart_module
from facevoice.timeline import run, timeline
from facevoice.timeline.apart import apart, follow_file, is_worth_a_process
from facevoice.timeline.windows import SAMPLING_HZ


def following(path):
    return partial(
        follow_file,
        path,
        rate_hz=SAMPLING_HZ,
        start=0.0,
        stop=None,
        patience=1.5,
        device="cpu",
        threads=1,
    )


@pytest.fixture(scope="module")
def here():
    return list(following(SAMPLE)())


def test_it_gives_what_following_here_gives(here):
    there = list(apart(following(SAMPLE)))
    assert [seen.time_seconds for seen in there] == [seen.time_seconds for seen in here]
    assert [seen.cut for seen in there] == [seen.cut for seen in here]
    assert any(seen.faces for seen in here)
    for one, other in zip(there, here, strict=True):
        assert np.array_equal(one.light, other.light)
        assert (one.faces is None) == (other.faces is None)
        for (track, face, aligned), (same, its, again) in zip(
            one.faces or (), other.faces or (), strict=True
        ):
            assert track == same
            assert np.array_equal(face.box, its.box)
            assert np.array_equal(aligned, again)


def test_an_error_arrives_as_it_was_raised(tmp_path):
    with pytest.raises(MediaNotFoundError, match=r"absent\.mp4"):
        list(apart(following(tmp_path / "absent.mp4")))


def test_closing_early_leaves_no_process():
    pictures = apart(following(SAMPLE))
    next(pictures)
    assert multiprocessing.active_children()
    pictures.close()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_process_is_an_error_not_a_short_film(here):
    pictures = apart(following(SAMPLE))
    next(pictures)
    (process,) = multiprocessing.active_children()
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        assert len(list(pictures)) < len(here)


def test_short_films_lone_cores_and_daemons_do_without(monkeypatch):
    monkeypatch.setattr(apart_module, "cores", lambda: 2)
    assert is_worth_a_process(60.0)
    assert not is_worth_a_process(5.0)
    assert not is_worth_a_process(None)
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    assert not is_worth_a_process(60.0)
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {})
    monkeypatch.setattr(apart_module, "cores", lambda: 1)
    assert not is_worth_a_process(60.0)


def test_a_timeline_is_the_same_either_way(toy_bundle, monkeypatch):
    bundle = load_bundle(toy_bundle, threads=1)
    made = []
    for worth in (False, True):
        monkeypatch.setattr(run, "is_worth_a_process", lambda _, worth=worth: worth)
        made.append(timeline(SAMPLE, bundle, frames=True))
    here, there = made
    assert len(here.rows) == len(there.rows) > 0
    for one, other in zip(here.rows, there.rows, strict=True):
        assert (one.person, one.speaker) == (other.person, other.speaker)
        assert one.scores is None or np.array_equal(one.scores.values, other.scores.values)
    assert np.array_equal(here.frames.boxes, there.frames.boxes)
    assert here.people == there.people
