import numpy as np
import pytest

from facevoice.errors import InvalidInputError
from facevoice.faces.detect import Boxes
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.track import (
    FaceFinder,
    FaceFollower,
    FaceTracker,
    colour_change,
    colour_histogram,
    main_track,
)
from facevoice.types import Face, Frame, UInt8Array
from support.detector_contract import astronaut

SCENE = np.random.default_rng(0).integers(0, 128, (90, 160, 3), np.uint8)
OTHER_SCENE = 255 - SCENE


def face(left: float, top: float = 0, side: float = 50, confidence: float = 0.9) -> Face:
    box = np.array([left, top, left + side, top + side], np.float32)
    return Face(box, np.zeros((5, 2), np.float32), confidence)


class Script:
    """A detector that knows what is to be seen: ``scene`` is set by the test."""

    def __init__(self) -> None:
        self.scene: list[Face] = []
        self.searches = 0

    def __call__(self, image: UInt8Array) -> list[Face]:
        self.searches += 1
        return list(self.scene)


class RefiningScript(Script):
    def refine(self, image: UInt8Array, boxes: Boxes) -> list[Face | None]:
        found = {tuple(one.box): one for one in self.scene}
        return [found.get(tuple(box)) for box in boxes]


def test_numbers_stay_with_moving_people() -> None:
    tracker = FaceTracker()
    for step in range(10):
        numbers = tracker.update(
            step * 0.2, [face(300 - 8 * step), face(8 * step)][:: (-1) ** step]
        )
        assert numbers == ([0, 1] if step % 2 == 0 else [1, 0])


def test_short_loss_is_bridged_and_long_loss_is_not() -> None:
    tracker = FaceTracker(patience_seconds=1.0)
    assert tracker.update(0.0, [face(0)]) == [0]
    assert tracker.update(0.5, []) == []
    assert tracker.update(1.0, [face(5)]) == [0]
    assert tracker.update(2.2, [face(5)]) == [1]


def test_the_better_overlap_wins() -> None:
    tracker = FaceTracker()
    tracker.update(0, [face(0)])
    assert tracker.update(0.2, [face(20), face(4)]) == [1, 0]


def test_ended_tracks_are_forgotten() -> None:
    tracker = FaceTracker()
    for step in range(500):
        tracker.update(step, [face(1000 * (step % 7))])
    assert len(tracker._tracks) <= 2


def test_time_runs_forward() -> None:
    tracker = FaceTracker()
    tracker.update(1.0, [])
    with pytest.raises(InvalidInputError, match="run back"):
        tracker.update(0.9, [])


def run(
    follower: FaceFollower, detector: Script, scenes: list[list[Face]]
) -> list[list[tuple[int, Face]]]:
    found = []
    for index, scene in enumerate(scenes):
        detector.scene = scene
        found.append(follower.step(Frame(SCENE, index * 0.2)))
    return found


def test_detects_once_a_second_and_refines_between() -> None:
    detector = RefiningScript()
    follower = FaceFollower(detector)
    found = run(follower, detector, [[face(10)]] * 21)
    assert all([number for number, _ in pairs] == [0] for pairs in found)
    assert detector.searches == follower.detections == 5


def test_a_calm_shot_is_searched_less_often_until_somebody_comes() -> None:
    detector = RefiningScript()
    finder = FaceFinder(detector, calm_seconds=2.0)
    searched = []
    for step in range(61):
        time = step * 0.2
        detector.scene = [face(10), face(200)] if time > 7 else [face(10)]
        before = detector.searches
        finder.find(SCENE, time, afresh=False)
        if detector.searches > before:
            searched.append(round(time, 1))
    # calm from 2.0 on; at 8.0 there is somebody new; calm again from 10.0 on
    assert searched == [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0, 12.0]


def test_searches_an_empty_scene_less_often_than_it_is_asked() -> None:
    detector = RefiningScript()
    run(FaceFollower(detector), detector, [[]] * 21)
    assert detector.searches == 11


def test_a_lost_face_is_searched_for_at_once() -> None:
    detector = RefiningScript()
    found = run(FaceFollower(detector), detector, [[face(10)], [face(30)], [face(30)]])
    assert detector.searches == 2
    assert [[number for number, _ in pairs] for pairs in found] == [[0], [0], [0]]


def test_two_faces_that_become_one_are_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = RefiningScript()
    follower = FaceFollower(detector)
    run(follower, detector, [[face(0), face(100)]])
    monkeypatch.setattr(detector, "refine", lambda *_: [face(50), face(52)])
    run_on = follower.step(Frame(SCENE, 0.2))
    assert detector.searches == 2
    assert len(run_on) == 2


def test_a_detector_that_cannot_refine_runs_every_time() -> None:
    detector = Script()
    run(FaceFollower(detector), detector, [[face(10)]] * 5)
    assert detector.searches == 5


def test_a_cut_starts_new_people() -> None:
    detector = RefiningScript()
    follower = FaceFollower(detector)
    detector.scene = [face(10)]
    before = follower.step(Frame(SCENE, 0.0))
    after = follower.step(Frame(OTHER_SCENE, 0.2))
    assert detector.searches == 2
    assert before[0][0] == 0
    assert after[0][0] == 1


def test_follows_a_real_face() -> None:
    detector = Mtcnn(threads=1)
    follower = FaceFollower(detector)
    for index in range(4):
        left = 12 * index
        pairs = follower.step(Frame(astronaut()[:, left : left + 440], 0.2 * index))
        assert [number for number, _ in pairs] == [0]
        whole = detector(astronaut())[0].landmarks - (left, 0)
        assert np.abs(pairs[0][1].landmarks - whole).max() < 6
    assert follower.detections == 1


def test_colours_change_at_a_cut_and_not_by_movement() -> None:
    before = colour_histogram(astronaut())
    assert before.sum() == pytest.approx(1)
    assert colour_change(before, colour_histogram(np.roll(astronaut(), 40, axis=1))) < 0.05
    assert colour_change(before, colour_histogram(255 - astronaut())) > 0.5
    assert colour_histogram(np.zeros((1, 1, 3), np.uint8)).argmax() == 0


def test_main_person_is_large_clear_and_long_in_sight() -> None:
    assert main_track([]) is None
    assert main_track([(0, face(0, side=20)), (1, face(0, side=60))]) == 1
    assert main_track([(0, face(0, side=30))] * 3 + [(1, face(0, side=60))]) == 0
    assert main_track([(5, face(0, confidence=0.9)), (2, face(0, confidence=0.5))]) == 5
    assert main_track([(5, face(0)), (2, face(0))]) == 2
