"""Aligns a face upright with a similarity transform that maps five landmarks to a template.

The paper aligns "through the identification block of SeetaFace" and works on pictures of 256x256.
``TEMPLATE`` is the mean shape of that block, moved down by 20 pixels (our choice): SeetaFace cuts
off the forehead, which identification does not need, but which shows raised brows and is visible in
the pictures that expression networks are trained on. Coordinates are continuous: pixel i covers
[i, i + 1), as in Pillow's warp. SeetaFace's own convention may differ by half a pixel, 0.2 % of
the picture, far below the scatter of the landmarks.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.faces.detect import check_picture
from facevoice.faces.sample import padded_crop
from facevoice.types import ALIGNED_SIZE, Float64Array, UInt8Array, require

Points = NDArray[np.floating[Any]]

Part = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of an aligned face, in whole pixels."""

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
    # as complex numbers, a rotation with a scale is one factor; this is its least-squares solution
    before, after = ([complex(x, y) for x, y in points.tolist()] for points in (source, target))
    middle, target_middle = sum(before) / len(before), sum(after) / len(after)
    left = [point - middle for point in before]
    variance = sum(point.real * point.real + point.imag * point.imag for point in left)
    require(
        math.isfinite(variance) and variance > 0,
        f"points must be finite and differ, got {source.tolist()}",
    )
    pairs = zip(left, after, strict=True)
    factor = sum(point.conjugate() * (to - target_middle) for point, to in pairs) / variance
    shift = target_middle - factor * middle
    turn, tilt = factor.real, factor.imag
    return np.array([[turn, -tilt, shift.real], [tilt, turn, shift.imag]])


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
    return warp(image, _to_template(landmarks, size), size)


def align_light(light: UInt8Array, landmarks: Points, size: int, part: Part) -> UInt8Array:
    """Part of what ``align`` gives, for brightness only: (H, W) uint8 -> (rows, columns) uint8."""
    require(
        light.ndim == 2 and light.dtype == np.uint8 and light.size != 0,
        f"light must be (H, W) uint8, got {light.shape} {light.dtype}",
    )
    return warp(light, _to_template(landmarks, size), size, part)


def _to_template(landmarks: Points, size: int) -> Float64Array:
    return similarity(landmarks, TEMPLATE * (size / ALIGNED_SIZE))


def warp(
    image: UInt8Array, forward: Float64Array, size: int, part: Part | None = None
) -> UInt8Array:
    """The square of a picture that a similarity leads to, interpolated as ``align`` does.

    image: (H, W) or (H, W, 3) uint8.
    forward: (2, 3) from the picture to the square, as ``similarity`` gives it.
    part: of the square; None: all of it.
    Returns (size, size) or (size, size, 3), or the part. Raises InvalidInputError if the square
    covers more than 16384 pixels per side of the picture.
    """
    (turn, _, across), (tilt, _, down) = forward.tolist()
    back = 1 / complex(turn, tilt)  # a similarity is such a factor and a shift
    origin = -back * complex(across, down)
    shrink = abs(back)
    require(
        shrink * size <= _LARGEST_SHRINK * ALIGNED_SIZE,
        f"landmarks are too far apart: the face would cover {shrink * size:.0f} pixels",
    )
    block = max(1, round(shrink))
    corners = [origin + back * corner for corner in (0, size, size * 1j, size + size * 1j)]
    left, width = _covered([corner.real for corner in corners], block)
    top, height = _covered([corner.imag for corner in corners], block)
    region = Image.fromarray(padded_crop(image, (left, top), (left + width, top + height)))
    if block > 1:
        region = region.reduce(block)
    first_column, first_row, last_column, last_row = (0, 0, size, size) if part is None else part
    origin += back * complex(first_column, first_row) - complex(left, top)
    inner = back.real, -back.imag, origin.real, back.imag, back.real, origin.imag
    warped = region.transform(
        (last_column - first_column, last_row - first_row),
        Image.Transform.AFFINE,
        tuple(value / block for value in inner),
        Image.Resampling.BILINEAR,
    )
    return np.array(warped)


def _covered(corners: list[float], block: int) -> tuple[int, int]:
    """Start and length, in whole blocks, of the pixels that interpolation may read on one axis."""
    start = math.floor(min(corners)) - _BORDER * block
    length = math.ceil(max(corners)) + _BORDER * block - start
    return start, length + -length % block
