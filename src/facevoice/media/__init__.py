"""Reads files and live sources as pictures and sound; the only package to import av and soxr.

Times are presentation times in seconds on the container's clock (``pts * time_base``), where the
durations of frames support it; see ``clock.Clock``. Nothing is shifted to zero, so the pictures and
the sound of a file share one clock. Every reader
of a stream is a generator that holds a few frames at a time, however long the file is.
"""

from facevoice.media.browsers import browser_type
from facevoice.media.folders import FoundMedia, find_media, search_media
from facevoice.media.grid import SoundGrid
from facevoice.media.live import LiveInput
from facevoice.media.live_queue import Arrival, Opened, Wanted
from facevoice.media.pictures import iter_frames, iter_views, views_of
from facevoice.media.pixels import limit_pictures
from facevoice.media.probe import MediaInfo, measured_span, probe
from facevoice.media.sound import iter_waveform, read_waveform, waveform_of
from facevoice.media.source import Opening, Source, opening
from facevoice.media.stills import read_still
from facevoice.media.views import PAUSE_SECONDS, View

__all__ = [
    "PAUSE_SECONDS",
    "Arrival",
    "FoundMedia",
    "LiveInput",
    "MediaInfo",
    "Opened",
    "Opening",
    "SoundGrid",
    "Source",
    "View",
    "Wanted",
    "browser_type",
    "find_media",
    "iter_frames",
    "iter_views",
    "iter_waveform",
    "limit_pictures",
    "measured_span",
    "opening",
    "probe",
    "read_still",
    "read_waveform",
    "search_media",
    "views_of",
    "waveform_of",
]
