"""Following people in another process: same results, errors passed on, nothing left running."""

import multiprocessing
import os
import pickle
import signal
import sys
import time
from functools import partial

import numpy as np
import psutil
import pytest

from facevoice.bundle import load_bundle
from facevoice.errors import MediaNotFoundError, MediaUnreadableError, WorkerError
from facevoice.evidence import Plan, read
from facevoice.evidence import follow_process as process_module
from facevoice.evidence.follow import Followed, follow_file
from facevoice.evidence.follow_process import in_another_process, is_worth_a_process
from facevoice.faces.mtcnn import Mtcnn
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.types import Face
from support.media_files import steady, tone, write_media
from support.stopped import stopped_after

FACE = Face(np.array([0, 0, 9, 9], np.float32), np.eye(5, 2, dtype=np.float32), 1.0)


def following(path):
    plan = Plan(0.0, 3.0, 1.0, has_video=True, has_audio=True)
    return partial(follow_file, path, plan, partial(Mtcnn, threads=1), with_mouths=True)


@pytest.fixture(scope="module")
def here():
    return list(following(SAMPLE)())


def test_another_process_yields_the_same_pictures(here):
    there = list(in_another_process(following(SAMPLE)))
    assert [seen.time_seconds for seen in there] == [seen.time_seconds for seen in here]
    assert [seen.cut for seen in there] == [seen.cut for seen in here]
    assert any(seen.faces for seen in here)
    for one, other in zip(there, here, strict=True):
        for here_, there_ in zip(one.motions, other.motions, strict=True):
            assert here_.track == there_.track
            assert np.array_equal(here_.motions, there_.motions)
        assert (one.faces is None) == (other.faces is None)
        for (track, face, aligned), (same, its, again) in zip(
            one.faces or (), other.faces or (), strict=True
        ):
            assert track == same
            assert np.array_equal(face.box, its.box)
            assert np.array_equal(aligned, again)


def test_an_error_arrives_as_it_was_raised(tmp_path):
    with pytest.raises(MediaNotFoundError, match=r"absent\.mp4"):
        list(in_another_process(following(tmp_path / "absent.mp4")))


def test_closing_early_leaves_no_process():
    pictures = in_another_process(following(SAMPLE))
    next(pictures)
    assert multiprocessing.active_children()
    pictures.close()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_process_is_an_error_not_a_short_film():
    pictures = in_another_process(following(SAMPLE))
    next(pictures)
    (process,) = multiprocessing.active_children()
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        list(pictures)


def broken_after_three():
    for number in range(3):
        yield Followed(float(number), cut=False, faces=None)
    raise MediaUnreadableError("the rest is damaged")


def test_pictures_before_an_error_are_not_lost():
    pictures = in_another_process(broken_after_three)
    assert [next(pictures).time_seconds for _ in range(3)] == [0.0, 1.0, 2.0]
    with pytest.raises(MediaUnreadableError, match="the rest is damaged"):
        next(pictures)


def soon_slow():
    for number in range(12):
        yield Followed(float(number), cut=False, faces=None)
    time.sleep(60)


def large():
    for number in range(1000):
        faces = ((0, FACE, np.zeros((1000, 1000, 3), np.uint8)),)
        yield Followed(float(number), cut=False, faces=faces)


@pytest.mark.parametrize("make", [soon_slow, large])
def test_closing_waits_neither_for_a_picture_nor_for_a_full_pipe(make):
    pictures = in_another_process(make)
    next(pictures)
    started = time.monotonic()
    pictures.close()
    assert time.monotonic() - started < 10
    assert not multiprocessing.active_children()


def test_if_no_process_can_start_it_runs_in_this_one(here, monkeypatch):
    def refused(*_):
        raise OSError("no more processes")

    monkeypatch.setattr(process_module, "Worker", refused)
    assert [seen.time_seconds for seen in in_another_process(following(SAMPLE))] == [
        seen.time_seconds for seen in here
    ]


def test_only_faces_and_numbers_cross_to_another_process(here):
    """Of a film of any size: what is sent of a picture does not grow with it."""
    watched = np.concatenate([new.times for seen in here for new in seen.motions])
    assert len(watched) > 0.8 * len(here)  # mouths, in 25 pictures per second
    assert max(len(pickle.dumps(seen)) for seen in here if not seen.faces) < 2_000
    most = max(len(pickle.dumps(seen)) / len(seen.faces) for seen in here if seen.faces)
    assert most < 256 * 256 * 3 + 4_000
    assert not any(seen.motions for seen in following(SAMPLE)(with_mouths=False))


def test_short_films_single_cores_and_daemons_start_no_process(monkeypatch):
    monkeypatch.setattr(process_module, "cores", lambda: 2)
    assert is_worth_a_process(60.0)
    assert not is_worth_a_process(5.0)
    assert not is_worth_a_process(None)
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # the program would start itself again
    assert not is_worth_a_process(60.0)
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    assert not is_worth_a_process(60.0)
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {})
    monkeypatch.setattr(process_module, "cores", lambda: 1)
    assert not is_worth_a_process(60.0)


def test_a_timeline_is_the_same_either_way(toy_bundle, monkeypatch):
    bundle = load_bundle(toy_bundle, threads=1)
    made = []
    for worth in (False, True):
        monkeypatch.setattr(read, "is_worth_a_process", lambda _, worth=worth: worth)
        made.append(timeline(SAMPLE, bundle, frames=True))
    here, there = made
    assert len(here.rows) == len(there.rows) > 0
    for one, other in zip(here.rows, there.rows, strict=True):
        assert (one.person, one.speaker) == (other.person, other.speaker)
        assert one.scores is None or np.array_equal(one.scores.values, other.scores.values)
    assert np.array_equal(here.frames.boxes, there.frames.boxes)
    assert here.people == there.people


def test_sound_alone_starts_no_process(toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(process_module, "cores", lambda: 2)
    monkeypatch.setattr(process_module, "Worker", None)
    path = write_media(tmp_path / "tone.wav", sound=tone(25.0, 16_000))
    assert len(timeline(path, load_bundle(toy_bundle, threads=1)).rows) > 20


def test_an_interrupt_ends_both_processes(toy_bundle, tmp_path):
    film = write_media(tmp_path / "film.mp4", times=steady(600), size=(320, 240))
    words = ["timeline", str(film), "-o", str(tmp_path / "out"), "--bundle", str(toy_bundle)]
    place = "facevoice.workers.process:Worker.receive"  # that it is ready, then pictures
    end = stopped_after(2, place, words, signal.SIGINT, group=True)
    assert end.status == 130
    assert "Traceback" not in end.said
    assert end.children
    assert not any(psutil.pid_exists(child) for child in end.children)
    assert not (tmp_path / "out").exists()
