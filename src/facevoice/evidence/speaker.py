"""Whose voice is it: does a mouth move as the sound does?

Both are brought onto one clock of 15 Hz. Each of nine motions of the mouth (``mouths``) is
correlated with each of seven properties of the sound, plain and smoothed, the best of small lags
counting; a logistic sum of these 126 correlations and three levels says how well a mouth fits.
Its weights were fitted on pairs of faces and voices, right and wrong
(``benchmarks/attribute_speech.py``; what they learnt from stands in the model's file).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.errors import BundleError
from facevoice.types import Float32Array, Float64Array

MODEL: Final = Path(__file__).parent / "models" / "mouth_voice.json"
CLOCK_HZ: Final = 15

_SHORTEST_SECONDS: Final = 1.2  # of mouth and sound together, for a verdict
_LONGEST_GAP: Final = 0.4  # seconds between two motions over which they are interpolated
_SPECTRUM: Final = 800  # samples (50 ms at 16 kHz)
_RATE: Final = 16_000
_BANDS: Final = (80, 300, 800, 1500, 2500, 4000)  # Hz; edges
_FLOOR_DB: Final = 40.0  # below the loudest instant everything counts as equally quiet
_SMOOTHED: Final = 3  # instants
_LAG: Final = 2  # instants (0.13 s) that sound and picture may be apart
_TINY: Final = 1e-9
_QUIET_POWER: Final = 1e-5

Motions = tuple[Float64Array, Float64Array]
"""Times (T,) and motions (T, 9): what ``Mouths.motions`` gives."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who speaks: a person, or None if that is unknown; confidence 0 to 1."""

    person: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class MouthVoice:
    """The fitted model.

    weights, means, scales: (129,) of the features; bias.
    unknown: the fit that "somebody else" has; least: the share of the evidence that the best face
        needs for a verdict.
    alone: the fit that "somebody else" has while one face only is in sight: it must move its mouth,
        but need not outdo another one.
    """

    weights: Float64Array
    means: Float64Array
    scales: Float64Array
    bias: float
    unknown: float
    least: float
    alone: float

    @classmethod
    def load(cls, path: Path = MODEL) -> "MouthVoice":
        """Read the model that ships.

        Raises:
            BundleError: the file is missing or damaged.
        """
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                weights=np.array(card["weights"], np.float64),
                means=np.array(card["means"], np.float64),
                scales=np.array(card["scales"], np.float64),
                bias=float(card["bias"]),
                unknown=float(card["unknown"]),
                least=float(card["least"]),
                alone=float(card["alone"]),
            )
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"{path} cannot be read: {error}: install facevoice again") from error

    def fit(self, features: Float64Array) -> Float64Array:
        """How well mouths fit the sound: features (..., 129) -> logits (...)."""
        fits: Float64Array = (features - self.means) / self.scales @ self.weights + self.bias
        return fits

    def verdict(self, fits: Mapping[int, float], people_seen: int) -> Verdict:
        """Who speaks, of those whose mouths could be watched (by person) and of all others."""
        people = list(fits)
        nobody = self.alone if people_seen == 1 else self.unknown
        logits = np.array([*(fits[person] for person in people), nobody])
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        if not people:
            return Verdict(None, float(shares[-1]))
        best = int(np.argmax(shares[:-1]))
        if shares[best] < self.least:
            return Verdict(None, float(1 - shares[best]))
        return Verdict(people[best], float(shares[best]))


def features(motions: Motions, samples: Float32Array, start: float) -> Float64Array | None:
    """(129,) how a mouth's motions agree with sound at 16 kHz whose first sample is at ``start``.

    None if the mouth was not watched long enough.
    """
    times, values = motions
    if len(times) < 2:
        return None
    first = max(start, float(times[0]))
    last = min(start + len(samples) / _RATE, float(times[-1]))
    count = int((last - first) * CLOCK_HZ)
    if count < _SHORTEST_SECONDS * CLOCK_HZ or float(np.diff(times).max()) > _LONGEST_GAP:
        return None
    clock = first + (np.arange(count) + 0.5) / CLOCK_HZ
    seen = np.stack([np.interp(clock, times, column) for column in values.T])
    heard = _sound(samples, start, clock)
    correlations = np.concatenate(
        [
            _correlations(seen, heard),
            _correlations(_smooth(seen), _smooth(heard)),
        ]
    )
    return np.array([*correlations, seen[0].mean(), seen[0].std(), heard[0].std()])


def _sound(samples: Float32Array, start: float, clock: Float64Array) -> Float64Array:
    """(7, T) what the sound does at each instant.

    Decibels of all, of three bands; how much the bands grow; how much they change; loudness.
    """
    middle = np.rint((clock - start) * _RATE).astype(np.intp)
    padded = np.pad(samples, _SPECTRUM)
    places = middle[:, None] + np.arange(_SPECTRUM) + _SPECTRUM // 2
    pieces = padded[np.clip(places, 0, len(padded) - 1)] * np.hanning(_SPECTRUM)
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
    hertz = np.fft.rfftfreq(_SPECTRUM, 1 / _RATE)
    bands = [power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in _pairs()]
    levels = 10 * np.log10(np.stack([power.sum(axis=1), *bands]) + _QUIET_POWER)
    levels = np.maximum(levels, levels.max(axis=1, keepdims=True) - _FLOOR_DB)
    steps = np.diff(levels[1:], axis=1, prepend=levels[1:, :1])
    return np.stack(
        [
            levels[0],
            levels[2],
            levels[3],
            levels[5],
            np.maximum(steps, 0).sum(axis=0),
            np.abs(steps).sum(axis=0),
            10 ** (levels[0] / 30),
        ]
    )


def _pairs() -> list[tuple[int, int]]:
    return list(zip(_BANDS, (*_BANDS[1:], _RATE // 2), strict=True))


def _smooth(values: Float64Array) -> Float64Array:
    """Running means of three along the last axis; the edges are repeated."""
    padded = np.pad(values, ((0, 0), (_SMOOTHED // 2, _SMOOTHED // 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED, axis=1)
    means: Float64Array = windows.mean(axis=-1)
    return means


def _correlations(seen: Float64Array, heard: Float64Array) -> Float64Array:
    """(A * B,) the greatest correlation of each pair of rows over small lags: (A, T), (B, T)."""
    best = np.full((len(seen), len(heard)), -1.0)
    count = seen.shape[1]
    for lag in range(-_LAG, _LAG + 1):
        late = seen[:, max(0, lag) : count + min(0, lag)]
        early = heard[:, max(0, -lag) : count - max(0, lag)]
        best = np.maximum(best, _standard(late) @ _standard(early).T)
    return best.ravel()


def _standard(rows: Float64Array) -> Float64Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    standard: Float64Array = centred / (np.sqrt((centred**2).sum(axis=1, keepdims=True)) + _TINY)
    return standard
