"""What every Detector must do: subclass DetectorContract and give it a ``detector`` fixture."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from facevoice.errors import InvalidInputError
from facevoice.faces.detect import Detector, RefiningDetector, prominence
from facevoice.types import Face, UInt8Array

ASTRONAUT_FACE = (178.0, 62.0, 270.0, 178.0)


def astronaut() -> UInt8Array:
    """A photograph (512, 512, 3) uint8 RGB with one frontal face at ``ASTRONAUT_FACE``."""
    photographs: Any = data  # scikit-image carries no types
    picture: UInt8Array = photographs.astronaut()
    return picture


def check_face(face: Face) -> None:
    assert np.isfinite(face.box).all()
    assert np.isfinite(face.landmarks).all()
    assert 0 <= face.confidence <= 1


class DetectorContract:
    def test_finds_the_face_and_its_landmarks(self, detector: Detector) -> None:
        face = detector(astronaut())[0]
        check_face(face)
        assert np.abs(face.box - ASTRONAUT_FACE).max() < 25
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])

    def test_moves_with_the_picture(self, detector: Detector) -> None:
        picture = astronaut()
        moved = np.full((600, 700, 3), 128, np.uint8)
        moved[40:552, 100:612] = picture
        near, far = detector(picture)[0], detector(moved)[0]
        assert np.abs(far.landmarks - near.landmarks - (100, 40)).max() < 8

    def test_most_prominent_comes_first(self, detector: Detector) -> None:
        picture = np.zeros((512, 1024, 3), np.uint8)
        picture[:, 512:] = astronaut()
        picture[100:356, 100:356] = astronaut()[::2, ::2]
        faces = detector(picture)
        assert len(faces) >= 2
        assert faces[0].box[0] > 512
        ranks = [prominence(face) for face in faces]
        assert ranks == sorted(ranks, reverse=True)

    def test_face_cut_by_the_border(self, detector: Detector) -> None:
        cut = astronaut()[90:, :250]
        for face in detector(cut):
            check_face(face)

    def test_grey_picture(self, detector: Detector) -> None:
        grey = astronaut().mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
        assert len(detector(grey)) >= 1

    @pytest.mark.parametrize("value", [0, 127, 255])
    def test_no_face_in_a_plain_picture(self, detector: Detector, value: int) -> None:
        assert detector(np.full((200, 300, 3), value, np.uint8)) == []

    @pytest.mark.parametrize("shape", [(1, 1), (1, 500), (12, 12), (23, 40), (64, 64)])
    def test_tiny_pictures(self, detector: Detector, shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        for face in detector(noise):
            check_face(face)

    def test_leaves_the_picture_alone_and_repeats_itself(self, detector: Detector) -> None:
        picture = astronaut()
        picture.flags.writeable = False
        first, second = detector(picture), detector(picture)
        assert [face.box.tolist() for face in first] == [face.box.tolist() for face in second]

    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((20, 20), np.uint8),
            np.zeros((20, 20, 4), np.uint8),
            np.zeros((0, 20, 3), np.uint8),
            np.zeros((20, 20, 3), np.float32),
        ],
    )
    def test_refuses_what_is_no_picture(self, detector: Detector, image: NDArray[Any]) -> None:
        with pytest.raises(InvalidInputError, match="uint8 RGB"):
            detector(image)


class RefiningDetectorContract(DetectorContract):
    def test_refines_a_face_that_moved(self, detector: RefiningDetector) -> None:
        found = detector(astronaut())[0]
        side = found.box[3] - found.box[1]
        for shift in ((0, 0), (0.15, 0), (-0.15, 0.05), (0, 0.15)):
            box = found.box + np.tile(shift, 2) * side
            again = detector.refine(astronaut(), box[None])[0]
            assert again is not None
            assert np.abs(again.landmarks - found.landmarks).max() < 0.05 * side

    def test_keeps_the_order_and_loses_what_is_no_face(self, detector: RefiningDetector) -> None:
        found = detector(astronaut())[0].box
        nothing = np.array([300, 300, 400, 420], np.float32)
        outside = np.array([-400, -400, -300, -300], np.float32)
        absurd = np.array([-1e7, -1e7, 1e7, 1e7], np.float32)
        faces = detector.refine(astronaut(), np.stack([nothing, found, outside, absurd]))
        assert [face is None for face in faces] == [True, False, True, True]

    def test_refines_no_boxes(self, detector: RefiningDetector) -> None:
        assert detector.refine(astronaut(), np.zeros((0, 4), np.float32)) == []

    def test_refuses_boxes_of_another_shape(self, detector: RefiningDetector) -> None:
        with pytest.raises(InvalidInputError, match=r"\(N, 4\)"):
            detector.refine(astronaut(), np.zeros(4, np.float32))
