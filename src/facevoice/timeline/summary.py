"""Summarise a timeline: segments of one emotion, and totals per person.

Windows overlap. So that no instant counts twice, each row stands for its core: the part of its
window that is nearer to its own middle than to that of any other window.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final

import numpy as np

from facevoice.timeline.table import Person, Row, Segment, Timeline
from facevoice.types import Float64Array, Scores, UInt8Array
from facevoice.types.spans import Span, joined, overlaps

CHANGE_BY: Final = 0.1
"""A segment lasts until the score of another emotion exceeds that of its own by this ..."""
CHANGE_WINDOWS: Final = 2
"""... or until the same other emotion has been first in that many successive windows."""

_SLACK_SECONDS: Final = 1e-6


@dataclass(slots=True)
class Sighted:
    """Running totals of one person.

    first_seconds, last_seconds: where the first sight begins and the last one ends.
    seconds: how long all sights last.
    prominence: face size times confidence, summed over the sampled instants.
    portrait: the face of the clearest sight so far, see ``Person``. clearest: how clear it is.
    """

    first_seconds: float
    last_seconds: float
    seconds: float = 0.0
    prominence: float = 0.0
    clearest: float = 0.0
    portrait: UInt8Array | None = None


def places_of(windows: Iterable[Span]) -> dict[Span, Span]:
    """The part of the film that each window stands for, by window, in order of time.

    Parts do not overlap, and end with their window where nothing lies before the next one.
    """
    ordered = sorted(set(windows))
    outer = ordered or [(0.0, 0.0)]
    starts, stops = [outer[0][0]], []
    for before, after in pairwise(ordered):
        middle = (sum(before) / 2 + sum(after) / 2) / 2
        apart = before[1] < after[0]  # nothing lies between them
        stops.append(before[1] if apart else middle)
        starts.append(after[0] if apart else middle)
    stops.append(max(stop for _, stop in outer))
    return dict(zip(ordered, zip(starts, stops, strict=True), strict=False))


def speech_of(spoken: Mapping[Span, Sequence[Span]]) -> list[Span]:
    """Anyone's speech in the whole film: of each window that of its place, where it finds some.

    spoken: the stretches of speech that each window found, by window.
    """
    places = places_of(spoken)
    held = (overlaps(places[window], spans) for window, spans in spoken.items())
    return joined(part for spans in held for part in spans)


class Cores:
    """The part of the film that each row stands for; the cores of one person do not overlap.

    A person's core does not extend beyond the first and last sight.

    sighted: by person.
    """

    def __init__(self, rows: Sequence[Row], sighted: Mapping[int, Sighted]) -> None:
        self._places = places_of((row.start_seconds, row.stop_seconds) for row in rows)
        self._seen = {
            person: (seen.first_seconds, seen.last_seconds) for person, seen in sighted.items()
        }

    def of(self, row: Row) -> Span:
        """Start and stop in seconds; equal if the core is empty."""
        start, stop = self._places[row.start_seconds, row.stop_seconds]
        if row.person is not None:
            first, last = self._seen[row.person]
            start, stop = max(start, first), min(stop, last)
        return start, max(start, stop)

    def seconds(self, row: Row) -> float:
        """Length of a row's core."""
        start, stop = self.of(row)
        return stop - start


def plain(row: Row) -> Scores | None:
    """The fused scores of a row."""
    return row.scores


def personal(row: Row) -> Scores | None:
    """The personal scores of a row."""
    return None if row.personal is None else row.personal.scores


def segments_of(
    rows: Sequence[Row], cores: Cores, of: Callable[[Row], Scores | None] = plain
) -> tuple[Segment, ...]:
    """Merge each person's rows into segments of one emotion, by person (None last) and time.

    A segment ends where there is nothing to score. Hysteresis: see ``CHANGE_BY``.

    of: which scores of a row, ``plain`` or ``personal``.
    """
    found: list[Segment] = []
    named = sorted({row.person for row in rows if row.person is not None})
    for person in [*named, None]:
        scored = [row for row in rows if row.person == person and of(row) is not None]
        for run in _runs([row for row in scored if cores.seconds(row) > 0], cores):
            found += _merged(person, run, cores, of)
    return tuple(found)


def people_of(
    rows: Sequence[Row], sighted: Mapping[int, Sighted], cores: Cores, speech: Sequence[Span]
) -> tuple[Person, ...]:
    """Totals of everyone who has a row; speech: anyone's, as ``speech_of`` returns it."""
    people = []
    for person in sorted({row.person for row in rows if row.person is not None}):
        own = [row for row in rows if row.person == person]
        people.append(
            Person(
                id=person,
                first_seen_seconds=sighted[person].first_seconds,
                last_seen_seconds=sighted[person].last_seconds,
                seconds_seen=sighted[person].seconds,
                seconds_speaking=_speaking(own, cores, speech),
                shares=_shares(own, cores, plain),
                personal_shares=_shares(own, cores, personal),
                portrait=sighted[person].portrait,
            )
        )
    return tuple(people)


def voice_shares(
    timeline: Timeline, of: Callable[[Row], Scores | None] = plain
) -> dict[str, float]:
    """As ``Person.shares``, of the speech that belongs to no one in view."""
    return _shares(timeline.rows_of(None), Cores(timeline.rows, {}), of)


def _runs(rows: Iterable[Row], cores: Cores) -> list[list[Row]]:
    """Group rows whose cores follow one another without a gap."""
    runs: list[list[Row]] = []
    for row in rows:
        if runs and cores.of(runs[-1][-1])[1] >= cores.of(row)[0] - _SLACK_SECONDS:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _merged(
    person: int | None, run: Sequence[Row], cores: Cores, of: Callable[[Row], Scores | None]
) -> list[Segment]:
    scored = [(row, scores) for row in run if (scores := of(row)) is not None]
    labels = scored[0][1].labels
    steady = _steadied([scores.values for _, scores in scored])
    found: list[Segment] = []
    for emotion, group in groupby(zip(steady, scored, strict=True), key=itemgetter(0)):
        part = [each for _, each in group]
        weights = [cores.seconds(row) for row, _ in part]
        mean = np.average([scores.values for _, scores in part], axis=0, weights=weights)
        start, stop = cores.of(part[0][0])[0], cores.of(part[-1][0])[1]
        own = _personal_emotion([row for row, _ in part], cores) if of is plain else None
        shown, score = labels[emotion], float(mean[emotion])
        between = Scores(labels, mean).undecided or ()
        other = next((label for label in between if label != shown), None)
        found.append(Segment(person, start, stop, shown, score, other, own))
    return found


def _personal_emotion(rows: Iterable[Row], cores: Cores) -> str | None:
    """The label with the highest mean personal score."""
    held = [(scores, cores.seconds(row)) for row in rows if (scores := personal(row)) is not None]
    if not held:
        return None
    total = np.sum([scores.values * seconds for scores, seconds in held], axis=0)
    return held[0][0].labels[int(np.argmax(total))]


def _steadied(values: Sequence[Float64Array]) -> list[int]:
    """The emotion of each window, with hysteresis."""
    current = int(np.argmax(values[0]))
    shown = []
    for index, scores in enumerate(values):
        best = int(np.argmax(scores))
        following = [int(np.argmax(later)) for later in values[index : index + CHANGE_WINDOWS]]
        lasting = len(following) == CHANGE_WINDOWS and set(following) == {best}
        if best != current and (scores[best] - scores[current] >= CHANGE_BY or lasting):
            current = best
        shown.append(current)
    return shown


def _shares(
    rows: Sequence[Row], cores: Cores, of: Callable[[Row], Scores | None]
) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for row in rows:
        scores = of(row)
        if scores is not None:
            for label in scores.labels:
                seconds.setdefault(label, 0.0)
            seconds[scores.emotion] += cores.seconds(row)
    total = sum(seconds.values())
    return {label: value / total for label, value in seconds.items()} if total > 0 else {}


def _speaking(rows: Iterable[Row], cores: Cores, speech: Sequence[Span]) -> float:
    """Seconds of speech in the cores of the rows whose person speaks."""
    own = joined(cores.of(row) for row in rows if row.speaking_seconds > 0)
    heard = (overlaps(core, speech) for core in own)
    return math.fsum(stop - start for spans in heard for start, stop in spans)
