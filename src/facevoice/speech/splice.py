"""Cuts spans out of sound and joins them with cross-fades, which prevent clicks."""

from typing import Final

import numpy as np

from facevoice.types import Float32Array, Float64Array, Waveform

_FADE_SECONDS: Final = 0.01  # within the 30 ms of padding around a detected span


def cut(waveform: Waveform, spans: Float64Array) -> Waveform:
    """Keep only the spans, joined with equal-power cross-fades of 10 ms.

    Args:
        waveform: the whole sound.
        spans: (S, 2) presentation seconds, sorted and disjoint; parts beyond it are ignored.

    Returns:
        The joined pieces, starting at the time of the first; each joint shortens them by a fade.
    """
    bounds = np.rint((spans - waveform.start_seconds) * waveform.rate_hz).astype(np.int64)
    bounds = np.clip(bounds, 0, len(waveform.samples))
    joined = np.zeros(0, np.float32)
    for start, stop in bounds.tolist():
        joined = _join(joined, waveform.samples[start:stop], int(_FADE_SECONDS * waveform.rate_hz))
    first = bounds[0, 0] / waveform.rate_hz if len(bounds) else 0.0
    return Waveform(joined, waveform.rate_hz, waveform.start_seconds + float(first))


def times_of(spans: Float64Array, rate_hz: int) -> Float64Array:
    """Presentation seconds (N,) of the samples that ``cut`` makes of spans of the sound.

    Where two pieces overlap in a cross-fade, the times are those of the later one.
    """
    times = np.zeros(0)
    for start, stop in spans.tolist():
        length = round((stop - start) * rate_hz)
        overlap = min(int(_FADE_SECONDS * rate_hz), len(times), length)
        times = times[: len(times) - overlap]
        times = np.concatenate([times, start + np.arange(length) / rate_hz])
    return times


def _join(left: Float32Array, right: Float32Array, fade: int) -> Float32Array:
    overlap = min(fade, len(left), len(right))
    if overlap == 0:
        return np.concatenate([left, right])
    angle = (np.arange(overlap, dtype=np.float32) + np.float32(0.5)) * np.float32(
        np.pi / 2 / overlap
    )
    blend = left[-overlap:] * np.cos(angle) + right[:overlap] * np.sin(angle)
    return np.concatenate([left[:-overlap], blend, right[overlap:]])
