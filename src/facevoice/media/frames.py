"""Pictures of a file, one at a time."""

import math
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame

from facevoice.errors import InvalidInputError
from facevoice.media.clock import check_span
from facevoice.media.container import NoStreamError, check_file, decoded, picture_stream
from facevoice.media.picture import Scaler, upright_rgb
from facevoice.media.stills import read_still
from facevoice.types import Frame

_EPSILON: Final = 1e-6  # seconds; bounds that arrive as floats may be off by a rounding error
_STAMP_ROUNDING: Final = 1e-3  # seconds; Matroska and FLV round time stamps to milliseconds


def iter_frames(
    path: Path,
    *,
    rate_hz: float | None = None,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
) -> Generator[Frame, None, None]:
    """Decode pictures in order of presentation; their times increase strictly.

    Pictures are upright (the container's turns and mirrorings are applied), of full resolution,
    with square pixels (an anamorphic film is stretched, never shrunk). Damaged packets are
    skipped; a file that is cut short gives what it holds; a picture that is not after its
    predecessor is left out. A file without a picture stream gives nothing; a still picture gives
    one frame at 0.0 (the first picture of an animated GIF or WebP).

    Arguments:
        path: the file.
        rate_hz: convert and yield only the first picture at or after each instant
            ``start + k / rate_hz``, each at most once (stamps may be rounded down by 1 ms); the
            others are decoded but not converted. None: all of them.
        start_seconds: where the span starts, and where the instants are counted from; None: the
            first picture. Decoding starts at a key frame before it, not with the file.
        stop_seconds: where the half-open span stops; None: the end.

    Raises:
        InvalidInputError: a rate that is not above 0, or an empty span of time.
        MediaNotFoundError, MediaPermissionError: no file, or one that may not be read.
        MediaUnreadableError: nothing in it decodes, or the picture is of absurd size. Raised by
            the first ``next``; the other errors are raised at once.
    """
    if rate_hz is not None and not (math.isfinite(rate_hz) and rate_hz > 0):
        raise InvalidInputError(f"rate_hz must be above 0 or None for all frames, got {rate_hz}")
    check_span(start_seconds, stop_seconds)
    path = Path(path)
    check_file(path)
    return _frames(path, rate_hz, start_seconds, stop_seconds)


def _frames(
    path: Path, rate_hz: float | None, start: float | None, stop: float | None
) -> Generator[Frame, None, None]:
    still = read_still(path)
    if still is not None:
        if (start is None or start <= 0) and (stop is None or stop > 0):
            yield Frame(still, 0.0)
        return
    wanted = Instants(rate_hz, start)
    scaler = Scaler()
    last = -math.inf
    with closing(decoded(path, picture_stream, start)) as pictures, suppress(NoStreamError):
        for time, picture, ratio in pictures:
            if not isinstance(picture, VideoFrame):
                continue
            if stop is not None and time >= stop - _EPSILON:
                return
            if time <= last or (start is not None and time < start - _EPSILON):
                continue
            last = time
            if wanted.take(time):
                image = upright_rgb(picture, scaler, ratio)
                if image is not None:
                    yield Frame(image, time)


class Instants:
    """Which pictures are the first at or after the instants start + k / rate."""

    def __init__(self, rate_hz: float | None, start_seconds: float | None) -> None:
        self._rate_hz = rate_hz
        self._start = start_seconds
        self._next = 0

    def take(self, time: float) -> bool:
        """Whether this picture is wanted; call in order of time."""
        if self._rate_hz is None:
            return True
        if self._start is None:
            self._start = time
        passed = math.floor((time + _STAMP_ROUNDING - self._start) * self._rate_hz)
        if passed < self._next:
            return False
        self._next = passed + 1
        return True
