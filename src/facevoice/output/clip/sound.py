"""The outline of a clip's sound: an envelope of fixed length and, if it is short, a spectrogram."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from facevoice import media
from facevoice.speech import SPEECH_RATE_HZ, SpectrogramSettings, log_spectrogram
from facevoice.types import Float32Array, Waveform

COLUMNS: Final = 600
SPECTROGRAM_SECONDS: Final = 10.0
"""A longer clip gets no spectrogram: its columns would be too narrow to show anything."""
_WINDOW_SECONDS: Final = 20.0
_PICTURE_SIZE: Final = (640, 128)
_LEVELS: Final = 31


@dataclass(frozen=True, slots=True, repr=False)
class Spectrogram:
    """png: grey, dark is loud, low frequencies at the bottom."""

    png: bytes
    start_seconds: float
    stop_seconds: float
    top_hz: float


@dataclass(frozen=True, slots=True, repr=False)
class Sound:
    """Outline of the sound in [start_seconds, stop_seconds).

    low, high: (C,) float32, the smallest and largest sample of each column, C <= 600; 0 where the
        file holds no sound.
    """

    start_seconds: float
    stop_seconds: float
    low: Float32Array
    high: Float32Array
    spectrogram: Spectrogram | None

    @property
    def peak(self) -> float:
        """Largest magnitude."""
        return float(max(np.max(self.high, initial=0.0), -np.min(self.low, initial=0.0)))


def read_sound(
    path: Path, start_seconds: float, stop_seconds: float, audio_track: int | None = None
) -> Sound:
    """Read a span of a file's sound window by window; audio_track: None, the main one.

    Raises:
        FacevoiceError: as ``media.iter_waveform``.
    """
    length = stop_seconds - start_seconds
    columns = int(np.clip(length * SPEECH_RATE_HZ // 2, 1, COLUMNS))
    low, high = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
    picture = None
    for waveform in media.iter_waveform(
        path,
        rate_hz=SPEECH_RATE_HZ,
        window_seconds=_WINDOW_SECONDS,
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        audio_track=audio_track,
    ):
        _outline(waveform, start_seconds, length / columns, low, high)
        if length <= SPECTROGRAM_SECONDS:  # then there is one window
            picture = spectrogram(waveform)
    return Sound(start_seconds, stop_seconds, low, high, picture)


def _outline(
    waveform: Waveform, start: float, column_seconds: float, low: Float32Array, high: Float32Array
) -> None:
    """Enter the extremes of a waveform's columns into ``low`` and ``high``, in place."""
    if len(waveform.samples) == 0:
        return
    times = waveform.start_seconds - start + np.arange(len(waveform.samples)) / waveform.rate_hz
    column = np.clip((times / column_seconds).astype(np.intp), 0, len(low) - 1)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    which = column[first]
    low[which] = np.minimum(low[which], np.minimum.reduceat(waveform.samples, first))
    high[which] = np.maximum(high[which], np.maximum.reduceat(waveform.samples, first))


def spectrogram(waveform: Waveform) -> Spectrogram | None:
    """Draw a waveform at 16 kHz as a small grey picture; None if it is empty or silent."""
    settings = SpectrogramSettings()
    levels = log_spectrogram(waveform, settings)
    if levels.size == 0 or not levels.any():
        return None
    grey = np.rint(255 * (1 - levels[::-1] ** 1.5)).astype(np.uint8)
    width, height = _PICTURE_SIZE
    small = Image.fromarray(grey).resize((min(width, grey.shape[1]), height), Image.Resampling.BOX)
    coarse = np.rint(np.asarray(small, np.float32) * (_LEVELS / 255)) * (255 / _LEVELS)
    stream = io.BytesIO()
    Image.fromarray(coarse.astype(np.uint8)).save(stream, "PNG", optimize=True)
    return Spectrogram(
        stream.getvalue(), waveform.start_seconds, waveform.stop_seconds, settings.high_hz
    )
