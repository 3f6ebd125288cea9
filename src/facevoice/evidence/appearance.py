"""How alike two aligned faces look: colours and gradients on a coarse grid, without a network.

It distinguishes the people of one scene over seconds. It does not recognise faces: light, pose and
make-up change it as much as a different person does.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.types import Float32Array, UInt8Array

_SIDE: Final = 32  # pixels to which the face is averaged
_CELLS: Final = 4  # per side
_CELL: Final = _SIDE // _CELLS  # pixels of its side
_DIRECTIONS: Final = 8
_BINS: Final = _CELLS**2 * _DIRECTIONS
_CELL_BINS: Final = _DIRECTIONS * np.kron(
    np.arange(_CELLS**2).reshape(_CELLS, _CELLS), np.ones((_CELL, _CELL), np.intp)
)
_COLOUR_SHARE: Final = 0.5


def describe(aligned: UInt8Array) -> Float32Array:
    """Describe a face as (D,) float32 of length 1; aligned: (256, 256, 3) uint8 RGB."""
    small = np.asarray(Image.fromarray(aligned).reduce(len(aligned) // _SIDE), np.float32)
    colour = small.reshape(_CELLS, _CELL, _CELLS, _CELL, 3).mean(axis=(1, 3))
    colour = _unit((colour - colour.mean(axis=(0, 1))).ravel())
    red, green, blue = np.moveaxis(small, 2, 0)
    texture = _unit(_gradients((red + green + blue) / 3))
    return np.concatenate([colour * _COLOUR_SHARE**0.5, texture * (1 - _COLOUR_SHARE) ** 0.5])


def likeness(first: Float32Array, second: Float32Array) -> float:
    """Likeness of two descriptions: 1 for the same picture."""
    return float(first @ second)


def _gradients(light: Float32Array) -> Float32Array:
    """Square-rooted energy of the gradients by cell and unsigned direction, minus its mean."""
    down, across = np.gradient(light)
    angle = np.arctan2(down, across) % np.pi
    bins: NDArray[np.intp] = (angle * (_DIRECTIONS / np.pi)).astype(np.intp) % _DIRECTIONS
    sums = np.bincount((_CELL_BINS + bins).ravel(), np.hypot(down, across).ravel(), _BINS)
    energy = np.sqrt(sums / _CELL**2)
    return np.asarray(energy - energy.mean(), np.float32)


def _unit(values: Float32Array) -> Float32Array:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)
