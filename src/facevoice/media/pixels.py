"""Converts decoded pictures to upright RGB or brightness with square pixels."""

import math
import re
import struct
from typing import Any, Final, Literal

import av
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from facevoice.errors import MediaUnreadableError
from facevoice.media.still_values import ValueRangeError, eight_bits
from facevoice.types import UInt8Array

MAX_SIDE: Final = 16_384
"""The longest side of a picture that is read, in pixels."""
MAX_PIXELS: Final = 2**27
"""The most pixels of a picture that is read (134 million, 400 MB as RGB)."""

ONE_THREAD: Final[Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
"""For ``VideoReformatter.reformat``, which since PyAV 17 uses a thread per core if it is not asked
for one: these pictures are too small for that to pay."""

_most_pixels: Final = [MAX_PIXELS]  # of this process
_FLOATS: Final = re.compile(r"f(16|32)(le|be)?$")
_LIGHT_FIRST: Final = ("gray", "nv12", "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p")
_MOST_ANAMORPHIC: Final = 4.0  # pixel aspect ratios above it (or below 1/4) are damage


class Converter:
    """Converts the pictures of one stream; keeps scalers and orientation between pictures.

    Reading the side data of a picture ties it into a reference cycle that lasts until the garbage
    collector runs, hundreds of pictures later. So it is read only where the rotation changes.
    """

    def __init__(self) -> None:
        self._scalers = {"rgb24": VideoReformatter(), "yuv420p": VideoReformatter()}
        self._rotation: int | None = None
        self._orientation = (False, 1, 1)

    def convert(
        self, picture: VideoFrame, ratio: float, form: Literal["rgb24", "gray"]
    ) -> UInt8Array | None:
        """A decoded picture, upright, as (H, W, 3) uint8 RGB or (H, W) uint8 brightness.

        Returns None if the picture cannot be converted. Keeps the full resolution: where pixels
        are not square, the picture is stretched along their shorter side. Pictures of 10 bits or
        a wide gamut are reduced to 8 bits without tone mapping.

        ratio: width of a pixel over its height.

        Raises:
            MediaUnreadableError: it holds floats on no known scale.
        """
        picture = _of_integers(picture)
        width, height = _square_size(picture, ratio)
        if not fits(width, height):
            return None
        try:
            if form == "rgb24":
                scaled = self._scalers[form].reformat(picture, width, height, form, **ONE_THREAD)
                image = np.asarray(scaled.to_ndarray(), np.uint8)
            elif picture.format.name in _LIGHT_FIRST and ratio == 1:
                image = _first_plane(picture)
            else:  # in the range of values that film uses, as above
                scaled = self._scalers["yuv420p"].reformat(
                    picture, width, height, "yuv420p", **ONE_THREAD
                )
                image = _first_plane(scaled)
        except (FFmpegError, ValueError):
            return None
        if picture.rotation != self._rotation:
            self._rotation, self._orientation = picture.rotation, _orientation(picture)
        transposed, down, across = self._orientation
        image = image.swapaxes(0, 1) if transposed else image
        return np.ascontiguousarray(image[::down, ::across])


def _of_integers(picture: VideoFrame) -> VideoFrame:
    """A picture of floats on the scale of its values; any other as it is.

    Raises:
        MediaUnreadableError: no scale fits.
    """
    if not _FLOATS.search(picture.format.name):
        return picture
    try:
        pixels = eight_bits(picture.to_ndarray())
    except ValueRangeError as error:
        raise MediaUnreadableError(str(error)) from error
    form = {2: "gray", 3: "rgb24"}.get(pixels.ndim, "gray")
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    return VideoFrame.from_ndarray(np.ascontiguousarray(colours), format=form)


def fits(width: int, height: int) -> bool:
    """Whether a picture of this size in pixels is within the limits."""
    return max(width, height) <= MAX_SIDE and width * height <= most_pixels()


def most_pixels() -> int:
    """The most pixels of a picture that this process reads."""
    return _most_pixels[0]


def limit_pictures(pixels: int) -> None:
    """Lower the most pixels of a picture that this process reads, as a server's workers do."""
    _most_pixels[0] = min(MAX_PIXELS, pixels)


def pixel_ratio(stream: VideoStream) -> float:
    """Width of a pixel over its height; 1 if the file states nothing plausible."""
    ratio = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return ratio if 1 / _MOST_ANAMORPHIC <= ratio <= _MOST_ANAMORPHIC else 1.0


def upright_size(picture: VideoFrame, ratio: float) -> tuple[int, int]:
    """Width and height in pixels of a converted picture."""
    width, height = _square_size(picture, ratio)
    transposed, _, _ = _orientation(picture)
    return (height, width) if transposed else (width, height)


def _first_plane(picture: VideoFrame) -> UInt8Array:
    """(H, W) view of the brightness plane, 8 bits per pixel; nothing is copied."""
    plane = picture.planes[0]
    # PyAV's planes support the buffer protocol, but its stubs do not declare it
    flat: UInt8Array = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return flat.reshape(-1, plane.line_size)[: picture.height, : picture.width]


def _square_size(picture: VideoFrame, ratio: float) -> tuple[int, int]:
    width, height = picture.width, picture.height
    return (round(width * ratio), height) if ratio >= 1 else (width, round(height / ratio))


def _orientation(picture: VideoFrame) -> tuple[bool, int, int]:
    """Whether to transpose; then the step through rows and the step through columns, 1 or -1.

    The display matrix maps x to (a, b) and y to (c, d). It is rounded to the nearest of the eight
    orientations of a picture on a screen.
    """
    try:
        matrix = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that this PyAV does not know, such as EXIF
        turn = math.radians(picture.rotation)
        a, b, c, d = math.cos(turn), -math.sin(turn), math.sin(turn), math.cos(turn)
    else:
        if not isinstance(matrix, SideData):
            return False, 1, 1
        a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    transposed = abs(b) > abs(a)
    across, down = (c, b) if transposed else (a, d)
    return transposed, -1 if down < 0 else 1, -1 if across < 0 else 1
