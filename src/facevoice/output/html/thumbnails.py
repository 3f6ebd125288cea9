"""Pictures of faces as small JPEG files, for pages."""

import io
from typing import Final

from PIL import Image

from facevoice.types import UInt8Array

THUMBNAIL_SIZE: Final = 112
_QUALITY: Final = 82


def thumbnail(image: UInt8Array, side: int = THUMBNAIL_SIZE) -> bytes:
    """A face picture (H, W, 3) uint8 RGB as a JPEG of ``side`` x ``side`` pixels."""
    small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
