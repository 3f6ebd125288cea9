"""How a head is turned, and its points as they would be if it faced the camera.

The points of a mesh are laid onto a canonical face by a rotation, a scale and a shift (S. Umeyama:
Least-squares estimation of transformation parameters between two point patterns, PAMI 1991), as
MediaPipe's face geometry does, whose canonical face and weights these are. Perspective is left out.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.types import Float64Array, require

# index in the mesh, weight; x to the viewer's right, y down, z away from the camera in cm: the part
# of MediaPipe's canonical face (mediapipe/modules/face_geometry, Apache-2.0) that moves little
_CANONICAL: Final = np.array([
    (4, 0.070910, 0.0000, 0.4632, -7.5866),
    (6, 0.032100, 0.0000, -2.4733, -5.7886),
    (10, 0.008447, 0.0000, -8.2618, -4.4815),
    (33, 0.058724, -4.4459, -2.6640, -3.1734),
    (54, 0.007667, -6.2793, -6.6154, -1.4259),
    (67, 0.009078, -3.5240, -8.0060, -3.7292),
    (117, 0.009792, -5.2587, -0.9458, -2.9743),
    (119, 0.014565, -3.3007, -0.8616, -3.8728),
    (121, 0.018591, -1.8207, -1.4680, -4.2241),
    (127, 0.005198, -7.7431, -2.3650, 2.0052),
    (129, 0.120625, -1.7858, 0.9783, -4.8505),
    (132, 0.005560, -7.2709, 2.8909, 2.2525),
    (133, 0.053286, -1.8564, -2.5852, -3.7579),
    (136, 0.066890, -5.0853, 7.1786, -0.7147),
    (143, 0.014817, -6.4076, -2.2360, -1.5608),
    (147, 0.014263, -6.2349, 1.9444, -1.6635),
    (198, 0.025462, -1.2468, -0.2303, -5.6810),
    (205, 0.047252, -3.8329, 1.5373, -4.1377),
    (263, 0.058724, 4.4459, -2.6640, -3.1734),
    (284, 0.007667, 6.2793, -6.6154, -1.4259),
    (297, 0.009078, 3.5240, -8.0060, -3.7292),
    (346, 0.009792, 5.2587, -0.9458, -2.9743),
    (348, 0.014565, 3.3007, -0.8616, -3.8728),
    (350, 0.018591, 1.8207, -1.4680, -4.2241),
    (356, 0.005198, 7.7431, -2.3650, 2.0052),
    (358, 0.120625, 1.7858, 0.9783, -4.8505),
    (361, 0.005560, 7.2709, 2.8909, 2.2525),
    (362, 0.053286, 1.8564, -2.5852, -3.7579),
    (365, 0.066890, 5.0853, 7.1786, -0.7147),
    (372, 0.014817, 6.4076, -2.2360, -1.5608),
    (376, 0.014263, 6.2349, 1.9444, -1.6635),
    (420, 0.025462, 1.2468, -0.2303, -5.6810),
    (425, 0.047252, 3.8329, 1.5373, -4.1377),
])  # fmt: skip
_INDICES: Final = _CANONICAL[:, 0].astype(int)
_WEIGHTS: Final = _CANONICAL[:, 1] / _CANONICAL[:, 1].sum()
_TARGET: Final = _CANONICAL[:, 2:]


@dataclass(frozen=True, slots=True)
class HeadPose:
    """How a head is turned, as the viewer sees it; all 0 where it faces the camera.

    The head is first pitched about the axis through its ears, then turned about the picture's
    vertical axis, then rolled in the plane of the picture: a picture that is rotated changes the
    roll alone, and one that is mirrored the signs of yaw and roll.

    yaw_degrees: -90 to 90, > 0 if the face turns to the viewer's right.
    pitch_degrees: -180 to 180, > 0 if it looks up.
    roll_degrees: -180 to 180, > 0 if it tilts clockwise, its top to the viewer's right.
    """

    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float


def facing_camera(points: NDArray[np.floating[Any]]) -> tuple[Float64Array, HeadPose]:
    """The points of a mesh without the head's pose, and that pose.

    points: (N, 3), N >= 468, as ``FaceMesh`` gives them.
    Returns (N, 3) points in cm, x to the viewer's right, y down, z away from the camera.
    Raises InvalidInputError if the points have another shape, coincide or are not finite.
    """
    require(
        points.ndim == 2 and points.shape[1] == 3 and len(points) > _INDICES.max(),
        f"points must be those of a face mesh, (N, 3), got {points.shape}",
    )
    points = points.astype(np.float64)
    fixed = points[_INDICES]
    centre, target_centre = _WEIGHTS @ fixed, _WEIGHTS @ _TARGET
    left, target = fixed - centre, _TARGET - target_centre
    spread = float(_WEIGHTS @ (left**2).sum(axis=1))
    require(np.isfinite(spread) and spread > 0, "the points of a face must be finite and differ")
    # the rotation of the canonical face that comes closest, without reflection
    u, stretch, v = np.linalg.svd(left.T @ (_WEIGHTS[:, None] * target))
    upright = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    rotation = (u * upright) @ v
    scale = float(stretch @ upright) / spread
    return scale * (points - centre) @ rotation + target_centre, angles(rotation)


def angles(rotation: Float64Array) -> HeadPose:
    """The pose of a head that a rotation (3, 3) turns from facing the camera."""
    yaw = np.arcsin(np.clip(rotation[2, 0], -1.0, 1.0))
    pitch = -np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return HeadPose(*np.degrees([yaw, pitch, roll]).tolist())
