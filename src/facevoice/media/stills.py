"""Reads still pictures with Pillow; of an animated GIF, PNG or WebP, the first picture."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from facevoice.media.container import check_size, unreadable
from facevoice.types import UInt8Array

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # recognised by their first bytes
_ROTATED: Final = range(5, 9)  # EXIF orientations that swap width and height
_ORIENTATION: Final = 0x0112
_PILLOW_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow's format readers raise on damaged files."""


def still_size(path: Path) -> tuple[int, int] | None:
    """Upright width and height of a still picture in pixels; None if the file is not a picture.

    Only the header is read.

    Raises:
        MediaUnreadableError: damaged, or too large.
    """
    image = _open(path)
    if image is None:
        return None
    with image:
        width, height = image.size
        return (height, width) if _orientation(image) in _ROTATED else (width, height)


def read_still(path: Path) -> UInt8Array | None:
    """A still picture, upright, as (H, W, 3) uint8 RGB; None if the file is not a picture.

    Applies the EXIF orientation. Drops transparency, reduces 16 bits to 8, and converts grey and
    CMYK to RGB.

    Raises:
        MediaUnreadableError: cut short, damaged or too large.
    """
    image = _open(path)
    if image is None:
        return None
    with image:
        try:
            if image.mode.startswith("I;16"):
                eight = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
                upright = Image.fromarray(eight)
            else:
                upright = image.convert("RGB")
            orientation = _orientation(image)
            if orientation in range(2, 9):
                upright.getexif()[_ORIENTATION] = orientation
                upright = ImageOps.exif_transpose(upright)
            return np.array(upright.convert("RGB"), np.uint8)
        except _PILLOW_ERRORS as error:
            raise unreadable(path, f"the picture is damaged or cut short ({error})") from error


def _open(path: Path) -> Image.Image | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size and odd tags; our own limit applies
            image = Image.open(path, formats=_FORMATS)
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise unreadable(path, f"the picture is too large ({error})") from error
    except _PILLOW_ERRORS as error:
        raise unreadable(path, f"the picture's header is damaged ({error})") from error
    check_size(path, *image.size)
    return image


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 (upright) if there is none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _PILLOW_ERRORS:
        return 1
