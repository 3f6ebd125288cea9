"""Our own utterance-level features: statistics of spectrum, loudness and pitch over the speech.

They are of the same kind as openSMILE's sets (Schuller et al., *The INTERSPEECH 2009 Emotion
Challenge*), without its licence: low-level descriptors every 20 ms, their changes, and statistics
of both over the audible stretch. They do not depend on the gain.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from facevoice.speech.spectrogram import (
    SpectrogramSettings,
    band_filters,
    hann_window,
    multiply_banded,
    stft_magnitude,
)
from facevoice.types import Float32Array, Waveform

_RATE_HZ: Final = 16_000
_N_FFT: Final = 1024
_WINDOW: Final = 640  # samples: 40 ms, three periods of 75 Hz
_HOP: Final = 320  # samples: 20 ms
_BANDS: Final = 64
_RANGE_DB: Final = 60.0  # levels further below the loudest point count as equal
_SHOWN: Final = 32  # pairs of bands
_CEPSTRUM: Final = 20
_LOW_BANDS: Final = 25  # up to about 1 kHz, where harmonics are separated
_HEARD: Final = 0.05  # mean level, of 1, above which sound is audible
_LOUD: Final = 0.3
_SHORTEST: Final = 8  # descriptors; shorter stretches are not trimmed
_LOWEST_HZ, _HIGHEST_HZ = 70.0, 500.0
_VOICED: Final = 0.45  # autocorrelation at the period of the pitch
_OCTAVE_COST: Final = 0.02
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_PLAIN_NAMES: Final = (
    *("level", "harmonic", "strongest", "centroid", "growth", "ripple", "peak", "tilt"),
)
_PLAIN: Final = len(_PLAIN_NAMES)
_PITCH: Final = 3
_STATISTICS: Final = 4 + len(_QUANTILES)
_CHANGING: Final = _CEPSTRUM + _PLAIN + _PITCH
VERSION: Final = "1"
"""Changes whenever the values do; cached features of another version are computed again."""
FEATURES: Final = (_SHOWN + 2 * _CHANGING) * _STATISTICS + _STATISTICS + 6
"""Number of features."""


def prosody(waveform: Waveform) -> Float32Array:
    """Features of speech at 16 kHz: (FEATURES,) float32; zeros for an empty sound.

    In order: statistics (mean, deviation, skewness, slope over time, quantiles 5, 25, 50, 75 and
    95 %) of each descriptor, then of the change of each descriptor except the bands; the same
    statistics of the pitch where there is one; seconds, the share that is loud, how often it turns
    loud or quiet, the share with a pitch, and the mean rise and fall of the pitch. Descriptors: 32
    mel bands, 20 cepstral coefficients, mean level, strongest harmonic (soft and hard), centroid,
    growth, ripple, peak, tilt, pitch in semitones, periodicity, and whether it is voiced.
    """
    samples = waveform.samples
    if not len(samples):
        return np.zeros(FEATURES, np.float32)
    magnitude = stft_magnitude(samples, _N_FFT, _WINDOW, _HOP)
    levels, power = _levels(magnitude), np.square(magnitude)
    heard = np.flatnonzero(levels.mean(axis=0) > _HEARD)
    if len(heard) >= _SHORTEST:
        inside = slice(heard[0], heard[-1] + 1)
        levels, power = levels[:, inside], power[:, inside]
    pitch, strength = _pitch(power)
    level = levels.mean(axis=0)
    voiced = (strength > _VOICED) & (level > _HEARD)
    following = np.stack([np.where(voiced, pitch, 0.0), strength, voiced])
    # einsum instead of @: BLAS would start its own threads, in addition to those of a timeline
    cepstrum = np.einsum("cb,bt->ct", _cepstrum(), levels)
    changing = np.concatenate([cepstrum, _plain(levels), following])
    bands = levels.reshape(_SHOWN, -1, levels.shape[1]).mean(axis=1)
    steps = np.gradient(changing, axis=1) if levels.shape[1] > 1 else np.zeros_like(changing)
    sung = pitch[voiced] if voiced.any() else np.zeros(1, np.float32)
    moves = np.diff(sung) if len(sung) > 1 else np.zeros(1)
    loud = level > _LOUD
    whole = [
        levels.shape[1] * _HOP / _RATE_HZ,
        loud.mean(),
        np.abs(np.diff(loud.astype(np.int8))).sum() / len(loud),
        voiced.mean(),
        np.maximum(moves, 0).mean(),
        np.minimum(moves, 0).mean(),
    ]
    tables = [_statistics(np.concatenate([bands, changing, steps])), _statistics(sung[None])]
    values: Float32Array = np.nan_to_num(np.concatenate([*tables, whole])).astype(np.float32)
    return values


def prosody_names() -> tuple[str, ...]:
    """Names of the features in order: descriptor_statistic."""
    bands = [f"band{number + 1}" for number in range(_SHOWN)]
    changing = [f"cepstrum{number + 1}" for number in range(_CEPSTRUM)]
    changing += [*_PLAIN_NAMES, "followed_pitch", "periodicity", "voice"]
    rows = [*bands, *changing, *(f"{name}_change" for name in changing), "pitch"]
    statistics = ["mean", "deviation", "skewness", "slope"]
    statistics += [f"q{round(100 * share):02}" for share in _QUANTILES]
    table = [f"{row}_{statistic}" for row in rows for statistic in statistics]
    return (*table, "seconds", "loud_share", "loud_turns", "pitch_share", "rise", "fall")


def _levels(magnitude: Float32Array) -> Float32Array:
    """(_BANDS, T) mel levels: 1 at the loudest point, 0 at _RANGE_DB below it or lower."""
    power = multiply_banded(_filters(), np.square(magnitude))
    loudest = float(power.max(initial=0.0))
    if loudest <= 0:
        return np.zeros_like(power)
    relative = np.maximum(power / np.float32(loudest), np.float32(10 ** (-_RANGE_DB / 10)))
    levels: Float32Array = 1 + 10 * np.log10(relative) / np.float32(_RANGE_DB)
    return levels


def _plain(levels: Float32Array) -> Float32Array:
    """(8, T): level, strongest harmonic (soft and hard), centroid, growth, ripple, peak, tilt."""
    low = levels[1 : 1 + _LOW_BANDS]
    weight = np.exp(8 * low)
    places = np.arange(_LOW_BANDS, dtype=np.float32)[:, None]
    bands = np.arange(_BANDS, dtype=np.float32)[:, None]
    growth = np.maximum(np.diff(levels, axis=1, prepend=levels[:, :1]), 0)
    plain: Float32Array = np.stack(
        [
            levels.mean(axis=0),
            (weight * places).sum(axis=0) / weight.sum(axis=0),
            low.argmax(axis=0).astype(np.float32),
            (levels * bands).sum(axis=0) / (levels.sum(axis=0) + np.float32(1e-3)),
            growth.mean(axis=0),
            np.abs(np.diff(levels[:24], axis=0)).mean(axis=0),
            levels.max(axis=0),
            levels[:10].mean(axis=0) - levels[30:].mean(axis=0),
        ]
    )
    return plain


def _pitch(power: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Pitch in semitones above 55 Hz, and periodicity from 0 to 1: two arrays (T,).

    The maximum, between 70 and 500 Hz, of the autocorrelation divided by that of the window, with a
    small penalty per octave down, since two periods are as similar as one (Boersma, *Accurate
    short-term analysis of the fundamental frequency*, 1993, eq. 9 and 24).
    """
    first, last = int(_RATE_HZ / _HIGHEST_HZ), int(_RATE_HZ / _LOWEST_HZ)
    correlation = np.fft.irfft(power, axis=0)[: last + 1]
    relative = correlation / np.maximum(correlation[:1], np.float32(1e-20))
    relative = relative / _window_autocorrelation()[: last + 1, None]
    octaves = np.log2(np.arange(first, last + 1, dtype=np.float32) / first)[:, None]
    lags = first + (relative[first:] - _OCTAVE_COST * octaves).argmax(axis=0)
    strength = np.clip(relative[lags, np.arange(power.shape[1])], 0, 1)
    semitones = 12 * np.log2(_RATE_HZ / lags / 55.0)
    return semitones.astype(np.float32), strength.astype(np.float32)


def _statistics(rows: Float32Array) -> Float32Array:
    """(R, T) -> (R * 9,): mean, deviation, skewness, slope over time, quantiles; row by row."""
    mean, deviation = rows.mean(axis=1), rows.std(axis=1)
    centred = rows - mean[:, None]
    skewness = ((centred / (deviation[:, None] + 1e-6)) ** 3).mean(axis=1)
    time = np.linspace(-1, 1, rows.shape[1]) if rows.shape[1] > 1 else np.zeros(1)
    slope = (centred * time).mean(axis=1) / max(float((time**2).mean()), 1e-6)
    quantiles = np.quantile(rows, _QUANTILES, axis=1)
    table: Float32Array = np.stack([mean, deviation, skewness, slope, *quantiles], axis=1)
    return table.reshape(-1)


@lru_cache(maxsize=1)
def _filters() -> Float32Array:
    settings = SpectrogramSettings(
        n_fft=_N_FFT,
        win_length=_WINDOW,
        hop=_HOP,
        scale="mel",
        low_hz=60.0,
        high_hz=7600.0,
        height=_BANDS,
    )
    return band_filters(settings)


@lru_cache(maxsize=1)
def _cepstrum() -> Float32Array:
    """(_CEPSTRUM, _BANDS) orthonormal cosine transform (type II) without its constant row."""
    order = np.arange(1, _CEPSTRUM + 1)[:, None]
    waves = np.cos(np.pi * order * (2 * np.arange(_BANDS) + 1) / (2 * _BANDS))
    transform: Float32Array = (waves * np.sqrt(2 / _BANDS)).astype(np.float32)
    return transform


@lru_cache(maxsize=1)
def _window_autocorrelation() -> Float32Array:
    """Autocorrelation of the window, 1 at lag 0."""
    power = np.abs(np.fft.rfft(hann_window(_WINDOW), _N_FFT)) ** 2
    correlation = np.fft.irfft(power)
    relative: Float32Array = (correlation / correlation[0]).astype(np.float32)
    return relative
