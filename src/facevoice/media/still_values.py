"""Turns the numbers of a still picture, of any type and range, into 8 bits."""

import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from facevoice.types import UInt8Array

PILLOW_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's format readers raise on damaged files."""

_DEPTHS: Final = (8, 10, 12, 16, 32)  # bits that cameras and programs use
_SIGNED_DEPTHS: Final = {8: (7,), 16: (8, 10, 12, 15), 32: (8, 10, 12, 16, 31)}  # by bits stored
_WHITE_IS_ZERO: Final = 0
_PHOTOMETRIC, _SAMPLE_FORMAT, _BITS = 262, 339, 258
_SIGNED, _FLOAT = 2, 3

_AROUND_ONE: Final = 2.0  # floats from 0 to 1, and what a filter may add to them
_AROUND_EIGHT_BITS: Final = 300.0
_UNDERSHOOT: Final = 0.1  # of the highest value, below 0
_MOST: Final = (0.01, 0.99)  # quantiles of floats: highlights beyond them are clipped
_DARK: Final = 16  # an 8-bit value; twelve bits in sixteen stay below it


def check_tiff(path: Path) -> None:
    """Refuse a TIFF that Pillow cannot read and others read wrongly: halves taken for integers.

    Nothing is said of other files, and of damaged ones.

    Raises:
        ValueRangeError: its values are signed, or floats of another length than 32 bits.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
        if head[:4] not in {b"II*\0", b"MM\0*"}:
            return
        try:
            tags = TiffImagePlugin.ImageFileDirectory_v2(head)
            stream.seek(tags.next)
            tags.load(stream)
        except PILLOW_ERRORS:
            return
    kind, bits = _first(tags.get(_SAMPLE_FORMAT)), _first(tags.get(_BITS))
    if kind == _SIGNED or (kind == _FLOAT and bits != 32):
        raise ValueRangeError(
            f"its values are {'signed' if kind == _SIGNED else f'floats of {bits} bits'}: write it"
            " with 8 or 16 bits per channel"
        )


class ValueRangeError(ValueError):
    """The range of a picture's values says nothing about black and white."""


def rgb_of(image: Image.Image) -> Image.Image:
    """A picture of any mode as RGB of 8 bits per channel, without transparency.

    Integers are read on the scale of the bits that they use: 8, 10, 12, 16 or 32; floats as 0 to 1
    if nearly all stay there, otherwise as integers.

    Raises:
        ValueRangeError: no such scale fits.
    """
    tags = getattr(image, "tag_v2", {})
    signed = _first(tags.get(_SAMPLE_FORMAT)) == _SIGNED
    if image.mode == "F" or image.mode.startswith("I") or (signed and image.mode == "L"):
        values = np.asarray(image)
        eight = eight_bits(
            values.view(np.int8) if image.mode == "L" else values,
            signed_bits=_first(tags.get(_BITS)) if signed else None,
        )
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            eight = 255 - eight
        return Image.fromarray(eight).convert("RGB")
    wide = _is_wide(image)
    converted = image.convert("RGB")
    if wide and 0 < max(high for _, high in converted.getextrema()) < _DARK:  # type: ignore[misc]
        raise ValueRangeError(
            "its values have 16 bits, of which it uses 12 or fewer: scale them, so that white is"
            " 65535"
        )
    return converted


def _is_wide(image: Image.Image) -> bool:
    """Whether a picture of several channels is stored with 16 bits each; call before it is read."""
    bits = getattr(image, "tag_v2", {}).get(_BITS)
    return _first(bits) == 16 or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def eight_bits(values: NDArray[Any], *, signed_bits: int | None = None) -> UInt8Array:
    """Numbers of any shape on the scale of ``rgb_of`` as uint8.

    signed_bits: of integers that are stored with a sign; None: without.

    Raises:
        ValueRangeError: no scale fits.
    """
    if values.dtype.kind == "f":
        return _of_floats(values)
    if values.dtype == np.int32 and signed_bits is None:
        values = values.view(np.uint32)  # Pillow has no mode for it
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    depths = _DEPTHS if signed_bits is None else _SIGNED_DEPTHS.get(signed_bits, ())
    depth = next((bits for bits in depths if high < 2**bits), None)
    if low < 0 or depth is None:
        raise ValueRangeError(f"its values run from {low} to {high}: black must be 0")
    return (values >> (depth - 8) if depth >= 8 else values * 2).astype(np.uint8)


def _of_floats(values: NDArray[Any]) -> UInt8Array:
    if not np.isfinite(values).all():
        raise ValueRangeError("its values hold NaN or infinity")
    low, high = np.quantile(values, _MOST).tolist() if values.size else (0.0, 0.0)
    depth = next((bits for bits in _DEPTHS[1:-1] if high < 2**bits), None)
    if low < -_UNDERSHOOT * max(high, 1.0) or depth is None:
        raise ValueRangeError(
            f"its values run from about {low:g} to {high:g}: floats must be from 0 to 1, or as"
            " integers of at most 16 bits"
        )
    if high <= _AROUND_ONE:
        scale = 255.0
    else:
        scale = 1.0 if high <= _AROUND_EIGHT_BITS else 2.0 ** (8 - depth)
    eight: UInt8Array = np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
    return eight
