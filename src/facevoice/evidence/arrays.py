"""Check pictures and sound in memory: shapes, types, and units of time.

Numbers without a unit are easily given in another one. What no recording in seconds can hold is
refused with the unit that is expected.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.evidence.plan import SLOWEST_SAMPLING_HZ
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.types import Float64Array, Frame, UInt8Array, Waveform, require
from facevoice.types.checks import describe

_CLOSEST_SECONDS: Final = 0.001  # typical distance of pictures; below it, times are in minutes
_WIDEST_SECONDS: Final = 10.0  # typical distance; above it, times are in milliseconds
_LONGEST_GAP_SECONDS: Final = 300.0
_TOO_LONG: Final = 8.0  # pictures last so many times longer than the sound: times are numbers
_APART_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Arrays:
    """Checked pictures and sound.

    frames: with increasing times. waveform: at 16 kHz, from time 0; None: no sound.
    rate_hz: how often the pictures are sampled; infinite: each once.
    """

    frames: Sequence[Frame]
    waveform: Waveform | None
    rate_hz: float


def checked_arrays(
    frames: Sequence[UInt8Array] | UInt8Array | None,
    times_seconds: Sequence[float] | Float64Array | None,
    audio: NDArray[Any] | None,
    rate_hz: int | None,
) -> Arrays:
    """Check what ``EvidenceReader.of_arrays`` takes.

    Raises:
        InvalidInputError: a wrong shape, type, order or unit, or neither frames nor audio.
    """
    require(
        frames is None or isinstance(frames, Iterable),
        f"frames must be (T, H, W, 3) or a sequence of pictures, got {type(frames).__name__}",
    )
    images = [] if frames is None else list(frames)
    require(
        np.ndim(frames) != 3 if isinstance(frames, np.ndarray) else True,
        "frames must be (T, H, W, 3): for a single picture give frames[None] and one time",
    )
    times = _times(times_seconds)
    require(
        len(images) == len(times),
        f"{len(images)} frames but {len(times)} times: give one time per frame",
    )
    if audio is not None and rate_hz is None:
        raise InvalidInputError("audio was given without rate_hz, its samples per second")
    if not images and audio is None:
        raise InvalidInputError("neither frames nor audio: there is nothing to score")
    waveform = None
    if audio is not None and rate_hz is not None:
        waveform = media.waveform_of(audio, rate_hz, SPEECH_RATE_HZ)
        _check_together(times, waveform)
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    hz = max(SLOWEST_SAMPLING_HZ, 1 / spacing) if spacing > 0 else math.inf
    pictures = map(_picture, images)
    stills = [Frame(image, time) for image, time in zip(pictures, times, strict=True)]
    return Arrays(stills, waveform, hz)


def _picture(image: Any) -> UInt8Array:
    array = np.asarray(image)
    require(
        array.dtype == np.uint8,
        f"frames must be (H, W, 3) uint8 RGB, from 0 to 255, got {describe(array)}: multiply values"
        " from 0 to 1 by 255 before converting them",
    )
    return array


def _times(times_seconds: Sequence[float] | Float64Array | None) -> list[float]:
    if times_seconds is None:
        return []
    try:
        given = np.asarray(times_seconds)
    except ValueError as error:  # nested lists of different lengths
        raise InvalidInputError(f"times_seconds must be numbers of seconds: {error}") from error
    require(
        given.dtype.kind in "iuf" or not given.size,
        f"times_seconds must be numbers of seconds, got {given.dtype}",
    )
    times = given.astype(np.float64)
    require(times.ndim == 1, f"times_seconds must be (T,), got {times.shape}")
    gaps = np.diff(times)
    require(
        np.isfinite(times).all() and bool((gaps > 0).all()),
        "times_seconds must be finite and increase strictly",
    )
    if len(gaps):
        typical, longest = float(np.median(gaps)), float(gaps.max())
        near = _CLOSEST_SECONDS <= typical <= _WIDEST_SECONDS and longest <= _LONGEST_GAP_SECONDS
        require(
            near,
            f"times_seconds are {typical:g} s apart, at most {longest:g} s: they must be in seconds"
            f" (from {_CLOSEST_SECONDS:g} to {_WIDEST_SECONDS:g} s apart as a rule), not in"
            " milliseconds or minutes",
        )
    return [float(time) for time in times]


def _check_together(times: Sequence[float], waveform: Waveform) -> None:
    """Check that pictures and sound can be of one recording: the sound starts at 0."""
    if not times or not len(waveform.samples):
        return
    length, sound = times[-1] - times[0], waveform.duration_seconds
    require(
        length <= max(_APART_SECONDS, _TOO_LONG * sound),
        f"the pictures last {length:g} s but the sound {sound:g} s: times_seconds must be in"
        " seconds, not in milliseconds or numbers of pictures",
    )
    require(
        times[0] <= sound + _APART_SECONDS and times[-1] >= -_APART_SECONDS,
        f"the pictures begin at {times[0]:g} s, but the sound lasts from 0 to {sound:g} s: give"
        " both on one clock",
    )
