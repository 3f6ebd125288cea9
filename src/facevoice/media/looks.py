"""Every picture of a film as cheaply as it can be looked at; the chosen ones in colour.

Following people needs three things of very different cost: a thumbnail of every picture (cuts), the
brightness of most pictures (mouths), and full colour a few times a second (faces).
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from facevoice.media.clock import check_span
from facevoice.media.container import NoStreamError, check_file, decoded, picture_stream
from facevoice.media.frames import Instants
from facevoice.media.picture import Scaler, upright, upright_rgb
from facevoice.types import Frame, UInt8Array

THUMBNAIL: Final = (48, 64)
"""Height and width of thumbnails, whatever the picture's shape."""

_EPSILON: Final = 1e-6  # seconds; bounds that arrive as floats may be off by a rounding error


@dataclass(frozen=True, slots=True)
class Look:
    """One decoded picture, upright.

    time_seconds: presentation time.
    thumbnail: (48, 64, 3) uint8 RGB, area means of the picture as it is stored (not turned).
    light: (H, W) uint8 brightness, of the size that ``image`` would have; None if not asked for.
    image: (H, W, 3) uint8 RGB, or None if this instant is not among those asked for.
    """

    time_seconds: float
    thumbnail: UInt8Array
    light: UInt8Array | None
    image: UInt8Array | None


def iter_looks(
    path: Path,
    *,
    rate_hz: float,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    with_light: bool = True,
) -> Generator[Look, None, None]:
    """Look at all pictures of a span, in order; their times increase strictly.

    rate_hz: colour is made of the pictures that ``iter_frames`` would give at this rate.
    start_seconds, stop_seconds: the half-open span; None: the file's own ends.
    with_light: give the brightness of every picture.

    A file without a picture stream gives nothing; a picture that cannot be converted is left out.

    Raises:
        InvalidInputError, MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as
            ``iter_frames``.
    """
    check_span(start_seconds, stop_seconds)
    path = Path(path)
    check_file(path)
    wanted = Instants(rate_hz, start_seconds)
    return _looks(path, Looker(with_light=with_light), wanted, start_seconds, stop_seconds)


def looks_of(frames: Iterable[Frame]) -> Iterator[Look]:
    """Looks of pictures that are in memory already, all in colour, without brightness."""
    looker = Looker(with_light=False)
    for frame in frames:
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
        look = looker.look(picture, frame.time_seconds, 1.0, in_colour=False)
        if look is not None:
            yield replace(look, image=frame.image)


def _looks(
    path: Path, looker: "Looker", wanted: Instants, start: float | None, stop: float | None
) -> Generator[Look, None, None]:
    last = -np.inf
    with closing(decoded(path, picture_stream, start)) as pictures, suppress(NoStreamError):
        for time, picture, ratio in pictures:
            if not isinstance(picture, VideoFrame):
                continue
            if stop is not None and time >= stop - _EPSILON:
                return
            if time <= last or (start is not None and time < start - _EPSILON):
                continue
            last = time
            look = looker.look(picture, time, ratio, in_colour=wanted.take(time))
            if look is not None:
                yield look


class Looker:
    """Makes looks of the decoded pictures of one stream; with_light: see ``iter_looks``."""

    def __init__(self, *, with_light: bool = True) -> None:
        self._with_light = with_light
        self._colour, self._grey, self._small = Scaler(), Scaler(), VideoReformatter()

    def look(
        self, picture: VideoFrame, time: float, ratio: float, *, in_colour: bool
    ) -> Look | None:
        """Convert one picture; ratio: width of its pixels over their height; None if damaged."""
        height, width = THUMBNAIL
        try:
            small = self._small.reformat(
                picture, width, height, "rgb24", interpolation=Interpolation.AREA
            )
            thumbnail = np.asarray(small.to_ndarray(), np.uint8)
        except (FFmpegError, ValueError):
            return None
        light = upright(picture, self._grey, ratio, "gray") if self._with_light else None
        image = upright_rgb(picture, self._colour, ratio) if in_colour else None
        if (self._with_light and light is None) or (in_colour and image is None):
            return None
        return Look(time, thumbnail, light, image)
