"""Live windows under any order of arrival, and without pictures or sound."""

import numpy as np
import pytest

from facevoice.evidence import EvidenceReader, Feeder, Plan
from facevoice.media import Arrival, View
from facevoice.types import Waveform

RATE = 16_000
STEP = 0.04
PATIENCE = 1.5  # a hop of 1 s and half a second
IMAGE = np.random.default_rng(0).integers(0, 255, (90, 160, 3)).astype(np.uint8)
THUMBNAIL = IMAGE[:48, :64].copy()
NOISE = np.random.default_rng(1).normal(0, 0.1, round(STEP * RATE)).astype(np.float32)


@pytest.fixture
def feeder():
    plan = Plan(0.0, 3.0, 1.0, has_video=True, has_audio=True)
    maker = EvidenceReader(threads=1).maker(plan, follow=True, attribute=True)
    return Feeder(maker)


def view(at, waited):
    return Arrival(View(at, THUMBNAIL, IMAGE[..., 0], None), waited, waited)


def sound(at, waited):
    return Arrival(Waveform(NOISE, RATE, at), waited, waited)


def fed(feeder, arrivals):
    """Each window, with the source's time at which it was yielded."""
    for arrival in arrivals:
        for window in feeder.take(arrival):
            yield window, arrival.waited_seconds


def steps(start, stop):
    return [number * STEP for number in range(round(start / STEP), round(stop / STEP))]


def test_windows_are_immediate_while_both_streams_arrive(feeder):
    arrivals = [make(at, at) for at in steps(0, 8) for make in (view, sound)]
    came = list(fed(feeder, arrivals))
    assert len(came) == 5
    assert all(at - window.stop_seconds < 0.4 for window, at in came)


@pytest.mark.parametrize("kind", ["muted", "frozen"])
def test_a_muted_microphone_or_a_frozen_camera_does_not_hold_up_windows(feeder, kind):
    there, missing = (view, sound) if kind == "muted" else (sound, view)
    arrivals = [make(at, at) for at in steps(0, 2) for make in (view, sound)]
    arrivals += [there(at, at) for at in steps(2, 9)]
    arrivals += [make(at, at) for at in steps(9, 14) for make in (there, missing)]
    came = list(fed(feeder, arrivals))
    came += [(window, 14.0) for window in feeder.end()]
    assert [round(window.stop_seconds) for window, _ in came] == list(range(3, 15))
    for window, at in came:
        assert at - window.stop_seconds < PATIENCE + 0.4
        voice = window.speech.missing
        gap = kind == "muted" and window.start_seconds >= 2 and window.stop_seconds <= 9
        assert (voice == "silent") == gap
    assert all(at - window.stop_seconds < 0.4 for window, at in came if window.stop_seconds > 11)


def test_a_microphone_that_sends_nothing_does_not_hold_up_windows(feeder):
    came = list(fed(feeder, [view(at, at) for at in steps(0, 8)]))
    assert len(came) >= 3
    assert {window.speech.missing for window, _ in came} == {"silent"}


def test_a_piped_file_may_hold_its_sound_far_behind_its_pictures(feeder):
    """Fragmented MP4 holds all pictures of a few seconds, then their sound."""
    came = []
    for block in range(4):
        arrivals = [view(at, 0.0) for at in steps(5 * block, 5 * block + 5)]
        assert len(list(fed(feeder, arrivals))) <= 1  # of the block before, whose sound is there
        arrivals = [sound(at, 0.0) for at in steps(5 * block, 5 * block + 5)]
        came += fed(feeder, arrivals)
    assert all(window.speech.missing != "silent" for window, _ in came)
    assert len(came) >= 13


def test_sound_that_is_always_late_extends_the_patience(feeder):
    late = 6.0
    arrivals = []
    for at in steps(0, 20):
        arrivals.append(view(at, at))
        if at >= late:
            arrivals.append(sound(at - late, at))
    came = list(fed(feeder, arrivals))
    assert came[0][0].speech.missing == "silent"
    voices = [window.speech.missing for window, _ in came[5:]]
    assert len(voices) > 5
    assert set(voices) == {"no_speech"}


def test_held_pictures_are_bounded(feeder):
    image = np.zeros((2160, 3840), np.uint8)
    for number in range(100):
        content = View(number * STEP, THUMBNAIL, image, None)
        list(feeder.take(Arrival(content, 0.0, 0.0)))
        assert len(feeder._held) < 60
    assert feeder._held


def test_a_picture_that_turns_out_to_have_stood_counts_where_windows_still_wait(feeder):
    arrivals = [make(at, at) for at in steps(0, 2) for make in (view, sound)]
    arrivals += [sound(at, at) for at in steps(2, 9)]
    before = list(fed(feeder, arrivals))
    until = 9.0 - STEP + STEP - PATIENCE
    held = []
    feeder._maker.follow = lambda view: held.append(view) or []
    still = view(2.0, 9.0).content
    instants = [2 + k / 4 for k in range(28)]
    late = [Arrival(each, 9.0, 9.0) for each in still.standing(instants, 9.0)]
    list(fed(feeder, [*late, view(9.0, 9.0)]))
    again = [seen.time_seconds for seen in held if seen.again]
    assert before
    assert until - 0.3 <= again[0] <= until + 0.3
    assert again[-1] == 8.75
