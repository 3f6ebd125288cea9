"""Files in, pictures and sound out: the only package that imports ``av`` and ``soxr``.

Time is the container's presentation time in seconds, taken literally (``pts * time_base``): nothing
is shifted to zero, so pictures and sound of one file share one clock. Everything that reads a
stream is a generator that holds a few frames at a time, whatever the length of the file.
"""

from facevoice.media.arrays import waveform_of
from facevoice.media.arrival import Arrival, Opened, Wanted
from facevoice.media.frames import iter_frames
from facevoice.media.grid import SoundGrid
from facevoice.media.live import LiveInput
from facevoice.media.looks import Look, iter_looks, looks_of
from facevoice.media.probe import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    MEDIA_SUFFIXES,
    VIDEO_SUFFIXES,
    MediaInfo,
    find_media,
    probe,
)
from facevoice.media.sound import iter_waveform, read_waveform
from facevoice.media.source import Opening, Source, opening

__all__ = [
    "AUDIO_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MEDIA_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Arrival",
    "LiveInput",
    "Look",
    "MediaInfo",
    "Opened",
    "Opening",
    "SoundGrid",
    "Source",
    "Wanted",
    "find_media",
    "iter_frames",
    "iter_looks",
    "iter_waveform",
    "looks_of",
    "opening",
    "probe",
    "read_waveform",
    "waveform_of",
]
