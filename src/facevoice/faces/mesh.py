"""478 points on a face, by MediaPipe's face mesh with attention.

I. Grishchenko, A. Ablavatski, Y. Kartynnik, K. Raveendran, M. Grundmann: Attention Mesh:
High-fidelity Face Mesh Prediction in Real-time, 2020. One network gives a coarse mesh of 468
points; its heads for the lips, the eyes and the irises give finer positions of theirs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.errors import BundleError
from facevoice.faces.align import TEMPLATE, Points, similarity, warp
from facevoice.faces.detect import check_picture
from facevoice.session import Device, Session, shipped_model
from facevoice.types import Float32Array, Float64Array, UInt8Array

MESH_FILE: Final = "face_mesh.onnx"
POINT_COUNT: Final = 478

_MODELS: Final = Path(__file__).parent / "models"
_SIDE: Final = 192  # of the network's input
_MARGIN: Final = 1.5  # side of its input over that of the face
_FIRST_CENTRE: Final = (128.0, 138.0)  # of the face in an aligned picture
_FIRST_SIDE: Final = 360.0
_EYES: Final = (33, 263)  # outer corners; the line between them is level in the input
_COARSE: Final = 468
_PASSES: Final = 2

# which points of the mesh the finer heads give, in their order (MediaPipe's
# tensors_to_face_landmarks_with_attention); "left" is the viewer's left
_LIPS: Final = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
_LEFT_EYE: Final = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110),
    *(24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232),
    *(233, 244, 113, 225, 224, 223, 222, 221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118),
    *(119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107, 55, 193),
)
_RIGHT_EYE: Final = (
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255),
    *(339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449),
    *(450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295),
    *(372, 340, 346, 347, 348, 349, 350, 357, 465, 383, 300, 293, 334, 296, 336, 285, 417),
)
_HEADS: Final = {"lips": _LIPS, "left_eye": _LEFT_EYE, "right_eye": _RIGHT_EYE}
_CONTOUR: Final = 16  # the first points of an eye: its rim, at whose depth its iris lies
_IRISES: Final = {"left_iris": (468, _LEFT_EYE), "right_iris": (473, _RIGHT_EYE)}


def shipped_session(file: str, *, device: Device = "cpu", threads: int | None = None) -> Session:
    """A network for faces that comes with the package."""
    return Session(shipped_model(_MODELS, file), device=device, threads=threads)


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """Finds 478 points on a face, in two passes: the second reads the crop around the first's.

    session: (1, 192, 192, 3) float32 RGB in [0, 1] -> the mesh and its finer parts.
    """

    session: Session

    def __post_init__(self) -> None:
        absent = {"mesh", *_HEADS, *_IRISES} - set(self.session.outputs)
        if absent:
            raise BundleError(f"{self.session.path} is not the face mesh: no output {min(absent)}")

    @classmethod
    def shipped(cls, *, device: Device = "cpu", threads: int | None = None) -> "FaceMesh":
        """The network that comes with the package."""
        return cls(shipped_session(MESH_FILE, device=device, threads=threads))

    def __call__(self, image: UInt8Array, landmarks: Points = TEMPLATE) -> Float32Array:
        """The points of one face.

        image: (H, W, 3) uint8 RGB, such as an aligned face, for which no landmarks are needed.
        landmarks: (5, 2) x and y in pixels, in the order of ``Face.landmarks``.
        Returns (478, 3) float32 in MediaPipe's order: x to the right and y down in pixels, z away
        from the camera at the same scale, 0 near the middle of the head. 468 to 472 and 473 to 477
        are the centre and rim of the irises on the viewer's left and right.
        Raises InvalidInputError for landmarks that coincide or are not finite.
        """
        check_picture(image)
        start = np.subtract(_FIRST_CENTRE, _FIRST_SIDE / 2)
        crop = similarity(landmarks, (TEMPLATE - start) * (_SIDE / _FIRST_SIDE))
        for left in reversed(range(_PASSES)):
            points = self._points(warp(image, crop, _SIDE))
            points = _placed(points, crop)
            if left:
                crop = _around(points)
        return points

    def _points(self, crop: UInt8Array) -> Float32Array:
        """(478, 3) in pixels of the crop (192, 192, 3)."""
        arrays = self.session.run(crop[None].astype(np.float32) / np.float32(255))
        found = dict(zip(self.session.outputs, arrays, strict=True))
        points = np.empty((POINT_COUNT, 3), np.float32)
        points[:_COARSE] = found["mesh"].reshape(_COARSE, 3)
        for name, places in _HEADS.items():
            points[list(places), :2] = found[name].reshape(-1, 2)
        for name, (first, eye) in _IRISES.items():
            iris = slice(first, first + 5)
            points[iris, :2] = found[name].reshape(-1, 2)
            points[iris, 2] = points[list(eye[:_CONTOUR]), 2].mean()
        return points


def _around(points: Float32Array) -> Float64Array:
    """The similarity (2, 3) from the picture to a crop around a face, its eyes level."""
    flat = points[:_COARSE, :2].astype(np.float64)
    across = flat[_EYES[1]] - flat[_EYES[0]]
    cosine, sine = across / max(float(np.hypot(*across)), 1e-6)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    level = flat @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    scale = _SIDE / (_MARGIN * max(float((high - low).max()), 1.0))
    return np.column_stack([scale * turn, _SIDE / 2 - scale * (low + high) / 2])


def _placed(points: Float32Array, crop: Float64Array) -> Float32Array:
    """Points of a crop in the picture from which the similarity ``crop`` leads to it."""
    scale = float(np.hypot(*crop[:, 0]))
    flat = (points[:, :2] - crop[:, 2]) @ crop[:, :2] / scale**2
    return np.column_stack([flat, points[:, 2] / scale]).astype(np.float32)
