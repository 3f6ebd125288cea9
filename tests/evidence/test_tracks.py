"""Tracks of synthetic faces that move, vanish, cross and are swapped."""

import numpy as np

from facevoice.evidence.appearance import describe, likeness
from facevoice.evidence.tracks import Tracks
from facevoice.types import Face

STEP = 3 / 16


def looks_of(person: int, wobble: int = 0):
    """The aligned face (256, 256, 3) of a synthetic person, slightly different each time."""
    generator = np.random.default_rng(person)
    coarse = generator.uniform(0, 255, (8, 8, 3)).repeat(32, axis=0).repeat(32, axis=1)
    noise = np.random.default_rng(100 + wobble).normal(0, 12, coarse.shape)
    return np.clip(coarse + noise, 0, 255).astype(np.uint8)


def face(x: float, y: float = 100.0, size: float = 60.0) -> Face:
    box = np.array([x, y, x + size, y + size], np.float32)
    spots = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = np.array([(x + a * size, y + b * size) for a, b in spots], np.float32)
    return Face(box, landmarks, 0.99)


def numbers(tracks, steps, doubts=()):
    """Track numbers at each step; a step is a list of (person, x), or None for a cut."""
    found, time = [], 0.0
    for index, step in enumerate(steps):
        if step is None:
            tracks.cut()
            continue
        faces = [face(x) for _, x in step]
        looks = [looks_of(person, index) for person, _ in step]
        found.append(tracks.update(time, faces, looks, doubt=index in doubts))
        time += STEP
    return found


def test_synthetic_people_differ_and_resemble_themselves():
    assert likeness(describe(looks_of(1, 1)), describe(looks_of(1, 2))) > 0.95
    assert likeness(describe(looks_of(1)), describe(looks_of(2))) < 0.5


def test_two_people_keep_their_numbers_in_any_order():
    steps = [[(1, 10 + 5 * n), (2, 300 - 5 * n)][:: (-1) ** n] for n in range(8)]
    for step, row in zip(steps, numbers(Tracks(), steps), strict=True):
        assert [{1: 0, 2: 1}[person] for person, _ in step] == row


def test_a_short_loss_keeps_the_number_and_a_long_one_does_not():
    away = [[]] * 10
    assert numbers(Tracks(), [[(1, 100)], *away, [(1, 110)]])[-1] == [0]
    assert numbers(Tracks(), [[(1, 100)], *([[]] * 20), [(1, 110)]])[-1] == [1]


def test_another_face_at_the_place_of_a_lost_one_is_another_person():
    assert numbers(Tracks(), [[(1, 100)], [], [], [], [], [], [(2, 100)]])[-1] == [1]


def test_a_face_that_comes_back_far_away_is_not_joined():
    assert numbers(Tracks(), [[(1, 100)], [], [], [], [(1, 900)]])[-1] == [1]


def test_a_jump_of_the_camera_does_not_swap_numbers():
    steps = [[(1, 100), (2, 170)], [(1, 150), (2, 220)]]
    assert numbers(Tracks(), steps)[-1] == [0, 1]


def test_no_number_survives_a_cut_even_at_the_same_place():
    assert numbers(Tracks(), [[(1, 100)], None, [(1, 100)]]) == [[0], [1]]


def test_a_doubtful_change_ends_the_track_if_the_face_is_another_one():
    assert numbers(Tracks(), [[(1, 100)], [(2, 100)]], doubts={1}) == [[0], [1]]
    assert numbers(Tracks(), [[(1, 100)], [(1, 100)]], doubts={1}) == [[0], [0]]


def test_memory_does_not_grow_with_the_people_ever_seen():
    tracks = Tracks()
    for number in range(90):
        tracks.update(number * STEP, [face(100 * (number % 7))], [looks_of(number)])
    assert len(tracks) < 25


def test_in_a_doubtful_cut_between_pictures_that_stand_long_a_face_may_change_more():
    """A second apart, one person shares some 0.85; successive instants share 0.95."""
    first, other = looks_of(1), looks_of(2)
    mixed = (0.66 * first + 0.34 * other).astype(np.uint8)
    assert 0.8 < likeness(describe(first), describe(mixed)) < 0.88
    for standing, number in ((True, 0), (False, 1)):
        tracks = Tracks()
        for step in range(6):
            tracks.update(step * STEP, [face(100)], [first], again=standing and step > 0)
        assert tracks.update(6 * STEP, [face(102)], [mixed], doubt=True) == [number]
