"""Takes out of sound what nobody hears: a constant offset, rumble, wind.

Nothing of a voice lies below its fundamental, about 80 Hz at the lowest. What lies there moves
levels, noise estimates and features all the same: the offset of a sound card changed verdicts.
"""

from functools import cache
from typing import Final

import numpy as np

from facevoice.types import Float32Array, Float64Array, Waveform

EDGE_SECONDS: Final = 0.042
"""How far from either end of the sound a rest of rumble may remain: half the filter's length."""

_STOPPED_HZ: Final = 20.0
_KEPT_HZ: Final = 80.0
_DESIGN_DB: Final = 80.0
_BLOCK: Final = 8192  # samples that are transformed at once


def high_pass(waveform: Waveform) -> Waveform:
    """Keep 80 Hz and up as they are, and take out 20 Hz and below (by 70 dB).

    A windowed sinc (Kaiser's window) of 84 ms, symmetric, so that nothing is delayed. At its ends,
    the sound is continued by its own point reflection: an offset does not click there, and of
    rumble less than a tenth remains.

    Args:
        waveform: sound of any rate above 160 Hz and of any length.

    Returns:
        Sound of the same length, rate and start.
    """
    samples, taps = waveform.samples, _low_pass(waveform.rate_hz)
    if len(samples) == 0:
        return waveform
    extended = np.pad(samples, len(taps) // 2, mode="reflect", reflect_type="odd")
    kept = samples - _convolved(extended, taps)
    return Waveform(kept.astype(np.float32), waveform.rate_hz, waveform.start_seconds)


def _convolved(samples: Float32Array, taps: Float64Array) -> Float64Array:
    """Convolve (N + 2 R,) with (2 R + 1,) to (N,): overlap-save, in blocks."""
    around = len(taps) - 1
    count = len(samples) - around
    step = _BLOCK - around
    blocks = -(-count // step)
    padded = np.zeros(blocks * step + around)
    padded[: len(samples)] = samples
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK)[::step]
    spectra = np.fft.rfft(pieces, axis=1) * np.fft.rfft(taps, _BLOCK)
    whole = np.fft.irfft(spectra, _BLOCK, axis=1)[:, around:]
    return whole.reshape(-1)[:count]


@cache
def _low_pass(rate_hz: int) -> Float64Array:
    """The filter that is subtracted: (2 R + 1,), sum 1; length and window by Kaiser's formulas."""
    width = 2 * np.pi * (_KEPT_HZ - _STOPPED_HZ) / rate_hz
    reach = int(np.ceil((_DESIGN_DB - 7.95) / (2.285 * width) / 2))
    places = np.arange(-reach, reach + 1)
    middle = (_KEPT_HZ + _STOPPED_HZ) / rate_hz  # twice the frequency, as a share of the rate
    taps = np.sinc(middle * places) * np.kaiser(2 * reach + 1, 0.1102 * (_DESIGN_DB - 8.7))
    result: Float64Array = taps / taps.sum()
    result.flags.writeable = False
    return result
