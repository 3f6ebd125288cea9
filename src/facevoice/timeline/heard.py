"""What a branch has heard of the speech so far, so that overlapping windows read it only once."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from facevoice.branches import PiecewiseBranch
from facevoice.speech.splice import times_of
from facevoice.types import Evidence, Float32Array, Float64Array, Scores

_FEWEST_SECONDS: Final = 0.25  # of new speech; less waits for the next window
_AGREEMENT_SECONDS: Final = 0.2  # how much more or less speech a window may find in what was read


class HeardSpeech:
    """The states that one branch keeps of the speech of a film's windows, in order.

    The first window is read whole. A later one reads what no earlier window held, and takes the
    states of the rest from the windows that read it. It is read whole if it finds noticeably more
    or less speech there: each window looks for speech and cleans it by itself.
    """

    def __init__(self, branch: PiecewiseBranch) -> None:
        self._branch = branch
        self._forget()

    def _forget(self) -> None:
        self._states: list[Float32Array] = []
        self._times: list[Float64Array] = []
        self._spans = np.zeros((0, 2))
        self._since = self._until = -np.inf

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the speech of the next window; None without speech."""
        speech, spans = evidence.speech, evidence.speech_spans
        if speech is None or not len(spans):
            return self._branch.score(evidence)
        if not self._agrees(evidence):
            self._forget()
        self._drop(evidence.start_seconds)
        times = times_of(spans, speech.rate_hz)
        first = int(np.searchsorted(times, self._until))
        if not self._states or len(times) - first >= _FEWEST_SECONDS * speech.rate_hz:
            self._add(self._branch.hear(speech, first), times[first:])
            self._spans = _within(spans, evidence.start_seconds, evidence.stop_seconds)
            self._until = evidence.stop_seconds
        return self._branch.of_heard(self._states)

    def _agrees(self, evidence: Evidence) -> bool:
        """Whether the window goes on from the last one, and hears as much in what they share."""
        start = evidence.start_seconds
        if not self._states or start < self._since:
            return False
        then, now = (
            float(np.diff(_within(spans, start, self._until)).sum())
            for spans in (self._spans, evidence.speech_spans)
        )
        return abs(now - then) <= _AGREEMENT_SECONDS

    def _drop(self, before: float) -> None:
        """Forget the states before an instant; all of them if a layer has none left."""
        self._since = before
        kept = [times >= before for times in self._times]
        if not all(each.any() for each in kept):
            self._forget()
            self._since = before
            return
        self._states = [rows[each] for rows, each in zip(self._states, kept, strict=True)]
        self._times = [times[each] for times, each in zip(self._times, kept, strict=True)]

    def _add(self, states: Sequence[Float32Array], sample_times: Float64Array) -> None:
        """Add the states of new speech; each stands at the middle of the samples it comes from."""
        count = len(sample_times)
        times = [
            sample_times[((np.arange(len(rows)) + 0.5) * count / len(rows)).astype(np.int64)]
            for rows in states
        ]
        if self._states:
            states = [np.concatenate(pair) for pair in zip(self._states, states, strict=True)]
            times = [np.concatenate(pair) for pair in zip(self._times, times, strict=True)]
        self._states, self._times = list(states), times


def _within(spans: Float64Array, start: float, stop: float) -> Float64Array:
    """The parts of spans between two instants."""
    cut = np.clip(spans, start, stop)
    return cut[cut[:, 1] > cut[:, 0]]
