"""Choose instants and frame face pictures; prediction and training share these."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.errors import InvalidInputError
from facevoice.types import ALIGNED_SIZE, UInt8Array

Box = tuple[float, float, float, float]


def evenly_spaced(count_available: int, count_wanted: int) -> NDArray[np.intp]:
    """Indices of items spread evenly over all that are available.

    The paper takes 16 (or 4) frames of a clip. The items are divided into ``count_wanted`` equal
    bins and the middle one of each is taken, so neither end is favoured. Where there are fewer,
    each is taken once: a recurrent network reads any length, and repeats would weigh some instants
    double.

    Returns (min(count_available, count_wanted),) intp, strictly increasing.
    """
    if count_available < 0 or count_wanted < 1:
        raise InvalidInputError(
            f"cannot choose {count_wanted} of {count_available}: want 1 or more of 0 or more"
        )
    if count_available <= count_wanted:
        return np.arange(count_available)
    return (2 * np.arange(count_wanted) + 1) * count_available // (2 * count_wanted)


def centre_crop(images: UInt8Array, size: int = 224) -> UInt8Array:
    """The middle of pictures (T, H, W, 3): (T, size, size, 3), a view; H and W at least size."""
    _check_pictures(images)
    height, width = images.shape[1:3]
    if size > min(height, width):
        raise InvalidInputError(f"cannot crop {size} pixels out of {width}x{height}")
    top, left = (height - size) // 2, (width - size) // 2
    return images[:, top : top + size, left : left + size]


def crop_and_resize(images: UInt8Array, box: Box, size: int) -> UInt8Array:
    """Cut the same box out of every picture and resize it without aliasing.

    Pillow's bilinear filter, widened by the factor of shrinking. Where the box reaches beyond the
    picture, the edge pixels are repeated.

    images: (T, H, W, 3) uint8 RGB.
    box: left, top, right, bottom in pixels (pixel i covers [i, i + 1)); fractions are allowed.
    Returns (T, size, size, 3) uint8 RGB.
    """
    _check_pictures(images)
    left, top, right, bottom = box
    if not (left < right and top < bottom and np.isfinite(box).all()) or size < 1:
        raise InvalidInputError(
            f"box must be left, top, right, bottom and size >= 1, got {box}, {size}"
        )
    height, width = images.shape[1:3]
    before = [max(0, int(np.ceil(-edge))) for edge in (top, left)]
    after = [max(0, int(np.ceil(edge - side))) for edge, side in ((bottom, height), (right, width))]
    if any(before + after):
        pads = [(0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)]
        images = np.pad(images, pads, mode="edge")
    inner = (left + before[1], top + before[0], right + before[1], bottom + before[0])
    resized = np.empty((len(images), size, size, 3), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=inner)
        resized[index] = np.asarray(picture)
    return resized


def place_crops(crops: NDArray[np.uint8], box: Box) -> UInt8Array:
    """Put face pictures where ``crop_and_resize`` with the same box will cut them out again.

    For face pictures that are framed as a network wants them, such as those of a corpus. What lies
    around them is their repeated edge.

    crops: (T, H, W) grey or (T, H, W, 3) RGB, uint8.
    box: left, top, right, bottom in the aligned picture.
    Returns (T, 256, 256, 3) uint8 RGB.
    """
    colour = np.repeat(crops[..., None], 3, axis=3) if crops.ndim == 3 else crops
    _check_pictures(colour)
    height, width = colour.shape[1:3]
    left, top, right, bottom = box
    across, down = width / (right - left), height / (bottom - top)
    around = (
        -left * across,
        -top * down,
        (ALIGNED_SIZE - left) * across,
        (ALIGNED_SIZE - top) * down,
    )
    return crop_and_resize(colour, around, ALIGNED_SIZE)


def _check_pictures(images: UInt8Array) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise InvalidInputError(
            f"images must be (T, H, W, 3) uint8 RGB, got {images.shape} {images.dtype}"
        )
