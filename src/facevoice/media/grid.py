"""Resamples sound onto a fixed grid: sample n is at n / rate seconds."""

import math
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import soxr

from facevoice.media.container import sound_stream
from facevoice.media.decoding import NoStreamError, decoded
from facevoice.media.mixing import Downmix
from facevoice.media.stills import still_size
from facevoice.types import Damaged, Float32Array, ignored

_TOLERANCE: Final = 0.015  # seconds; above the jitter of stamps, below the 20 ms of a lost packet


class Piece(NamedTuple):
    """Samples (N,), the first at ``position / rate`` seconds."""

    position: int
    samples: Float32Array

    @property
    def stop(self) -> int:
        """Position after the last sample."""
        return self.position + len(self.samples)

    def cut(self, low: float, high: float) -> "Piece":
        """The part in [low, high)."""
        if low <= self.position and self.stop <= high:
            return self
        first = int(min(max(low, self.position), self.stop)) - self.position
        last = int(max(min(high, self.stop) - self.position, first))
        return Piece(self.position + first, self.samples[first:last])


def pieces_of(
    path: Path,
    rate: int,
    start: float | None,
    stop: float | None,
    track: int | None = None,
    damaged: Damaged = ignored,
) -> Generator[Piece, None, None]:
    """The sound of a span in order, as pieces that neither overlap nor leave the span.

    track: see ``sound_stream``.
    """
    if still_size(path) is not None:
        raise NoStreamError(str(path))
    grid, downmix = SoundGrid(rate, start, stop), Downmix(str(path))
    pick = partial(sound_stream, track=track)
    with closing(decoded(path, pick, start, damaged)) as frames:
        for time, frame, *_ in frames:
            sound = downmix.mono(frame)
            if sound is not None:
                yield from grid.push(time, sound, frame.sample_rate)
            if grid.full:
                return
    yield from grid.flush()


class SoundGrid:
    """Resamples mono sound of any rate, as it arrives, onto the grid n / rate.

    start, stop: span in seconds outside of which nothing is returned; None: unbounded.
    """

    def __init__(self, rate_hz: int, start: float | None = None, stop: float | None = None) -> None:
        self._rate = rate_hz
        self._low = -math.inf if start is None else round(start * rate_hz)
        self._high = math.inf if stop is None else round(stop * rate_hz)
        self._run: _ContinuousRun | None = None
        self.full = False
        """Whether the sound has reached the end of the span, so that nothing more will follow."""

    def push(self, time: float, samples: Float32Array, native_hz: int) -> list[Piece]:
        """Add (N,) samples, the first at ``time``; return what is ready, without overlap."""
        ended = []
        if self._run is None or not self._run.continues(time, native_hz):
            ended = self.flush()
            self._run = _ContinuousRun(time, native_hz, self._rate)
        return ended + self._inside(self._run.push(samples))

    def flush(self) -> list[Piece]:
        """End the current run of sound and return the rest of it."""
        run, self._run = self._run, None
        return [] if run is None else self._inside(run.flush())

    def _inside(self, piece: Piece) -> list[Piece]:
        """The part of a piece that is new and in the span, if any."""
        self.full |= piece.position >= self._high
        part = piece.cut(self._low, self._high)
        if not len(part.samples):
            return []
        self._low = part.stop
        return [part]


class _ContinuousRun:
    """Sound without a gap, resampled as one stream onto the grid n / rate.

    Zeros before the sound, up to one common period of both rates, let the resampler's input start
    at a multiple of that period: samples then fall on the grid exactly, wherever decoding starts.
    """

    def __init__(self, start_seconds: float, native_hz: int, rate_hz: int) -> None:
        common = math.gcd(native_hz, rate_hz)
        self._up, self._down = rate_hz // common, native_hz // common
        self._native_hz = native_hz
        first = round(start_seconds * native_hz)
        lead = first % self._down
        self._fed = first
        self._first_index = self._ceil(first)
        self._resampler: soxr.ResampleStream | None = None
        if native_hz != rate_hz:
            self._resampler = soxr.ResampleStream(native_hz, rate_hz, 1, dtype="float32")
        self._lead = np.zeros(lead, np.float32)
        self.next_index = (first - lead) // self._down * self._up

    def _ceil(self, native_index: int) -> int:
        return -(-native_index * self._up // self._down)

    def continues(self, time: float, native_hz: int) -> bool:
        """Whether sound at ``time`` follows without a noticeable gap or overlap."""
        off = abs(time - self._fed / self._native_hz)
        return native_hz == self._native_hz and off <= _TOLERANCE

    def push(self, samples: Float32Array) -> Piece:
        """Add (N,) native samples; return what the resampler has ready."""
        self._fed += len(samples)
        if len(self._lead):
            samples = np.concatenate((self._lead, samples))
            self._lead = self._lead[:0]
        return self._resampled(samples, last=False)

    def flush(self) -> Piece:
        """End the run; return the rest."""
        piece = self._resampled(np.zeros(0, np.float32), last=True)
        return piece.cut(self._first_index, self._ceil(self._fed))

    def _resampled(self, samples: Float32Array, *, last: bool) -> Piece:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        piece = Piece(self.next_index, samples)
        self.next_index += len(samples)
        return piece.cut(self._first_index, math.inf)
