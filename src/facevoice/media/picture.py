"""From a decoded picture to pixels as a viewer sees them: RGB, upright, square."""

import struct
from typing import Final, Literal

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from facevoice.types import UInt8Array

MAX_SIDE: Final = 16_384
"""The longest side of a picture that is read, in pixels."""
MAX_PIXELS: Final = 2**27
"""The most pixels of a picture that is read (134 million, 400 MB as RGB)."""

_LIGHT_FIRST: Final = ("gray", "nv12", "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p")
_MOST_ANAMORPHIC: Final = 4.0  # pixel aspect ratios beyond it (or below 1/4) are damage


class Scaler:
    """What is kept from picture to picture of one stream: a converter, and how the pictures lie.

    Asking a picture for its side data ties it into a cycle that only the garbage collector undoes,
    hundreds of pictures later: so only the first one is asked, and one that is turned otherwise.
    """

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()
        self._rotation: int | None = None
        self._orientation = (False, False, False)

    def orientation(self, picture: VideoFrame) -> tuple[bool, bool, bool]:
        """Whether to transpose, then mirror left-right, then flip top-bottom."""
        if picture.rotation != self._rotation:
            self._rotation, self._orientation = picture.rotation, _orientation(picture)
        return self._orientation


def fits(width: int, height: int) -> bool:
    """Whether a picture of this size in pixels is one that we read."""
    return max(width, height) <= MAX_SIDE and width * height <= MAX_PIXELS


def pixel_ratio(stream: VideoStream) -> float:
    """Width of a pixel over its height; 1 if the file says nothing sensible."""
    ratio = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return ratio if 1 / _MOST_ANAMORPHIC <= ratio <= _MOST_ANAMORPHIC else 1.0


def upright_size(picture: VideoFrame, ratio: float) -> tuple[int, int]:
    """Width and height of what ``upright_rgb`` makes of a picture."""
    width, height = _square_size(picture, ratio)
    transposed, _, _ = _orientation(picture)
    return (height, width) if transposed else (width, height)


def upright_rgb(picture: VideoFrame, scaler: Scaler, ratio: float) -> UInt8Array | None:
    """A decoded picture as (H, W, 3) uint8 RGB, upright; None if it cannot be converted.

    Full resolution: pixels that are not square (``ratio``) are stretched along their shorter side.
    10-bit and wide-gamut film is reduced to 8 bits without tone mapping.
    """
    return upright(picture, scaler, ratio, "rgb24")


def upright(
    picture: VideoFrame, scaler: Scaler, ratio: float, form: Literal["rgb24", "gray"]
) -> UInt8Array | None:
    """As ``upright_rgb``, in colour (H, W, 3) or as brightness alone (H, W)."""
    width, height = _square_size(picture, ratio)
    if not fits(width, height):
        return None
    try:
        if form == "gray" and picture.format.name in _LIGHT_FIRST and ratio == 1:
            image = _first_plane(picture)
        elif form == "gray":  # of the range that film has, as it is above
            image = _first_plane(scaler.reformatter.reformat(picture, width, height, "yuv420p"))
        else:
            scaled = scaler.reformatter.reformat(picture, width, height, form)
            image = np.asarray(scaled.to_ndarray(), np.uint8)
    except (FFmpegError, ValueError):
        return None
    transposed, mirrored, flipped = scaler.orientation(picture)
    image = image.swapaxes(0, 1) if transposed else image
    image = image[:, ::-1] if mirrored else image
    image = image[::-1] if flipped else image
    return np.ascontiguousarray(image)


def _first_plane(picture: VideoFrame) -> UInt8Array:
    """(H, W) a view of the plane that holds the brightness, 8 bits a pixel; nothing is copied."""
    plane = picture.planes[0]
    # PyAV's planes have the buffer protocol, its stubs do not say so
    flat: UInt8Array = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return flat.reshape(-1, plane.line_size)[: picture.height, : picture.width]


def _square_size(picture: VideoFrame, ratio: float) -> tuple[int, int]:
    width, height = picture.width, picture.height
    return (round(width * ratio), height) if ratio >= 1 else (width, round(height / ratio))


def _orientation(picture: VideoFrame) -> tuple[bool, bool, bool]:
    """Whether to transpose, then mirror left-right, then flip top-bottom.

    The display matrix maps x to (a, b) and y to (c, d); it is rounded to the nearest of the
    eight ways to lay a picture on a screen.
    """
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return False, False, False
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    if abs(b) > abs(a):
        return True, c < 0, b < 0
    return False, a < 0, d < 0
