"""Finding faces in a film: full searches at intervals, refinement in between."""

import numpy as np
import pytest

from facevoice.faces.detect import Boxes
from facevoice.faces.find import FaceFinder
from facevoice.faces.mtcnn import Mtcnn
from facevoice.types import Face, UInt8Array
from support.detector_contract import astronaut

SCENE = np.random.default_rng(0).integers(0, 128, (90, 160, 3), np.uint8)


def face(left: float, top: float = 0, side: float = 50, confidence: float = 0.9) -> Face:
    box = np.array([left, top, left + side, top + side], np.float32)
    return Face(box, np.zeros((5, 2), np.float32), confidence)


class Script:
    """A detector that returns ``scene``, which the test sets."""

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


def run(finder: FaceFinder, detector: Script, scenes: list[list[Face]]) -> list[list[Face]]:
    found = []
    for index, scene in enumerate(scenes):
        detector.scene = scene
        found.append(finder.find(SCENE, index * 0.2, afresh=False))
    return found


def test_detects_once_a_second_and_refines_between() -> None:
    detector = RefiningScript()
    finder = FaceFinder(detector)
    found = run(finder, detector, [[face(10)]] * 21)
    assert all(len(faces) == 1 for faces in found)
    assert detector.searches == finder.detections == 5


def test_a_calm_shot_is_searched_less_often_until_a_face_appears() -> None:
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
    # calm from 2.0 on; at 8.0 there is a new face; calm again from 10.0 on
    assert searched == [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0, 12.0]


def test_an_empty_scene_is_not_searched_on_every_frame() -> None:
    detector = RefiningScript()
    run(FaceFinder(detector), detector, [[]] * 21)
    assert detector.searches == 11


def test_a_lost_face_is_searched_for_at_once() -> None:
    detector = RefiningScript()
    found = run(FaceFinder(detector), detector, [[face(10)], [face(30)], [face(30)]])
    assert detector.searches == 2
    assert [[float(one.box[0]) for one in faces] for faces in found] == [[10], [30], [30]]


def test_two_faces_that_become_one_cause_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = RefiningScript()
    finder = FaceFinder(detector)
    run(finder, detector, [[face(0), face(100)]])
    monkeypatch.setattr(detector, "refine", lambda *_: [face(50), face(52)])
    run_on = finder.find(SCENE, 0.2, afresh=False)
    assert detector.searches == 2
    assert len(run_on) == 2


def test_a_detector_that_cannot_refine_runs_on_every_frame() -> None:
    detector = Script()
    run(FaceFinder(detector), detector, [[face(10)]] * 5)
    assert detector.searches == 5


def test_a_picture_is_searched_in_full_on_request() -> None:
    detector = RefiningScript()
    finder = FaceFinder(detector)
    run(finder, detector, [[face(10)]])
    finder.find(SCENE, 0.2, afresh=True)
    assert detector.searches == 2


def test_a_frame_that_still_stands_is_searched_once_when_that_is_due() -> None:
    detector = RefiningScript()
    finder = FaceFinder(detector)
    run(finder, detector, [[face(10)], [face(10)]])
    detector.scene = [face(10), face(80)]
    found = [len(finder.find_again(SCENE, 0.2 + step * 0.2)) for step in range(12)]
    assert found == [1] * 4 + [2] * 8
    assert detector.searches == 2


def test_finds_a_real_face_again_where_it_was() -> None:
    detector = Mtcnn(threads=1)
    finder = FaceFinder(detector)
    for index in range(4):
        left = 12 * index
        image = np.ascontiguousarray(astronaut()[:, left : left + 440])
        (found,) = finder.find(image, 0.2 * index, afresh=False)
        whole = detector(astronaut())[0].landmarks - (left, 0)
        assert np.abs(found.landmarks - whole).max() < 6
    assert finder.detections == 1
