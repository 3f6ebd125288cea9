"""Reads the pictures of a film: as frames in full colour, or as views at graded cost.

Following people needs three things of very different cost: a thumbnail of every picture (cuts), the
brightness of most pictures (mouths), and full colour a few times a second (faces).
"""

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from facevoice.media.clock import TIME_TOLERANCE
from facevoice.media.container import NoStreamError, Timed, checked_input, decoded, picture_stream
from facevoice.media.pixels import Converter
from facevoice.media.stills import read_still
from facevoice.types import Frame, UInt8Array, require

THUMBNAIL: Final = (48, 64)
"""Height and width of thumbnails, whatever the shape of the picture."""

_STAMP_ROUNDING: Final = 1e-3  # seconds; Matroska and FLV round time stamps to milliseconds


@dataclass(frozen=True, slots=True)
class View:
    """One decoded picture, upright, as thumbnail, brightness and colour.

    time_seconds: presentation time.
    thumbnail: (48, 64, 3) uint8 RGB, area means of the picture as it is stored (not rotated).
    light: (H, W) uint8 brightness, of the size that ``image`` would have; None if not requested.
    image: (H, W, 3) uint8 RGB; None if colour was not requested at this instant.
    """

    time_seconds: float
    thumbnail: UInt8Array
    light: UInt8Array | None
    image: UInt8Array | None


def iter_frames(
    path: Path,
    *,
    rate_hz: float | None = None,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
) -> Generator[Frame, None, None]:
    """Decode pictures in order of presentation; their times increase strictly.

    Pictures are upright (rotations and reflections given in the container are applied) and at full
    resolution, with square pixels (an anamorphic film is stretched, never shrunk). Damaged packets
    are skipped; a file that is cut short gives what it holds; a picture that is not later than its
    predecessor is left out. A file without a picture stream gives nothing; a still picture gives
    one frame at 0.0 (the first picture of an animated GIF or WebP).

    Arguments:
        path: the file.
        rate_hz: convert and yield only the first picture at or after each instant
            ``start + k / rate_hz``, each at most once (stamps may be rounded down by 1 ms); the
            others are decoded but not converted. None: all of them.
        start_seconds: start of the span, and the origin of the instants; None: the first picture.
            Decoding starts at a key frame before it, not at the start of the file.
        stop_seconds: end of the half-open span; None: the end of the file.

    Raises:
        InvalidInputError: a rate that is not above 0, or an empty span of time.
        MediaNotFoundError, MediaPermissionError: no file, or one that may not be read.
        MediaUnreadableError: nothing in it decodes, or the picture is too large. Raised by the
            first ``next``; the other errors are raised at once.
    """
    require(
        rate_hz is None or 0 < rate_hz < math.inf,
        f"rate_hz must be above 0 or None for all frames, got {rate_hz}",
    )
    path = checked_input(path, start_seconds, stop_seconds)
    return _frames(path, Sampling(rate_hz, start_seconds), start_seconds, stop_seconds)


def _frames(
    path: Path, sampling: "Sampling", start: float | None, stop: float | None
) -> Generator[Frame, None, None]:
    still = read_still(path)
    if still is not None:
        if (start is None or start <= 0) and (stop is None or stop > 0):
            yield Frame(still, 0.0)
        return
    converter = Converter()
    with closing(_pictures(path, start, stop)) as pictures:
        for time, picture, ratio in pictures:
            image = converter.convert(picture, ratio, "rgb24") if sampling.take(time) else None
            if image is not None:
                yield Frame(image, time)


def iter_views(
    path: Path,
    *,
    rate_hz: float,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    with_light: bool = True,
) -> Generator[View, None, None]:
    """View all pictures of a span, in order; their times increase strictly.

    rate_hz: the pictures that ``iter_frames`` would give at this rate are converted to colour.
    start_seconds, stop_seconds: the half-open span; None: the start and the end of the file.
    with_light: give the brightness of every picture.

    A file without a picture stream gives nothing; a picture that cannot be converted is left out.

    Raises:
        InvalidInputError, MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as
            ``iter_frames``.
    """
    path = checked_input(path, start_seconds, stop_seconds)
    sampling = Sampling(rate_hz, start_seconds)
    return _views(path, Viewer(with_light=with_light), sampling, start_seconds, stop_seconds)


def _views(
    path: Path, viewer: "Viewer", sampling: "Sampling", start: float | None, stop: float | None
) -> Generator[View, None, None]:
    with closing(_pictures(path, start, stop)) as pictures:
        for timed in pictures:
            view = viewer.view(timed, in_colour=sampling.take(timed.seconds))
            if view is not None:
                yield view


def views_of(frames: Iterable[Frame]) -> Iterator[View]:
    """Views of pictures that are already in memory, all in colour, without brightness."""
    viewer = Viewer(with_light=False)
    for frame in frames:
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
        view = viewer.view(Timed(frame.time_seconds, picture, 1.0), in_colour=False)
        if view is not None:
            yield replace(view, image=frame.image)


def _pictures(
    path: Path, start: float | None, stop: float | None
) -> Generator[Timed[VideoFrame], None, None]:
    """The decoded pictures of a span, each later than the one before; none without a stream."""
    last = -math.inf
    with closing(decoded(path, picture_stream, start)) as pictures, suppress(NoStreamError):
        for timed in pictures:
            if stop is not None and timed.seconds >= stop - TIME_TOLERANCE:
                return
            early = start is not None and timed.seconds < start - TIME_TOLERANCE
            if timed.seconds > last and not early:
                last = timed.seconds
                yield timed


class Sampling:
    """Selects the first picture at or after each instant start + k / rate.

    rate_hz: None selects all pictures. start_seconds: None starts at the first picture.
    """

    def __init__(self, rate_hz: float | None, start_seconds: float | None) -> None:
        self._rate_hz = rate_hz
        self._start = start_seconds
        self._next = 0

    def take(self, time: float) -> bool:
        """Whether to select the picture at ``time``; call in order of time."""
        if self._rate_hz is None:
            return True
        if self._start is None:
            self._start = time
        passed = math.floor((time + _STAMP_ROUNDING - self._start) * self._rate_hz)
        if passed < self._next:
            return False
        self._next = passed + 1
        return True


class Viewer:
    """Makes views of the decoded pictures of one stream; with_light: see ``iter_views``."""

    def __init__(self, *, with_light: bool = True) -> None:
        self._with_light = with_light
        self._converter, self._thumbnails = Converter(), VideoReformatter()

    def view(self, timed: Timed[VideoFrame], *, in_colour: bool) -> View | None:
        """Convert one picture; None if it is damaged."""
        time, picture, ratio = timed
        height, width = THUMBNAIL
        try:
            small = self._thumbnails.reformat(
                picture, width, height, "rgb24", interpolation=Interpolation.AREA
            )
            thumbnail = np.asarray(small.to_ndarray(), np.uint8)
        except (FFmpegError, ValueError):
            return None
        light = self._converter.convert(picture, ratio, "gray") if self._with_light else None
        image = self._converter.convert(picture, ratio, "rgb24") if in_colour else None
        if (self._with_light and light is None) or (in_colour and image is None):
            return None
        return View(time, thumbnail, light, image)
