"""The face mesh, poses and blendshapes, against MediaPipe on one photograph."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from facevoice.errors import BundleError, InvalidInputError
from facevoice.faces import Mtcnn, align
from facevoice.faces.align import TEMPLATE, similarity
from facevoice.faces.blendshapes import BLENDSHAPES, ExpressionReader
from facevoice.faces.head_pose import angles, facing_camera
from facevoice.faces.mesh import FaceMesh, shipped_session
from support.detector_contract import astronaut

MEDIAPIPE = json.loads(
    Path(__file__).with_name("mediapipe_astronaut.json").read_text(encoding="utf-8")
)
MIRRORED = [1, 0, 2, 4, 3]


@cache
def photograph():
    image = np.ascontiguousarray(astronaut()[:240, 104:344])
    return image, Mtcnn(threads=1)(image)[0].landmarks


@cache
def reader():
    return ExpressionReader.shipped(threads=1)


def turned(yaw=0.0, pitch=0.0, roll=0.0):
    """A rotation by right-hand turns about the axes: x right, y down, z away from the camera."""

    def about(axis, degrees):
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = cosine
        matrix[first, second], matrix[second, first] = -sine, sine
        return matrix

    return about(2, roll) @ about(1, -yaw) @ about(0, -pitch)


def test_points_are_those_of_mediapipe():
    found = reader().mesh(*photograph())
    assert found.shape == (478, 3)
    assert found.dtype == np.float32
    off = np.abs(found - MEDIAPIPE["points"])
    assert (off.mean(axis=0) < 0.6).all()  # of a face 85 pixels wide
    assert off.max() < 3


def test_an_aligned_face_has_the_points_of_the_picture():
    image, landmarks = photograph()
    forward = similarity(landmarks, TEMPLATE)
    expected = reader().mesh(image, landmarks)[:, :2] @ forward[:, :2].T + forward[:, 2]
    found = reader().mesh(align(image, landmarks))
    assert np.abs(found[:, :2] - expected).mean() < 1.5


def test_the_second_pass_mends_a_bad_start():
    image, landmarks = photograph()
    moved = landmarks + np.array([8, -6])
    off = reader().mesh(image, moved) - reader().mesh(image, landmarks)
    assert np.abs(off[:, :2]).mean() < 1.5


@pytest.mark.parametrize("pose", [(25.0, 0.0, 0.0), (0.0, 15.0, 0.0), (-30.0, -20.0, 100.0)])
def test_the_pose_of_turned_points_is_found_and_removed(pose):
    points, _ = facing_camera(reader().mesh(*photograph()))
    moved = 7.5 * points @ turned(*pose).T + np.array([100, 50, -3])
    again, found = facing_camera(moved)
    values = found.yaw_degrees, found.pitch_degrees, found.roll_degrees
    assert values == pytest.approx(pose, abs=1e-6)
    assert np.allclose(again, points, atol=1e-6)


def test_signs_are_as_the_viewer_sees_them():
    nose = np.array([0.0, 0.0, -1.0])  # towards the camera
    top = np.array([0.0, -1.0, 0.0])
    assert (turned(yaw=20) @ nose)[0] > 0  # to the viewer's right
    assert (turned(pitch=20) @ nose)[1] < 0  # up
    assert (turned(roll=20) @ top)[0] > 0  # clockwise


def test_the_pose_is_near_that_of_mediapipe():
    flip = np.diag([1.0, -1.0, -1.0])  # its y points up, its z to the camera
    expected = angles(flip @ np.array(MEDIAPIPE["rotation"]) @ flip)
    found = reader()(*photograph()).pose
    assert found.yaw_degrees == pytest.approx(expected.yaw_degrees, abs=2)
    assert found.pitch_degrees == pytest.approx(expected.pitch_degrees, abs=5)
    assert found.roll_degrees == pytest.approx(expected.roll_degrees, abs=2)


def test_a_mirrored_face_swaps_sides():
    image, landmarks = photograph()
    turned_image = np.ascontiguousarray(image[:, ::-1])
    swapped = ([image.shape[1], 0] + landmarks * [-1, 1])[MIRRORED]
    found, mirror = reader()(image, landmarks), reader()(turned_image, swapped)
    assert mirror.pose.yaw_degrees == pytest.approx(-found.pose.yaw_degrees, abs=2)
    assert mirror.pose.roll_degrees == pytest.approx(-found.pose.roll_degrees, abs=1)
    assert mirror.pose.pitch_degrees == pytest.approx(found.pose.pitch_degrees, abs=2)
    names = [name.replace("Left", "R_").replace("Right", "Left") for name in BLENDSHAPES]
    order = [BLENDSHAPES.index(name.replace("R_", "Right")) for name in names]
    assert np.abs(mirror.blendshapes[order] - found.blendshapes).max() < 0.2


def test_the_roll_of_an_aligned_face_is_that_in_its_picture():
    image, landmarks = photograph()
    quarter = np.ascontiguousarray(np.rot90(image, -1))  # clockwise
    lying = np.column_stack([image.shape[0] - landmarks[:, 1], landmarks[:, 0]])
    upright = reader().of_aligned(align(image, landmarks), landmarks)
    found = reader().of_aligned(align(quarter, lying), lying)
    assert upright.pose.roll_degrees == pytest.approx(
        reader()(image, landmarks).pose.roll_degrees, abs=1
    )
    assert found.pose.roll_degrees == pytest.approx(upright.pose.roll_degrees + 90, abs=1)
    assert found.pose.yaw_degrees == pytest.approx(upright.pose.yaw_degrees, abs=1)


def test_blendshapes_follow_the_teacher():
    assert tuple(MEDIAPIPE["blendshapes"]) == BLENDSHAPES
    expected = np.array(list(MEDIAPIPE["blendshapes"].values()))
    found = reader()(*photograph()).blendshapes
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.corrcoef(found, expected)[0, 1] > 0.9
    smile = BLENDSHAPES.index("mouthSmileLeft")
    assert found[smile] > 0.5
    assert expected[smile] > 0.5


def test_other_networks_are_refused():
    with pytest.raises(BundleError, match="not the face mesh"):
        FaceMesh(shipped_session("rnet.onnx", threads=1))
    with pytest.raises(BundleError, match="not the layer"):
        ExpressionReader(reader().mesh, shipped_session("rnet.onnx", threads=1))


def test_what_is_not_a_mesh_has_no_pose():
    with pytest.raises(InvalidInputError, match="face mesh"):
        facing_camera(np.zeros((5, 3)))
    with pytest.raises(InvalidInputError, match="differ"):
        facing_camera(np.zeros((478, 3)))
