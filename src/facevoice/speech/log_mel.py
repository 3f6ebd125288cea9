"""The log-mel picture that Whisper's encoder reads, in plain numpy.

Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision*: 80 bands on Slaney's
mel scale, 25 ms windows every 10 ms, the common logarithm, a floor eight decades below the loudest
point. The waveform is first brought to zero mean and unit variance, as smart-turn does, so the
picture does not depend on the gain.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from facevoice.speech.spectrogram import multiply_banded, stft_magnitude
from facevoice.speech.voice import SPEECH_RATE_HZ, require_speech_rate
from facevoice.types import Float32Array, Float64Array, Waveform

LOG_MEL_BANDS: Final = 80
LOG_MEL_HOP: Final = 160
"""Samples from one column to the next: 10 ms."""

_WINDOW: Final = 400  # samples: 25 ms
_FLOOR: Final = np.float32(1e-10)  # of the power in a band
_DECADES: Final = np.float32(8)
_SMALLEST_VARIANCE: Final = np.float32(1e-7)


def log_mel(waveform: Waveform) -> Float32Array:
    """Log-mel picture of speech at 16 kHz.

    Returns:
        (80, T) float32, about -1 to 1.5, T = N // 160; row 0 is the lowest band.

    Raises:
        InvalidInputError: if the sound is not at 16 kHz.
    """
    require_speech_rate(waveform)
    samples = waveform.samples
    columns = len(samples) // LOG_MEL_HOP
    if columns == 0:
        return np.zeros((LOG_MEL_BANDS, 0), np.float32)
    level = (samples - samples.mean()) / np.sqrt(samples.var() + _SMALLEST_VARIANCE)
    power = np.square(stft_magnitude(level, _WINDOW, hop=LOG_MEL_HOP)[:, :columns])
    decades = np.log10(np.maximum(multiply_banded(_filters(), power), _FLOOR))
    picture: Float32Array = (np.maximum(decades, decades.max() - _DECADES) + 4) / 4
    return picture


@lru_cache(maxsize=1)
def _filters() -> Float32Array:
    """(80, 201) float32: triangles of equal area, corners evenly spaced on Slaney's mel scale."""
    nyquist = SPEECH_RATE_HZ / 2
    bins = np.linspace(0, nyquist, _WINDOW // 2 + 1)
    corners = _slaney_hz(np.linspace(0, _slaney_mel(nyquist), LOG_MEL_BANDS + 2))
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.minimum((bins - left) / (peak - left), (right - bins) / (right - peak))
    filters: Float32Array = (np.maximum(0, triangles) * 2 / (right - left)).astype(np.float32)
    filters.flags.writeable = False
    return filters


def _slaney_mel(hz: float) -> float:
    """Pitch in mel for 1 kHz and above: 15 at 1 kHz, then 27 steps for each factor of 6.4."""
    return float(15 + 27 * np.log(hz / 1000) / np.log(6.4))


def _slaney_hz(mel: Float64Array) -> Float64Array:
    """Frequency of a pitch: linear up to 1 kHz (15 mel), logarithmic above."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
