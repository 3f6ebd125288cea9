"""The picture of a face by which a person is recognised on a page."""

from typing import Final

import numpy as np
from PIL import Image

from facevoice.types import Face, UInt8Array

SIDE: Final = 96
"""Pixels of a portrait."""

_LEAST: Final = 0.05
_BRIGHT: Final = 190.0  # level of a face's brightest parts
_MOST_GAIN: Final = 3.0


def frontality(face: Face) -> float:
    """How frontal a face looks, above 0 to 1: by where the nose is between the eyes."""
    left, right, nose = face.landmarks[:3]
    apart = right - left
    across = float(apart @ apart)
    if across <= 0:
        return _LEAST
    place = float((nose - left) @ apart) / across  # along the line of the eyes: 0.5 is frontal
    return max(_LEAST, 1 - 2 * abs(place - 0.5))


def portrait(aligned: UInt8Array) -> UInt8Array:
    """An aligned face (256, 256, 3) uint8 RGB as a picture of 96 x 96 pixels.

    A dark face is brightened.
    """
    small = Image.fromarray(aligned).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    light = np.asarray(small, np.float32)
    gain = np.clip(_BRIGHT / max(float(np.quantile(light, 0.95)), 1.0), 1.0, _MOST_GAIN)
    return np.asarray(np.minimum(light * gain, 255), np.uint8)
