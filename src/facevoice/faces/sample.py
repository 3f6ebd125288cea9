"""Selects instants and crops face pictures, alike for prediction and training."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.types import ALIGNED_SIZE, UInt8Array, require

Box = tuple[float, float, float, float]
Pixel = tuple[int, int] | NDArray[np.intp]
"""x and y."""


def evenly_spaced(count_available: int, count_wanted: int) -> NDArray[np.intp]:
    """Indices of items spread evenly over all that are available.

    The paper takes 16 (or 4) frames per clip. The items are divided into ``count_wanted`` equal
    bins and the middle of each bin is taken, so neither end is favoured. If fewer are available,
    each is taken once: a recurrent network reads any length, and repeats would give some instants
    double weight.

    Returns (min(count_available, count_wanted),) intp, strictly increasing. Raises
    InvalidInputError unless count_available >= 0 and count_wanted >= 1.
    """
    require(
        count_available >= 0 and count_wanted >= 1,
        f"cannot choose {count_wanted} of {count_available}: want 1 or more of 0 or more",
    )
    if count_available <= count_wanted:
        return np.arange(count_available)
    return (2 * np.arange(count_wanted) + 1) * count_available // (2 * count_wanted)


def padded_crop(image: UInt8Array, start: Pixel, stop: Pixel) -> UInt8Array:
    """The pixels from start (x, y) to stop (x, y); beyond the picture its edge is repeated.

    image: (H, W) or (H, W, 3). Returns (stop y - start y, stop x - start x) or with 3 channels.
    """
    height, width = image.shape[:2]
    if min(start) >= 0 and stop[0] <= width and stop[1] <= height:
        return np.ascontiguousarray(image[start[1] : stop[1], start[0] : stop[0]])
    limit = np.array([width, height])
    first = np.clip(start, 0, limit - 1)
    last = np.clip(stop, first + 1, limit)
    missing = np.subtract(stop, start) - (last - first)
    before = np.clip(first - start, 0, missing)
    region = image[first[1] : last[1], first[0] : last[0]]
    pads = np.stack([before, missing - before], axis=1)[::-1].tolist()
    return np.pad(region, [*pads, (0, 0)][: image.ndim], mode="edge")


def crop_and_resize(images: UInt8Array, box: Box, size: int) -> UInt8Array:
    """Crop every picture to the same box and resize it without aliasing.

    Uses Pillow's bilinear filter, widened by the reduction factor. Where the box reaches beyond
    the picture, the edge pixels are repeated.

    images: (T, H, W, 3) uint8 RGB.
    box: left, top, right, bottom in pixels (pixel i covers [i, i + 1)); fractions are allowed.
    Returns (T, size, size, 3) uint8 RGB. Raises InvalidInputError for an empty box or a size
    below 1.
    """
    _check_pictures(images)
    left, top, right, bottom = box
    require(
        left < right and top < bottom and np.isfinite(box).all() and size >= 1,
        f"box must be left, top, right, bottom and size >= 1, got {box}, {size}",
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
    """Place face pictures where ``crop_and_resize`` with the same box will crop them again.

    For face pictures that are already framed for a network, such as those of a corpus. They are
    surrounded by their repeated edge pixels.

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
    require(
        images.ndim == 4 and images.shape[3] == 3 and images.dtype == np.uint8,
        f"images must be (T, H, W, 3) uint8 RGB, got {images.shape} {images.dtype}",
    )
