"""Suffixes of the media files that are taken by their names."""

from typing import Final

_VIDEO: Final = (
    "3g2 3gp asf avi dv f4v flv m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
)
_SOUND: Final = "aac ac3 aif aiff amr au caf flac m4a mka mp2 mp3 oga ogg opus wav wma"
_PICTURE: Final = "avif bmp gif heic heif jfif jpeg jpg png tif tiff webp"

VIDEO_SUFFIXES: Final = frozenset(f".{name}" for name in _VIDEO.split())
SOUND_SUFFIXES: Final = frozenset(f".{name}" for name in _SOUND.split())
PICTURE_SUFFIXES: Final = frozenset(f".{name}" for name in _PICTURE.split())
MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | SOUND_SUFFIXES | PICTURE_SUFFIXES
