"""Reads sound as mono waveforms at any rate: whole, or window by window in constant memory."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from facevoice.media.checks import checked_input
from facevoice.media.container import first_instant, opened, picture_stream, sound_stream
from facevoice.media.decoding import NoStreamError
from facevoice.media.grid import Piece, pieces_of
from facevoice.media.mixing import Downmix, scaled_array
from facevoice.media.stills import still_size
from facevoice.types import Damaged, Float32Array, Waveform, ignored, is_finite, require

_LOWEST_HZ: Final = 1_000  # a voice needs more; so small a number is meant in kHz
_HIGHEST_HZ: Final = 1_000_000
_BLOCK_SECONDS: Final = 0.1


def waveform_of(audio: NDArray[Any], rate_hz: int, wanted_hz: int) -> Waveform:
    """Mix down and resample sound that is already in memory; its first sample is at 0 s.

    audio: (N,) or (N, channels); float in [-1, 1], or int8, int16, int32 or uint8 over the full
        range of the type. Where channels cancel each other, the strongest is heard alone.
    rate_hz: its samples per second, 1,000 to 1,000,000; wanted_hz: those of the result.

    Raises:
        InvalidInputError: another shape, type or rate, values beyond full scale, NaN or infinity.
    """
    array = np.asarray(audio)
    require(
        array.ndim in {1, 2} and (array.ndim != 2 or not array.shape[1] > array.shape[0] > 0),
        f"audio must be (N,) or (N, channels), got {array.shape}: transpose it?",
    )
    require(array.ndim == 1 or array.shape[1] > 0, "audio has no channel")
    rate = sound_rate(rate_hz)
    samples = scaled_array(array)
    mono = samples if samples.ndim == 1 else _mixed(samples, rate)
    if rate != wanted_hz and len(mono):
        mono = np.asarray(soxr.resample(mono, rate, wanted_hz), np.float32)
    return Waveform(mono, wanted_hz)


def sound_rate(rate_hz: Any) -> int:
    """The rate of sound in memory as a whole number.

    Raises:
        InvalidInputError: it is not a whole number from 1,000 to 1,000,000 Hz.
    """
    require(
        is_finite(rate_hz) and _LOWEST_HZ <= rate_hz <= _HIGHEST_HZ and float(rate_hz).is_integer(),
        f"rate_hz must be whole samples per second, from {_LOWEST_HZ} to {_HIGHEST_HZ}, got"
        f" {rate_hz!r}; 16 kHz is 16000",
    )
    return int(rate_hz)


def _mixed(samples: Float32Array, rate: int) -> Float32Array:
    """(N, C) -> (N,), block by block, as a file is mixed."""
    downmix, names = Downmix(), ("",) * samples.shape[1]
    step = max(1, round(rate * _BLOCK_SECONDS))
    blocks = [
        downmix.mix(samples[first : first + step].T, names, rate)
        for first in range(0, len(samples), step)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def iter_waveform(
    path: Path,
    *,
    rate_hz: int,
    window_seconds: float,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    origin_seconds: float | None = None,
    audio_track: int | None = None,
    damaged: Damaged = ignored,
) -> Generator[Waveform, None, None]:
    """Mono sound in consecutive windows [origin + k * window, origin + (k + 1) * window).

    Sample n of the stream is at n / rate seconds of presentation time, wherever decoding started,
    so the windows of one file join seamlessly; the bounds of a window are rounded to the nearest
    sample. A window without sound is not yielded, whether at the start, in a gap or at the end.
    In a window with sound, zeros fill the time before it and the gaps, so every window is full,
    except the last, which ends with the sound, and those that ``start_seconds`` and
    ``stop_seconds`` cut. A file without a sound stream gives no window.

    Channels are mixed down with the usual weights (centre 1, left and right 0.71, others 0.5, no
    low-frequency effects, normalised); where that cancels them, the strongest is heard alone (see
    ``Downmix``). Damaged packets become gaps.

    Arguments:
        path: the file.
        rate_hz: samples per second of the result, whatever the rate of the file.
        window_seconds: length of a window, at least one sample.
        start_seconds: start of the span to read; None: the first sample.
        stop_seconds: end of the half-open span to read; None: the last sample.
        origin_seconds: start of window 0; windows before it are numbered -1, -2, ... None:
            ``start_seconds``, or else the first instant of any stream (see ``probe``), so that
            sound and pictures are windowed alike.
        audio_track: number of the sound track, from 0; None: the main one.
        damaged: called with each damage before the next window.

    Raises:
        InvalidInputError: a rate or window that is not above 0, an empty span of time, or (by the
            first ``next``) no such track.
        MediaNotFoundError, MediaPermissionError: no file, or one that may not be read.
        MediaUnreadableError: nothing in the file or nothing of its sound decodes. Raised by the
            first ``next``; the other errors are raised at once.
    """
    _check_rate(rate_hz)
    require(
        math.isfinite(window_seconds) and window_seconds * rate_hz >= 1,
        f"window_seconds must hold at least one sample, got {window_seconds} at {rate_hz} Hz",
    )
    require(
        origin_seconds is None or math.isfinite(origin_seconds),
        f"origin_seconds must be finite, got {origin_seconds}",
    )
    path = checked_input(path, start_seconds, stop_seconds)
    origin = origin_seconds if origin_seconds is not None else start_seconds
    pieces = pieces_of(path, rate_hz, start_seconds, stop_seconds, audio_track, damaged)
    return _iter_waveform(path, pieces, rate_hz, window_seconds, start_seconds, origin)


def read_waveform(
    path: Path,
    *,
    rate_hz: int,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    audio_track: int | None = None,
) -> Waveform | None:
    """The mono sound of a span in one piece; None if the file has no sound stream.

    Starts with the first sample in the span (at ``start_seconds`` of the result) and ends with the
    last; gaps are filled with zeros. Empty if the span holds no sound. Holds the whole span in
    memory, 3.8 MB per minute at 16 kHz; for long files use ``iter_waveform``.

    audio_track: number of the sound track, from 0; None: the main one.

    Raises:
        InvalidInputError, MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as
            ``iter_waveform``.
    """
    _check_rate(rate_hz)
    path = checked_input(path, start_seconds, stop_seconds)
    try:
        pieces = list(pieces_of(path, rate_hz, start_seconds, stop_seconds, audio_track))
    except NoStreamError:
        return None
    if not pieces:
        return Waveform(np.zeros(0, np.float32), rate_hz, start_seconds or 0.0)
    first = pieces[0].position
    return Waveform(_joined(pieces, first, pieces[-1].stop), rate_hz, first / rate_hz)


def _check_rate(rate_hz: int) -> None:
    require(rate_hz >= 1, f"rate_hz must be at least 1, got {rate_hz}")


def _iter_waveform(
    path: Path,
    pieces: Generator[Piece, None, None],
    rate: int,
    window: float,
    start: float | None,
    origin: float | None,
) -> Generator[Waveform, None, None]:
    with closing(pieces), suppress(NoStreamError):
        if origin is None:
            origin = _first_instant(path)
        lowest = -math.inf if start is None else round(start * rate)
        for position, samples in _windows(pieces, rate, window, origin, lowest):
            yield Waveform(samples, rate, position / rate)


def _first_instant(path: Path) -> float:
    """Presentation time of the first instant of any stream, by the headers; 0 if unknown."""
    if still_size(path) is not None:
        raise NoStreamError(str(path))
    with opened(path) as container:
        return first_instant(picture_stream(container), sound_stream(container)) or 0.0


def _windows(
    pieces: Iterator[Piece], rate: int, window: float, origin: float, lowest: float
) -> Iterator[Piece]:
    """Cut pieces into windows that start at sample ``lowest`` or later, with zeros in the gaps."""

    def bound(number: int) -> int:
        return round((origin + number * window) * rate)

    first = stop = 0
    held: list[Piece] = []
    for piece in pieces:
        position = piece.position
        while position < piece.stop:
            if not held or position >= stop:
                if held:
                    yield Piece(first, _joined(held, first, stop))
                number = _window_of(position, rate, window, origin)
                first, stop, held = int(max(bound(number), lowest)), bound(number + 1), []
            held.append(piece.cut(position, stop))
            position = held[-1].stop
    if held:
        yield Piece(first, _joined(held, first, held[-1].stop))


def _window_of(index: int, rate: int, window: float, origin: float) -> int:
    """The number of the window that holds sample ``index``, with bounds rounded to samples."""
    number = math.floor((index / rate - origin) / window)
    while round((origin + (number + 1) * window) * rate) <= index:
        number += 1
    while round((origin + number * window) * rate) > index:
        number -= 1
    return number


def _joined(pieces: list[Piece], first: int, stop: int) -> Float32Array:
    """The samples [first, stop), zeros where no piece lies."""
    samples = np.zeros(stop - first, np.float32)
    for piece in pieces:
        samples[piece.position - first : piece.stop - first] = piece.samples
    return samples
