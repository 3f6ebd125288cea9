"""Reads the pictures of a film: as frames in full colour, or as views at graded cost."""

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from facevoice.media.checks import checked_input
from facevoice.media.clock import TIME_TOLERANCE
from facevoice.media.container import picture_stream
from facevoice.media.decoding import NoStreamError, decoded
from facevoice.media.pixels import Converter
from facevoice.media.stills import read_still
from facevoice.media.stream_decoder import Timed
from facevoice.media.views import Sampling, View, Viewer, Views
from facevoice.types import Damaged, Frame, ignored, require


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
    are skipped; a file that is cut short gives what it holds; pictures that the decoder flags as
    corrupt, and those that are not later than their predecessor, are left out. A file without a
    picture stream gives nothing; a still picture gives
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
    path: Path, sampling: Sampling, start: float | None, stop: float | None
) -> Generator[Frame, None, None]:
    still = read_still(path)
    if still is not None:
        if (start is None or start <= 0) and (stop is None or stop > 0):
            yield Frame(still, 0.0)
        return
    converter = Converter()
    with closing(_pictures(path, start, stop)) as pictures:
        for time, picture, ratio, _ in pictures:
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
    damaged: Damaged = ignored,
) -> Generator[View, None, None]:
    """View all pictures of a span, in order; their times increase strictly.

    rate_hz: at the instants ``start + k / rate_hz`` there is a view in colour: of the first picture
        at or after it, as ``iter_frames`` would give it, or, where none comes before the next
        instant, of the last one again, which still stands. At the start of the span that is the
        picture before it; the last picture of a file stands for its own duration.
    start_seconds, stop_seconds: the half-open span; None: the start and the end of the file.
    with_light: give the brightness of every picture.
    damaged: called with each damage before the next view. A picture that the decoder flags as
        corrupt is left out, and the one before it does not stand in for it.

    A file without a picture stream gives nothing; a picture that cannot be converted is left out.

    Raises:
        InvalidInputError, MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as
            ``iter_frames``.
    """
    path = checked_input(path, start_seconds, stop_seconds)
    views = Views(rate_hz, start_seconds, Viewer(with_light=with_light), damaged)
    return _views(path, views, start_seconds, stop_seconds, damaged)


def _views(
    path: Path, views: Views, start: float | None, stop: float | None, damaged: Damaged
) -> Generator[View, None, None]:
    pictures = decoded(path, picture_stream, start, damaged)
    with closing(pictures), suppress(NoStreamError):
        for timed in pictures:
            if stop is not None and timed.seconds >= stop - TIME_TOLERANCE:
                yield from views.until(stop, timed.seconds)
                return
            yield from views.push(timed)
        yield from views.end(stop)


def views_of(frames: Iterable[Frame], rate_hz: float | None) -> Iterator[View]:
    """Views of pictures that are already in memory, all in colour, without brightness.

    rate_hz: at the instants first + k / rate_hz for which no picture comes, there is a view of the
        last one again, which lasts as long as the one before it at the end; None: never.
    """
    viewer, sampling = Viewer(with_light=False), Sampling(rate_hz, None)
    last: View | None = None
    lasting = 0.0
    for frame in frames:
        time = frame.time_seconds
        if last is not None:
            lasting = time - last.time_seconds
            yield from last.standing(sampling.missed(time, last.time_seconds), time)
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
        view = viewer.view(Timed(time, picture, 1.0), in_colour=False)
        sampling.take(time)
        if view is not None:
            last = replace(view, image=frame.image)
            yield last
    if last is not None:
        end = last.time_seconds + lasting
        yield from last.standing(sampling.missed(end, last.time_seconds, ends=True), end)


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
            if timed.seconds > last and not early and not timed.corrupt:
                last = timed.seconds
                yield timed
