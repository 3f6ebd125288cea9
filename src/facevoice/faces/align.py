"""Aligns a face upright with a similarity transform that maps five landmarks to a template.

The paper aligns "through the identification block of SeetaFace" and works on pictures of 256x256.
``TEMPLATE`` is the mean shape of that block, moved down by 20 pixels (our choice): SeetaFace cuts
off the forehead, which identification does not need, but which shows raised brows and is visible in
the pictures that expression networks are trained on. Coordinates are continuous: pixel i covers
[i, i + 1), as in Pillow's warp. SeetaFace's own convention may differ by half a pixel, 0.2 % of
the picture, far below the scatter of the landmarks.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.faces.detect import check_picture
from facevoice.faces.sample import padded_crop
from facevoice.types import ALIGNED_SIZE, Float64Array, UInt8Array, require

Points = NDArray[np.floating[Any]]

# github.com/seetaface/SeetaFaceEngine, FaceIdentification/tools/aligner.cpp: std_points
_MEAN_SHAPE: Final = (
    (89.3095, 72.9025),
    (169.3095, 72.9025),
    (127.8949, 127.0441),
    (96.8796, 184.8907),
    (159.1065, 184.7601),
)
_FOREHEAD: Final = (0.0, 20.0)

TEMPLATE: Final[Float64Array] = np.add(_MEAN_SHAPE, _FOREHEAD)
"""(5, 2) x and y in the 256x256 picture: left eye, right eye, nose, left and right mouth corner."""
TEMPLATE.flags.writeable = False

_BORDER: Final = 2  # pixels around the region that interpolation may read
_LARGEST_SHRINK: Final = 64  # landmarks of a face above 16384 pixels per side are wrong


def similarity(source: Points, target: Points) -> Float64Array:
    """Least-squares rotation, uniform scale and shift (Umeyama 1991), without reflection.

    source, target: (N, 2) points, N >= 2.
    Returns A (2, 3) such that A[:, :2] @ source + A[:, 2] approximates target.
    Raises InvalidInputError if the source points coincide or are not finite.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    require(
        source.ndim == 2 and source.shape == target.shape and source.shape[1:] == (2,),
        f"source and target must both be (N, 2), got {source.shape} and {target.shape}",
    )
    count = len(source)
    source_mean, target_mean = source.sum(axis=0) / count, target.sum(axis=0) / count
    source_left, target_left = source - source_mean, target - target_mean
    variance = (source_left**2).sum()
    require(
        np.isfinite(variance) and variance > 0,
        f"points must be finite and differ, got {source.tolist()}",
    )
    # a rotation with a scale in the plane is one complex factor; this is its least-squares solution
    turn = (source_left * target_left).sum() / variance
    tilt = (source_left[:, 0] * target_left[:, 1] - source_left[:, 1] * target_left[:, 0]).sum()
    tilt /= variance
    linear = np.array([[turn, -tilt], [tilt, turn]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def align(image: UInt8Array, landmarks: Points, size: int = ALIGNED_SIZE) -> UInt8Array:
    """Crop one face, upright, its landmarks as close to the template as a similarity allows.

    Bilinear; a face that is shrunk 1.5 times or more is first averaged over whole blocks, which
    prevents aliasing. Beyond the picture, its edge pixels are repeated: black wedges would be
    strong features that depend on the framing, not on the face.

    image: (H, W, 3) uint8 RGB.
    landmarks: (5, 2) x and y in pixels, in the order of ``Face.landmarks``.
    size: side of the result in pixels; the template is scaled to it.
    Returns (size, size, 3) uint8 RGB. Raises InvalidInputError for landmarks that coincide, are not
    finite, or are so far apart that the face would be larger than 16384 pixels.
    """
    check_picture(image)
    return _warped(image, landmarks, size)


def align_light(light: UInt8Array, landmarks: Points, size: int) -> UInt8Array:
    """As ``align``, for brightness only: (H, W) uint8 -> (size, size) uint8."""
    require(
        light.ndim == 2 and light.dtype == np.uint8 and light.size != 0,
        f"light must be (H, W) uint8, got {light.shape} {light.dtype}",
    )
    return _warped(light, landmarks, size)


def _warped(image: UInt8Array, landmarks: Points, size: int) -> UInt8Array:
    """image: (H, W) or (H, W, 3); returns (size, size) or (size, size, 3)."""
    return warp(image, similarity(landmarks, TEMPLATE * (size / ALIGNED_SIZE)), size)


def warp(image: UInt8Array, forward: Float64Array, size: int) -> UInt8Array:
    """The square of a picture that a similarity leads to, interpolated as ``align`` does.

    image: (H, W) or (H, W, 3) uint8.
    forward: (2, 3) from the picture to the square, as ``similarity`` gives it.
    Returns (size, size) or (size, size, 3). Raises InvalidInputError if the square covers more than
    16384 pixels per side of the picture.
    """
    turn, tilt = forward[:, 0]  # a similarity is (turn, -tilt), (tilt, turn), like its inverse
    shrink = 1 / float(np.hypot(turn, tilt))
    linear = np.array([(turn, tilt), (-tilt, turn)]) * shrink**2  # from the result to the picture
    shift = -linear @ forward[:, 2]
    require(
        shrink * size <= _LARGEST_SHRINK * ALIGNED_SIZE,
        f"landmarks are too far apart: the face would cover {shrink * size:.0f} pixels",
    )
    block = max(1, round(shrink))
    corners = np.array([(0, 0), (size, 0), (0, size), (size, size)]) @ linear.T + shift
    start = np.floor(corners.min(axis=0)).astype(int) - _BORDER * block
    stop = np.ceil(corners.max(axis=0)).astype(int) + _BORDER * block
    stop += (start - stop) % block
    region = Image.fromarray(padded_crop(image, start, stop))
    if block > 1:
        region = region.reduce(block)
    inner = np.column_stack([linear, shift - start]) / block
    warped = region.transform(
        (size, size), Image.Transform.AFFINE, tuple(inner.ravel()), Image.Resampling.BILINEAR
    )
    return np.array(warped)
