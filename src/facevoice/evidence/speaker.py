"""Attribute speech to a person: whose mouth moves as the sound does?

Both are brought onto one clock of 15 Hz, at any frame rate. Each of nine motions of the mouth
(``mouths``) is correlated with each of seven properties of the sound, plain and smoothed, at
several small lags; a logistic model of these 126 correlations and three levels measures how well a
mouth fits, at the lag that fits best. Its weights were fitted on matching and mismatched pairs of
faces and voices (``benchmarks/attribute_speech.py``; the model's file names its training data).

Before any mouth is watched, who is in view while someone speaks is evidence itself: someone alone
in the picture most likely speaks, and someone who is in view for a third of the speech can hardly
have spoken all of it.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.errors import BundleError
from facevoice.evidence.mouths import CHANGES
from facevoice.types import Float32Array, Float64Array

MODEL: Final = Path(__file__).parent / "models" / "mouth_voice.json"
CLOCK_HZ: Final = 15

_SHORTEST_SECONDS: Final = 1.2  # of mouth and sound together that a verdict needs
_LONGEST_GAP: Final = 0.4  # seconds; across a longer gap motions are not interpolated
_SPECTRUM: Final = 800  # samples (50 ms at 16 kHz)
_RATE: Final = 16_000
_EDGES: Final = (80, 300, 800, 1500, 2500, 4000, _RATE // 2)  # Hz, of the bands
_FLOOR_DB: Final = 40.0  # below the loudest instant; quieter instants count as equally quiet
_SMOOTHED: Final = 3  # instants
_LAGS: Final = (-1, 0, 1)  # instants (0.07 s) by which sound and picture may be apart
_MOTION: Final = 126  # place of the mean change of the mouth's region among the features
_LEAST_MOTION: Final = -3.2  # of that logarithm: mouths that speak have -2.6 or more
_STILL_FIT: Final = -8.0  # as of the worst mouths that move
_SUREST: Final = 30.0  # of fits, so that their exponentials stay finite
_STILL: Final = 0.02  # added to changes in 1/15 s before the logarithm is taken
_TINY: Final = 1e-9
_QUIET_POWER: Final = 1e-5

Motions = tuple[Float64Array, Float64Array]
"""Times (T,) in seconds and motions (T, 9), as ``Mouths.motions`` returns them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The person who speaks, or None if unknown.

    confidence: the chance that this person speaks, or if unknown that no one in view does, 0 to 1.
    """

    person: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class MouthVoice:
    """The fitted model.

    weights, means, scales: (129,) of the features. bias: of the logit.
    unknown: the fit of "someone else" where several faces are in view.
    alone: the same where one face is alone in view: a prior, that a lone face speaks 99.7 % of
        what is heard (log-odds -5.9).
    least: the chance that the best face needs to be named.
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
        """Read a model, by default the one that ships.

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
        """How well mouths fit the sound: features (..., lags, 129) -> logits (...).

        A mouth that does not move at all, as in a still picture, fits nothing.
        """
        standard = (features - self.means) / self.scales
        logits = (standard @ self.weights + self.bias).max(axis=-1)
        still = features[..., 0, _MOTION] < _LEAST_MOTION
        return np.asarray(np.where(still, _STILL_FIT, logits), np.float64)

    def verdict(self, fits: Mapping[int, float], present: Sequence[Collection[int]]) -> Verdict:
        """Decide who speaks.

        fits: by person, of those whose mouths could be watched.
        present: who is in view at each sampled instant of the speech. Someone whose mouth could not
            be watched is named only if no one else is in view at any of these instants.
        """
        chances = {person: 0.0 for instant in present for person in instant}
        for instant in present:
            rest = math.exp(self.alone if len(instant) == 1 else self.unknown)
            for person in instant:
                chances[person] += 1 / (len(instant) + rest) / len(present)
        someone_else = 1 - sum(chances.values())
        lonely = all(len(instant) <= 1 for instant in present)
        odds = {
            person: chance * math.exp(np.clip(fits.get(person, 0.0), -_SUREST, _SUREST))
            for person, chance in chances.items()
        }
        total = sum(odds.values()) + someone_else
        named = {who: each / total for who, each in odds.items() if lonely or who in fits}
        best = max(named, key=lambda who: named[who], default=None)
        if best is None or named[best] < self.least:
            return Verdict(None, min(1.0, someone_else / total))
        return Verdict(best, named[best])


def features(motions: Motions, samples: Float32Array, start: float) -> Float64Array | None:
    """How a mouth's motions agree with sound at 16 kHz that starts at ``start`` seconds.

    Returns (3, 129): at each lag the correlations and the levels;
    None if the mouth was not watched for long enough.
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
    seen = _seen(times, values, first, count)
    heard = _sound(samples, start, clock)
    plain, smooth = (seen, heard), (_smooth(seen), _smooth(heard))
    levels = seen[0].mean(), seen[0].std(), heard[0].std()
    return np.stack(
        [
            np.concatenate([_correlations(*plain, lag), _correlations(*smooth, lag), levels])
            for lag in _LAGS
        ]
    )


def _seen(times: Float64Array, values: Float64Array, first: float, count: int) -> Float64Array:
    """The means of motions over each 1/15 s from ``first`` on: (9, count); of changes, logarithms.

    A motion stands for the time since the picture before it, so its mean does not depend on which
    pictures a film holds.
    """
    lasting = np.diff(times, prepend=times[0])
    whole = np.cumsum(values * lasting[:, None], axis=0)
    edges = first + np.arange(count + 1) / CLOCK_HZ
    means = np.stack([np.diff(np.interp(edges, times, column)) for column in whole.T]) * CLOCK_HZ
    means[:CHANGES] = np.log(means[:CHANGES] / CLOCK_HZ + _STILL)
    return means


def _sound(samples: Float32Array, start: float, clock: Float64Array) -> Float64Array:
    """Seven properties of the sound at each instant: (7, T).

    Decibels of the whole and of three bands; growth and change of the bands; loudness.
    """
    middle = np.rint((clock - start) * _RATE).astype(np.intp)
    padded = np.pad(samples, _SPECTRUM)
    places = middle[:, None] + np.arange(_SPECTRUM) + _SPECTRUM // 2
    pieces = padded[np.clip(places, 0, len(padded) - 1)] * np.hanning(_SPECTRUM)
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
    hertz = np.fft.rfftfreq(_SPECTRUM, 1 / _RATE)
    bands = [
        power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in pairwise(_EDGES)
    ]
    whole = power[:, hertz >= _EDGES[0]].sum(axis=1)  # an offset or rumble is not loudness
    levels = 10 * np.log10(np.stack([whole, *bands]) + _QUIET_POWER)
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


def _smooth(values: Float64Array) -> Float64Array:
    """Moving averages of three along the last axis; the edges are repeated."""
    padded = np.pad(values, ((0, 0), (_SMOOTHED // 2, _SMOOTHED // 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED, axis=1)
    return np.asarray(windows.mean(axis=-1), np.float64)


def _correlations(seen: Float64Array, heard: Float64Array, lag: int) -> Float64Array:
    """The correlation of each pair of rows at a lag: (A, T), (B, T) -> (A * B,)."""
    count = seen.shape[1]
    late = seen[:, max(0, lag) : count + min(0, lag)]
    early = heard[:, max(0, -lag) : count - max(0, lag)]
    return np.asarray((_standard(late) @ _standard(early).T).ravel(), np.float64)


def _standard(rows: Float64Array) -> Float64Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / (np.sqrt((centred**2).sum(axis=1, keepdims=True)) + _TINY))
