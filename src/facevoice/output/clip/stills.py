"""A few whole pictures of a film, for pages of films that browsers do not play."""

import io
from pathlib import Path
from typing import Final

from PIL import Image

from facevoice import media
from facevoice.types.spans import Span

MOST_STILLS: Final = 4
_LARGEST: Final = (320, 240)
_QUALITY: Final = 80


def stills(path: Path, span: Span) -> list[tuple[float, bytes]]:
    """Times and JPEG files of pictures that are spaced evenly over a span.

    Raises:
        FacevoiceError: the file cannot be read.
    """
    start, stop = span
    found = []
    for frame in media.iter_frames(
        path, rate_hz=MOST_STILLS / (stop - start), start_seconds=start, stop_seconds=stop
    ):
        picture, stream = Image.fromarray(frame.image), io.BytesIO()
        picture.thumbnail(_LARGEST)
        picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
        found.append((frame.time_seconds, stream.getvalue()))
    return found[:MOST_STILLS]
