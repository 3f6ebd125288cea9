"""The statistics of one person in a film, from windows that overlap.

A window is no clip: if windows of 3 s start every second, each second of the film is in three of
them. Counted as clips, they would outweigh the population's prior three times too fast. So the
readings of a person's windows are gathered, in order, into stretches that hold ``CLIP_SECONDS`` of
evidence, each second counted once, and a stretch counts as one clip does.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from facevoice.person.estimator import Statistics
from facevoice.person.readings import Reading

CLIP_SECONDS: Final = 3.0
"""So many seconds of evidence of a person in a film count as one clip."""

_SLACK_SECONDS: Final = 1e-6


class FilmStatistics:
    """What is known of one person after the windows so far.

    A stretch ends with the window that completes ``CLIP_SECONDS``. What is left over at the end is
    a stretch of its own if it holds half of that, else it belongs to the stretch before, so that
    every window counts.

    share: of a window's length, how much the next one does not hold: hop / window.
    enrolled: what was known before.
    """

    def __init__(self, share: float, enrolled: Statistics) -> None:
        self._share, self._done = share, enrolled
        self._last: list[Reading] = []
        self._open: list[Reading] = []

    def add(self, reading: Reading) -> None:
        """Add the next window."""
        if self._seconds(self._open) >= CLIP_SECONDS - _SLACK_SECONDS:
            self._done = self._plus(self._done, self._last)
            self._last, self._open = self._open, []
        self._open.append(reading)

    @property
    def statistics(self) -> Statistics:
        """Those of all windows so far."""
        last, rest = self._last, self._open
        if last and self._seconds(rest) < CLIP_SECONDS / 2:
            last, rest = last + rest, []
        return self._plus(self._plus(self._done, last), rest)

    def _seconds(self, readings: Sequence[Reading]) -> float:
        return self._share * sum(reading.seconds for reading in readings)

    def _plus(self, statistics: Statistics, readings: Sequence[Reading]) -> Statistics:
        return statistics.plus(gathered(readings, self._share)) if readings else statistics


def gathered(readings: Sequence[Reading], share: float) -> Reading:
    """One reading of several windows: the means of their log scores, weighed by their evidence.

    share: how much of their weights and seconds count, see ``FilmStatistics``.
    """
    means, weights, centred = {}, {}, {}
    for name in dict.fromkeys(name for reading in readings for name in reading.log_scores):
        own = [reading for reading in readings if name in reading.log_scores]
        each = np.array([reading.weights[name] for reading in own])
        scores = np.stack([reading.log_scores[name] for reading in own])
        shares = each / each.sum() if each.any() else np.full(len(own), 1 / len(own))
        means[name] = (shares[:, None] * scores).sum(axis=0)
        weights[name] = share * float(each.sum())
        if all(name in reading.centred for reading in own):
            second = np.stack([reading.centred[name] for reading in own])
            centred[name] = (shares[:, None] * second).sum(axis=0)
    seconds = share * sum(reading.seconds for reading in readings)
    return Reading(means, weights, seconds, centred)
