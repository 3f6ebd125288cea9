"""The maker of windows, fed by hand: order, ends, and what it keeps."""

import numpy as np
import pytest

from facevoice.bundle import load_bundle
from facevoice.evidence.speaker import MouthVoice
from facevoice.media import Look
from facevoice.speech import Speech
from facevoice.timeline import Streams, WindowMaker
from facevoice.timeline import windows as windows_module
from facevoice.timeline.rows import Sight
from facevoice.types import Face, Waveform

RATE = 16_000
STEP = 3 / 16


def face(x):
    box = np.array([x, 40, x + 40, 90], np.float32)
    spots = [(x + 12, 58), (x + 28, 58), (x + 20, 68), (x + 14, 78), (x + 26, 78)]
    return Face(box, np.array(spots, np.float32), 0.99)


class Passers:
    """A detector that sees somebody new at another place every two seconds."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        return [face(20 + 60 * (self.calls // 10 % 4))]


def nobody_speaks(_):
    return np.zeros((0, 2))


@pytest.fixture
def maker(toy_bundle):
    bundle = load_bundle(toy_bundle, threads=1)
    return WindowMaker(
        bundle,
        Streams(0.0, has_video=True, has_audio=True),
        window_seconds=3.0,
        hop_seconds=1.0,
        detector=Passers(),
        voice=nobody_speaks,
        mouth_voice=MouthVoice.load(),
        frame_scores=True,
    )


def feed(maker, seconds):
    """Pictures of noise that stays, each sampled, and noise to hear; gives the windows."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (120, 300, 3)).astype(np.uint8)
    thumbnail = image[:96:2, :128:2].copy()
    sound = generator.normal(0, 0.1, round(STEP * RATE)).astype(np.float32)
    for number in range(round(seconds / STEP)):
        maker.picture(Look(number * STEP, thumbnail, image[..., 0], image))
        maker.sound(Waveform(sound, RATE, number * STEP))
        yield from maker.ready()


def kept(maker):
    return {
        "sights": len(maker._sights),
        "looks": len(maker._scorer.looks),
        "sound": len(maker._sound._pieces),
        "tracks": len(maker._follower),
        "known": len(maker._known),
        "mouths": len(maker._mouths._mouths),
    }


def test_what_is_kept_does_not_grow(maker):
    windows = feed(maker, 40)
    sizes = {round(window.start_seconds): kept(maker) for window in windows}
    assert len(sizes) > 35
    for name, size in sizes[12].items():
        assert sizes[35][name] <= size + 8, name


def test_everyone_who_passed_has_a_number_and_every_sight_comes_once(maker):
    windows = list(feed(maker, 29.8))
    maker.end_pictures()
    maker.end_sound()
    windows += maker.ready()
    sights = [sight for window in windows for sight in window.sights]
    assert len(sights) == round(29.8 / STEP)
    assert [sight.time_seconds for sight in sights] == sorted({s.time_seconds for s in sights})
    assert len({sight.person for sight in sights}) >= 15
    assert {row.person for window in windows for row in window.rows} == {
        sight.person for sight in sights
    }


def test_a_window_comes_as_soon_as_it_is_complete(maker):
    ends = {}
    for window in feed(maker, 10):
        ends[window.stop_seconds] = maker._progress.both
    assert all(0 < seen - stop < 3 * STEP + 0.2 for stop, seen in ends.items())


def test_windows_wait_for_sound_that_is_behind(maker):
    image = np.zeros((120, 300, 3), np.uint8)
    for number in range(40):
        maker.picture(Look(number * STEP, image[:48, :64], image[..., 0], image))
    assert list(maker.ready()) == []
    maker.end_sound()
    assert len(list(maker.ready())) > 1


def test_whose_voice_it_was_counts_as_far_as_windows_overlap(maker, monkeypatch):
    """A single window that says otherwise does not move a turn; a pause forgets it."""
    said = iter([4.0, 4.0, -2.0, None, -2.0])

    class Always:
        def fit(self, found):
            return found

        def verdict(self, fits, _people):
            told.append(dict(fits))

    told = []
    maker._mouth_voice = Always()
    monkeypatch.setattr(windows_module, "features", lambda *_: fit)
    sound = Waveform(np.ones(RATE, np.float32), RATE)
    spoken = Speech(sound, np.array([[0.0, 1.0]]), None)
    silent = Speech(None, np.zeros((0, 2)), "no_speech")
    sight = Sight(0.0, 1, face(20), 0)
    for fit in said:
        maker._verdict({7: [sight]}, sound, silent if fit is None else spoken, 0.0, 1.0)
    assert maker._memory == pytest.approx(0.5)
    assert told[0] == {7: 4.0}
    assert told[1] == {7: pytest.approx(4.0)}
    assert told[2] == {7: pytest.approx((-2.0 + 0.5 * 4.0) / 1.5)}
    assert told[3] == {7: -2.0}
