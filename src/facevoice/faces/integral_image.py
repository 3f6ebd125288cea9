"""Means over whole-pixel windows of a picture, from one table of running sums.

MTCNN as published by facenet-pytorch shrinks pictures by adaptive area pooling: value i of n over a
length L is the mean of the pixels [floor(i L / n), ceil((i + 1) L / n)). With running sums
(Crow 1984) every value costs four look-ups, so a whole pyramid reads the picture once.
"""

import numpy as np
from numpy.typing import NDArray

from facevoice.types import Float32Array, UInt8Array

Indices = NDArray[np.intp]


class IntegralImage:
    """Running sums of a picture (H, W, 3) uint8: 12 bytes per pixel."""

    def __init__(self, image: UInt8Array) -> None:
        self.height, self.width = image.shape[:2]
        # uint32 may wrap around on huge pictures; differences are still correct
        sums = np.zeros((3, self.height + 1, self.width + 1), np.uint32)
        inner = sums[:, 1:, 1:]
        inner[...] = image.transpose(2, 0, 1)  # converting first is faster than within cumsum
        np.cumsum(inner, axis=2, out=inner)
        for row in range(1, self.height):
            inner[:, row] += inner[:, row - 1]
        self._sums = sums

    def resize(self, height: int, width: int) -> Float32Array:
        """The whole picture at another size: (1, 3, height, width) float32, 0 to 255."""
        top, bottom = _windows(np.array([0]), np.array([self.height]), height)
        left, right = _windows(np.array([0]), np.array([self.width]), width)
        rows = self._sums.take(bottom[0], axis=1) - self._sums.take(top[0], axis=1)
        sums = rows.take(right[0], axis=2) - rows.take(left[0], axis=2)
        counts = (bottom - top)[0, :, None] * (right - left)[0]
        means: Float32Array = np.divide(sums, counts, dtype=np.float32)
        return means[None]

    def crops(self, boxes: Indices, side: int) -> Float32Array:
        """Crops, each resized to a square: (N, 3, side, side) float32, 0 to 255.

        boxes: (N, 4) integers: left, top, right, bottom, half-open, inside the picture and not
            empty.
        """
        left, right = _windows(boxes[:, 0], boxes[:, 2], side)
        top, bottom = _windows(boxes[:, 1], boxes[:, 3], side)
        flat = self._sums.reshape(3, -1)
        above, below = (top * (self.width + 1))[:, :, None], (bottom * (self.width + 1))[:, :, None]
        sums = flat.take(below + right[:, None], axis=1)
        sums -= flat.take(below + left[:, None], axis=1)
        sums -= flat.take(above + right[:, None], axis=1)
        sums += flat.take(above + left[:, None], axis=1)
        counts = (bottom - top)[:, :, None] * (right - left)[:, None]
        means: Float32Array = np.divide(
            sums.transpose(1, 0, 2, 3), counts[:, None], dtype=np.float32
        )
        return means


def _windows(start: Indices, stop: Indices, count: int) -> tuple[Indices, Indices]:
    """First pixel, and pixel after the last, of ``count`` windows in each [start, stop).

    Returns two arrays (N, count).
    """
    steps = np.arange(count + 1) * (stop - start)[:, None]
    return start[:, None] + steps[:, :-1] // count, start[:, None] - (-steps[:, 1:] // count)
