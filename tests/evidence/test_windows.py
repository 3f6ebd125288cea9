"""The window maker, fed by hand: order, ends and memory."""

import numpy as np
import pytest

from facevoice.bundle import load_bundle
from facevoice.evidence import EvidenceWindow, MouthVoice, Plan, Sight, WindowMaker
from facevoice.evidence import attribution as attribution_module
from facevoice.evidence.follow import Followed, Follower
from facevoice.evidence.sights import MOST_FACES
from facevoice.evidence.window import NO_SPEECH
from facevoice.media import View
from facevoice.speech import Speech
from facevoice.timeline.scoring import WindowScorer
from facevoice.types import Face, FaceTrack, Waveform

RATE = 16_000
STEP = 3 / 16
ALIGNED = np.zeros((256, 256, 3), np.uint8)


def face(x):
    box = np.array([x, 40, x + 40, 90], np.float32)
    spots = [(x + 12, 58), (x + 28, 58), (x + 20, 68), (x + 14, 78), (x + 26, 78)]
    return Face(box, np.array(spots, np.float32), 0.99)


class Passers:
    """Detects a new face in another place every two seconds."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        return [face(20 + 60 * (self.calls // 10 % 4))]


def nobody_speaks(_):
    return np.zeros((0, 2))


@pytest.fixture
def maker():
    return WindowMaker(
        Plan(0.0, 3.0, 1.0, has_video=True, has_audio=True),
        nobody_speaks,
        mouth_voice=MouthVoice.load(),
        follower=Follower(Passers()),
    )


def feed(maker, seconds):
    """Feed a still picture of noise, sampled each time, and noise as sound; yield the windows."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (120, 300, 3)).astype(np.uint8)
    thumbnail = image[:96:2, :128:2].copy()
    sound = generator.normal(0, 0.1, round(STEP * RATE)).astype(np.float32)
    for number in range(round(seconds / STEP)):
        maker.add_view(View(number * STEP, thumbnail, image[..., 0], image))
        maker.add_sound(Waveform(sound, RATE, number * STEP))
        yield from maker.ready()


def kept(maker):
    return {
        "sights": len(maker._sights._sights),
        "sound": len(maker._sound._pieces),
        "tracks": len(maker._follower._tracks),
        "known": len(maker._sights._known),
        "mouths": len(maker._follower._mouths._mouths),
        "motions": len(maker._attribution._motions._tracks),
    }


def test_memory_does_not_grow(maker, toy_bundle):
    scorer = WindowScorer(load_bundle(toy_bundle, threads=1), frame_scores=True)
    sizes = {}
    for window in feed(maker, 40):
        scorer.window(window)
        sizes[round(window.start_seconds)] = kept(maker) | {"looks": len(scorer._looks)}
    assert len(sizes) > 35
    for name, size in sizes[12].items():
        assert sizes[35][name] <= size + 8, name


def test_every_passer_has_a_number_and_every_sight_appears_once(maker):
    windows = list(feed(maker, 29.8))
    maker.end_pictures()
    maker.end_sound()
    windows += maker.ready()
    sights = [sight for window in windows for sight in window.sights]
    assert len(sights) == round(29.8 / STEP)
    assert [sight.time_seconds for sight in sights] == sorted({s.time_seconds for s in sights})
    assert len({sight.person for sight in sights}) >= 15
    assert {person for window in windows for person in window.faces} == {
        sight.person for sight in sights
    }


def test_a_window_comes_as_soon_as_it_is_complete(maker):
    ends = {}
    for window in feed(maker, 10):
        ends[window.stop_seconds] = maker.complete_until
    assert all(0 < seen - stop < 3 * STEP + 0.2 for stop, seen in ends.items())


def test_windows_wait_for_sound_that_is_behind(maker):
    image = np.zeros((120, 300, 3), np.uint8)
    for number in range(40):
        maker.add_view(View(number * STEP, image[:48, :64], image[..., 0], image))
    assert list(maker.ready()) == []
    maker.end_sound()
    assert len(list(maker.ready())) > 1


def test_earlier_fits_count_in_proportion_to_the_overlap_of_windows(maker, monkeypatch):
    """One contrary window does not end a turn; a pause does."""
    window_fits = iter([4.0, 4.0, -2.0, None, -2.0])

    class Always:
        def fit(self, found):
            return found

        def verdict(self, fits, _people):
            given_fits.append(dict(fits))

    given_fits = []
    maker._attribution._mouth_voice = Always()
    monkeypatch.setattr(attribution_module, "features", lambda *_: fit)
    sound = Waveform(np.ones(RATE, np.float32), RATE)
    spoken = Speech(sound, np.array([[0.0, 1.0]]), None)
    silent = Speech(None, np.zeros((0, 2)), "no_speech")
    sight = Sight(0.0, 1, face(20), None)
    for fit in window_fits:
        maker._verdict({7: [sight]}, sound, silent if fit is None else spoken, 0.0, 1.0)
    assert maker._attribution._memory == pytest.approx(0.5)
    assert given_fits[0] == {7: 4.0}
    assert given_fits[1] == {7: pytest.approx(4.0)}
    assert given_fits[2] == {7: pytest.approx((-2.0 + 0.5 * 4.0) / 1.5)}
    assert given_fits[3] == {7: -2.0}


def person(number, sights, side=30, confidence=0.9):
    """A track of a square face with that many sights."""
    images = np.zeros((sights, 256, 256, 3), np.uint8)
    box = np.array([0, 0, side, side], np.float32)
    return FaceTrack(
        images,
        np.arange(sights, dtype=np.float64),
        np.tile(box, (sights, 1)),
        np.full(sights, confidence, np.float32),
        track_id=number,
    )


@pytest.mark.parametrize(
    ("people", "main"),
    [
        ([], None),
        ([person(0, 1, side=20), person(1, 1, side=60)], 1),
        ([person(0, 3, side=30), person(1, 1, side=60)], 0),
        ([person(2, 1, confidence=0.5), person(5, 1, confidence=0.9)], 5),
        ([person(5, 1), person(2, 1)], 2),
    ],
)
def test_the_main_person_is_large_clear_and_long_in_sight(people, main):
    faces = {track.track_id: track for track in people}
    window = EvidenceWindow(0.0, 3.0, faces, NO_SPEECH, None, len(faces), (), ())
    assert window.main_person == main


def test_a_short_remainder_belongs_to_the_last_window():
    plan = Plan(0.0, 3.0, 3.0, has_video=False, has_audio=True)
    ends = {}
    for seconds in (0.5, 3.2, 4.4, 4.6, 10.4):
        maker = WindowMaker(plan, nobody_speaks)
        maker.add_sound(Waveform(np.zeros(round(seconds * RATE), np.float32), RATE))
        maker.end_pictures()
        maker.end_sound()
        ends[seconds] = [window.stop_seconds for window in maker.ready()]
    assert ends == {0.5: [0.5], 3.2: [3.2], 4.4: [4.4], 4.6: [3.0, 4.6], 10.4: [3.0, 6.0, 10.4]}


def test_a_gap_in_the_pictures_does_not_lengthen_the_source():
    maker = WindowMaker(Plan(0.0, 9.0, 9.0, has_video=True, has_audio=False), nobody_speaks)
    for time in (0.0, 0.04, 0.08, 8.92, 8.96):
        maker.add_picture(Followed(time, cut=False, faces=None))
    maker.end_pictures()
    (window,) = maker.ready()
    assert window.stop_seconds == pytest.approx(9.0)


def test_a_face_counts_as_a_person_after_half_a_second(maker):
    """One false face in sixteen instants is not a person."""
    for number in range(16):
        faces = ((7, face(20), ALIGNED),) if number == 5 else ()
        maker.add_picture(Followed(number * STEP, cut=False, faces=faces))
    maker.end_pictures()
    maker.end_sound()
    (window,) = maker.ready()
    assert not window.faces
    assert window.people == 0
    assert window.evidence(window.main_person).missing["face"] == "no_face"


@pytest.mark.parametrize(("sights", "code"), [(1, "too_little"), (2, None), (16, None)])
def test_a_face_that_is_seen_for_a_sliver_of_a_window_is_missing(sights, code):
    """Someone who has a number, because of an earlier window, and is about to leave."""
    maker = WindowMaker(Plan(0.0, 3.0, 3.0, has_video=True, has_audio=False), nobody_speaks)
    for number in range(32):
        faces = ((7, face(20), ALIGNED),) if number < 16 + sights else ()
        maker.add_picture(Followed(number * STEP, cut=False, faces=faces))
    maker.end_pictures()
    first, second = maker.ready()
    assert first.faces[0].seconds == pytest.approx(3.0)
    assert second.people == 1
    assert second.evidence(second.main_person).missing.get("face") == code


def test_a_cover_picture_is_a_sliver_of_its_sound():
    maker = WindowMaker(Plan(0.0, 4.0, 4.0, has_video=True, has_audio=True), nobody_speaks)
    maker.add_picture(Followed(0.0, cut=False, faces=((7, face(20), ALIGNED),)))
    maker.add_sound(Waveform(np.zeros(4 * RATE, np.float32), RATE))
    maker.end_pictures()
    maker.end_sound()
    (window,) = maker.ready()
    assert window.evidence(window.main_person).missing["face"] == "too_little"


def test_no_one_is_seen_for_longer_than_the_window_lasts():
    maker = WindowMaker(Plan(0.0, 3.0, 3.0, has_video=True, has_audio=False), nobody_speaks)
    for number in range(61):
        sampled = number % 5 == 0
        faces = ((7, face(20), ALIGNED),) if sampled else None
        maker.add_picture(Followed(number / 25, cut=False, faces=faces))
    maker.end_pictures()
    (window,) = maker.ready()
    assert window.stop_seconds == pytest.approx(2.44)
    assert window.faces[0].seconds == pytest.approx(2.4375)
    assert sum(sight.seconds for sight in window.sights) <= 2.44


def test_a_sight_ends_at_a_cut():
    """The face is seen in the picture at 2.4 s, the cut comes at 2.48 s, the next one at 2.6 s."""
    maker = WindowMaker(Plan(0.0, 3.0, 3.0, has_video=True, has_audio=False), nobody_speaks)
    for number in range(75):
        faces = ((7, face(20), ALIGNED),) if number <= 60 else ()
        sampled = number % 5 == 0
        cut = number == 62
        maker.add_picture(Followed(number / 25, cut=cut, faces=faces if sampled else None))
    maker.end_pictures()
    (window,) = maker.ready()
    assert window.sights[-1].time_seconds == 2.4
    assert window.sights[-1].seconds == pytest.approx(0.08)


@pytest.mark.parametrize("window", [0.2, 0.5, 3.0])
def test_a_face_is_seen_as_long_as_its_pictures_last(window):
    """Short windows ask for more instants per second than the source has pictures."""
    plan = Plan(0.0, window, window, has_video=True, has_audio=False)
    maker, windows, before = WindowMaker(plan, nobody_speaks), [], -1
    for instant in range(round(6 * plan.rate_hz)):
        time = instant / plan.rate_hz
        number = int(time * 25)
        faces = ((7, face(20), ALIGNED),) if number >= 75 else ()
        until = time + 1 / plan.rate_hz if number == before else None
        maker.add_picture(Followed(time, False, faces, until=until))
        windows += maker.ready()
        before = number
    maker.end_pictures()
    windows += maker.ready()
    seen = sum(track.seconds for each in windows for track in each.faces.values())
    assert 2.6 <= seen <= 3.01
    assert seen == pytest.approx(sum(s.seconds for each in windows for s in each.sights), abs=0.6)


def test_only_pictures_of_the_largest_faces_are_kept_for_the_main_person():
    plan = Plan(0.0, 3.0, 3.0, has_video=True, has_audio=False)
    for main_only, kept in ((True, MOST_FACES), (False, MOST_FACES + 4)):
        maker = WindowMaker(plan, nobody_speaks, main_only=main_only)
        for number in range(16):
            faces = tuple((key, face(100.0 * key), ALIGNED) for key in range(MOST_FACES + 4))
            maker.add_picture(Followed(number * STEP, cut=False, faces=faces))
        maker.end_pictures()
        (window,) = maker.ready()
        assert len(window.faces) == kept
        assert window.people == MOST_FACES + 4
