"""Reads still pictures with Pillow; of an animated GIF, PNG or WebP, the first picture."""

import functools
import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from PIL import Image, ImageOps, UnidentifiedImageError

from facevoice.errors import MediaUnreadableError, MissingDependencyError
from facevoice.media.checks import check_size, unreadable
from facevoice.media.container import opened, picture_stream
from facevoice.media.pixels import Converter, pixel_ratio
from facevoice.media.still_values import PILLOW_ERRORS, ValueRangeError, check_tiff, rgb_of
from facevoice.media.stream_decoder import prepare
from facevoice.types import UInt8Array

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "PSD", "QOI")
"""Recognised by their first bytes."""
_OF_FFMPEG: Final = (
    b"II*\0", b"MM\0*",  # TIFF of floats in colour
    b"\x76\x2f\x31\x01", b"#?RADIANCE", b"#?RGBE", b"PF\n", b"Pf\n", b"P7\n", b"SDPX", b"XPDS",
    b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\x59\xa6\x6a\x95", b"DDS ",
)  # fmt: skip
"""First bytes of OpenEXR, Radiance, PFM, PAM, DPX, JPEG XL, Sun and DDS pictures."""
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIC_BRANDS: Final = (
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
)  # fmt: skip
_MATROSKA: Final = b"\x1a\x45\xdf\xa3"
HEAD_BYTES: Final = 64
"""In so many first bytes, the brands of a HEIC or AVIF file are named."""
_ROTATED: Final = range(5, 9)  # EXIF orientations that swap width and height
_ORIENTATION: Final = 0x0112
_GREY: Final = ("1", "L", "LA", "I", "F")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # its warnings are not for the terminal


def still_size(path: Path) -> tuple[int, int] | None:
    """Upright width and height of a still picture in pixels; None if the file is not a picture.

    Only the header is read, but for formats that Pillow does not know.

    Raises:
        MediaUnreadableError: damaged, or too large.
        MissingDependencyError: HEIC without pillow-heif.
    """
    with _quiet():
        image = _open(path)
        if image is None:
            return None
        with image:
            width, height = image.size
            return (height, width) if _orientation(image) in _ROTATED else (width, height)


def read_still(path: Path, *, keep_grey: bool = False) -> UInt8Array | None:
    """A still picture, upright, as (H, W, 3) uint8 RGB; None if the file is not a picture.

    Applies the EXIF orientation. Drops transparency, brings values of any type and range to 8 bits
    (see ``rgb_of``), and converts grey and CMYK to RGB.

    keep_grey: (H, W) for a picture that is stored without colour.

    Raises:
        MediaUnreadableError: cut short, damaged, too large, or of a range that has no black and
            white.
        MissingDependencyError: HEIC without pillow-heif.
    """
    with _quiet():
        image = _open(path)
        if image is None:
            return None
        with image:
            grey = keep_grey and image.mode.partition(";")[0] in _GREY
            with _named(path, "damaged or cut short"):
                pixels = _upright(image)
            return pixels[..., 0] if grey else pixels


def _upright(image: Image.Image) -> UInt8Array:
    orientation = _orientation(image)
    upright = rgb_of(image)
    if orientation in range(2, 9):
        upright.getexif()[_ORIENTATION] = orientation
        upright = ImageOps.exif_transpose(upright)
    return np.array(upright.convert("RGB"), np.uint8)


@contextmanager
def _named(path: Path, otherwise: str = "damaged") -> Iterator[None]:
    """Name the file in errors that do not; otherwise: what the picture is if Pillow fails."""
    try:
        yield
    except (ValueRangeError, MediaUnreadableError) as error:
        raise MediaUnreadableError(f"cannot read {path}: {error}") from error
    except PILLOW_ERRORS as error:
        raise unreadable(path, f"the picture is {otherwise} ({error})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Pillow's warnings about sizes and odd tags; our own limits apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(path: Path) -> Image.Image | None:
    formats = _formats(path)
    if not formats:
        return None
    try:
        image = Image.open(path, formats=formats)
    except UnidentifiedImageError:
        if formats == _FORMATS:
            with _named(path):
                check_tiff(path)
            return _by_ffmpeg(path) if _head(path).startswith(_OF_FFMPEG) else None
        raise unreadable(path, "the picture's header is damaged") from None
    except Image.DecompressionBombError as error:
        raise unreadable(path, f"the picture is too large ({error})") from error
    except PILLOW_ERRORS as error:
        raise unreadable(path, f"the picture's header is damaged ({error})") from error
    check_size(path, *image.size)
    return image


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _by_ffmpeg(path: Path) -> Image.Image:
    """A picture of a format that Pillow does not read; as a film it would be seen for too short."""
    try:
        with opened(path) as container:
            stream = picture_stream(container)
            if stream is not None:
                prepare(str(path), stream)
            for picture in container.decode(stream) if stream is not None else ():
                if isinstance(picture, VideoFrame) and stream is not None:
                    check_size(path, picture.width, picture.height)
                    with _named(path):
                        pixels = Converter().convert(picture, pixel_ratio(stream), "rgb24")
                    if pixels is not None:
                        return Image.fromarray(pixels)
    except FFmpegError as error:
        raise unreadable(path, f"the picture is damaged ({error.strerror})") from error
    raise unreadable(path, "the picture is damaged")


def _formats(path: Path) -> tuple[str, ...]:
    """The formats that a file may have, by its first bytes; none if it is surely a film.

    Most films are known at once: to try each format, Pillow loads all of its plugins.

    Raises:
        MissingDependencyError: it is HEIC, and pillow-heif is not installed.
        MediaUnreadableError: it is AVIF, and this Pillow cannot read it.
    """
    head = _head(path)
    formats = still_formats(head)
    if formats is None:
        is_film = head.startswith(_MATROSKA) or (head[4:8] == b"ftyp" and head[:3] == bytes(3))
        return () if is_film else _FORMATS
    if "AVIF" in formats:
        return _avif(path)
    _register_heic(path)
    return formats


def still_formats(head: bytes) -> tuple[str, ...] | None:
    """The format of an AVIF or HEIC picture by its first bytes; None for anything else.

    They look like films, and would be read as such in part: one tile, without its orientation.
    """
    if head[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    if brands[0] in _AVIF_BRANDS or (brands[0] in _HEIC_BRANDS and set(brands) & set(_AVIF_BRANDS)):
        return ("AVIF",)
    return ("HEIF",) if brands[0] in _HEIC_BRANDS else None


def _avif(path: Path) -> tuple[str, ...]:
    from PIL import features  # noqa: PLC0415 - rarely needed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a name that an older Pillow does not know
        known = "avif" in features.modules and features.check("avif")
    if not known:
        raise unreadable(path, "it is an AVIF picture, which needs Pillow 11.3 or later")
    Image.init()
    return ("AVIF",)


def _register_heic(path: Path) -> None:
    try:
        _heif_opener()
    except ImportError:
        purpose = f"cannot read {path}: a HEIC picture"
        raise MissingDependencyError.of("pillow-heif", "heic", purpose) from None


@functools.cache
def _heif_opener() -> None:
    importlib.import_module("pillow_heif").register_heif_opener()


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 (upright) if there is none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except PILLOW_ERRORS:
        return 1
