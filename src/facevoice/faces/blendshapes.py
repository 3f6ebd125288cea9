"""52 blendshapes of a face and the pose of its head, from the points of its mesh."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facevoice.errors import BundleError
from facevoice.faces.align import TEMPLATE, Points, similarity
from facevoice.faces.head_pose import HeadPose, facing_camera
from facevoice.faces.mesh import MESH_FILE, POINT_COUNT, FaceMesh, shipped_session
from facevoice.session import Device, Session
from facevoice.types import Float32Array, UInt8Array
from facevoice.types.values import Value

LAYER_FILE: Final = "blendshapes.onnx"

BLENDSHAPES: Final = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft",
    "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""In MediaPipe's order; Left and Right are those of the person who is seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression(Value):
    """What the mesh of one face shows.

    blendshapes: (52,) float32, 0 (absent) to 1, in the order of ``BLENDSHAPES``.
    pose: how the head is turned in the picture.
    """

    blendshapes: Float32Array
    pose: HeadPose


@dataclass(frozen=True, slots=True)
class ExpressionReader:
    """Reads the blendshapes and the pose of a face.

    layer: a linear layer, points (N, 1434) float32 as ``facing_camera`` gives them, (x, y, z) of
    one after the other -> (N, 52), taught what MediaPipe's face landmarker answers.
    """

    mesh: FaceMesh
    layer: Session

    def __post_init__(self) -> None:
        if self.layer.outputs != ("blendshapes",):
            raise BundleError(f"{self.layer.path} is not the layer that gives blendshapes")

    @classmethod
    def shipped(cls, *, device: Device = "cpu", threads: int | None = None) -> "ExpressionReader":
        """With the networks that come with the package."""
        mesh, layer = (
            shipped_session(name, device=device, threads=threads)
            for name in (MESH_FILE, LAYER_FILE)
        )
        return cls(FaceMesh(mesh), layer)

    def __call__(self, image: UInt8Array, landmarks: Points = TEMPLATE) -> Expression:
        """The expression of one face.

        image, landmarks: see ``FaceMesh``. The pose is relative to this picture: of an aligned
        face, which is turned upright, the roll is near 0.
        """
        points, pose = facing_camera(self.mesh(image, landmarks))
        (found,) = self.layer.run(points.astype(np.float32).reshape(1, 3 * POINT_COUNT))
        return Expression(found[0], pose)

    def of_aligned(self, aligned: UInt8Array, landmarks: Points) -> Expression:
        """The expression of an aligned face, with its pose in the picture that it was cut from.

        aligned: (256, 256, 3) uint8 RGB, as ``align`` cuts it by the landmarks (5, 2).
        """
        found = self(aligned)
        cosine, sine = similarity(landmarks, TEMPLATE)[:, 0]
        roll = found.pose.roll_degrees - float(np.degrees(np.arctan2(sine, cosine)))
        return replace(found, pose=replace(found.pose, roll_degrees=(roll + 180) % 360 - 180))
