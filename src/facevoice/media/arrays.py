"""Sound that is in memory already -> a waveform at the rate wanted."""

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.types import Float32Array, Waveform


def waveform_of(audio: NDArray[Any], rate_hz: int, wanted_hz: int) -> Waveform:
    """Mix down and resample an array of sound; its first sample is at 0 s.

    audio: (N,) or (N, channels); float in [-1, 1], or a signed integer type over its full range.
    rate_hz: its samples per second; wanted_hz: the result's.

    Raises:
        InvalidInputError: another shape or dtype, NaN or infinity, or a rate below 1 Hz.
    """
    array = np.asarray(audio)
    if array.ndim not in {1, 2} or (array.ndim == 2 and array.shape[1] > array.shape[0] > 0):
        raise InvalidInputError(
            f"audio must be (N,) or (N, channels), got {array.shape}: transpose it?"
        )
    if rate_hz < 1:
        raise InvalidInputError(f"rate_hz must be at least 1, got {rate_hz}")
    if np.issubdtype(array.dtype, np.signedinteger):
        samples = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    elif np.issubdtype(array.dtype, np.floating):
        samples = array.astype(np.float32)
    else:
        raise InvalidInputError(f"audio must be float or signed integer, got {array.dtype}")
    mono: Float32Array = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise InvalidInputError("audio holds NaN or infinity: replace them by zeros")
    if rate_hz != wanted_hz and len(mono):
        mono = np.asarray(soxr.resample(mono, rate_hz, wanted_hz), np.float32)
    return Waveform(mono, wanted_hz)
