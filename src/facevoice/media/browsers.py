"""Which media files the usual browsers play, by container and codecs."""

from pathlib import Path
from typing import Final

from facevoice.errors import FacevoiceError
from facevoice.media.container import opened, picture_stream, sound_stream

_PICTURES: Final = {
    "mp4": {"h264", "av1", "libdav1d", "vp9"},
    "webm": {"vp8", "vp9", "av1", "libdav1d"},
}
_SOUNDS: Final = {
    "mp4": {"aac", "mp3", "mp3float", "opus", "libopus", "flac"},
    "webm": {"opus", "libopus", "vorbis"},
    "ogg": {"opus", "libopus", "vorbis", "flac"},
    "wav": {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"},
    "mpeg": {"mp3", "mp3float"},
    "flac": {"flac"},
    "aac": {"aac"},
}
"""Decoders by the second half of the media type. What only some browsers play (HEVC, ALAC, H.264 in
Matroska) is left out: https://developer.mozilla.org/docs/Web/Media/Guides/Formats."""
_FORMATS: Final = {"mov": "mp4", "matroska": "webm", "mp3": "mpeg"}
_SAMPLES: Final = {"yuv420p", "yuvj420p", "yuv420p10le"}


def browser_type(path: Path) -> str | None:
    """The media type under which browsers play a file, such as "video/mp4"; None: they do not.

    It is told by what the file holds, not by its suffix.
    """
    try:
        with opened(path) as container:
            name = container.format.name.partition(",")[0]
            kind = _FORMATS.get(name, name)
            picture, sound = picture_stream(container), sound_stream(container)
            codecs = [
                (None if stream is None else stream.codec_context.name, known.get(kind, set()))
                for stream, known in ((picture, _PICTURES), (sound, _SOUNDS))
            ]
            plain = picture is None or picture.codec_context.pix_fmt in _SAMPLES
    except FacevoiceError:
        return None
    if not plain or any(codec is not None and codec not in known for codec, known in codecs):
        return None
    return f"{'audio' if picture is None else 'video'}/{kind}"
