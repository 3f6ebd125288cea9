"""Stretches of a timeline that several formats show: who is seen, who speaks, the shots.

Windows overlap, but marks on a time axis must not: each window is represented by the part that
is nearer to its own middle than to that of any other window (its *cell*), as in the summary.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.output.html.elements import one_line
from facevoice.output.wording import listed, percent
from facevoice.timeline.summary import places_of
from facevoice.timeline.table import FrameTable, Segment, Timeline
from facevoice.types import Float32Array, Float64Array
from facevoice.types.spans import Span, joined, overlaps

NOBODY: Final = "voice of no one in view"
"""Who a row or segment without a person is about."""

_UNKNOWN_STEP: Final = 0.25
"""Seconds between two sampled instants where no one is seen twice."""
_LOST: Final = 1.5
"""In units of the usual spacing of instants; a person not seen for longer was lost."""


def name_of(person: int | None) -> str:
    """What people are called in every output: by their id."""
    return NOBODY if person is None else f"person {person}"


def cells(timeline: Timeline) -> dict[float, Span]:
    """The cell of each window, by the window's start, in order of time."""
    windows = ((row.start_seconds, row.stop_seconds) for row in timeline.rows)
    return {start: place for (start, _), place in places_of(windows).items()}


def shots(timeline: Timeline) -> list[Span]:
    """The stretches between cuts; one if there is none."""
    inside = [
        c for c in timeline.cuts.tolist() if timeline.start_seconds < c < timeline.stop_seconds
    ]
    edges = [timeline.start_seconds, *inside, timeline.stop_seconds]
    return list(pairwise(edges))


def emotions(segments: Iterable[Segment], person: int | None) -> list[tuple[Span, str]]:
    """When one person shows what, of segments of everyone."""
    return [
        ((each.start_seconds, each.stop_seconds), each.emotion)
        for each in segments
        if each.person == person
    ]


def labels_of(segment: Segment) -> tuple[str, ...]:
    """The label of a segment, or the two between which it is undecided."""
    return (segment.emotion, *([] if segment.undecided is None else [segment.undecided]))


def said(segment: Segment) -> str:
    """What a segment shows, in words: "happy 60%", or "undecided between happy and sad"."""
    labels = labels_of(segment)
    if len(labels) > 1:
        return one_line(f"undecided between {listed(labels)}")
    score = "" if math.isnan(segment.score) else percent(segment.score)
    return f"{one_line(segment.emotion)} {score}".strip()


def doubt(segments: Iterable[Segment], person: int | None) -> str:
    """How much of one person's time the segments leave undecided; "" if none.

    The end of a list of shares: "; undecided 17% of the time, between sad and neutral". Of several
    such pairs, the one with the most time is named.
    """
    seconds: dict[tuple[str, ...], float] = {}
    for each in segments:
        if each.person == person:
            labels = tuple(sorted(labels_of(each)))
            seconds[labels] = seconds.get(labels, 0.0) + each.stop_seconds - each.start_seconds
    pairs = {labels: length for labels, length in seconds.items() if len(labels) > 1}
    if not pairs:
        return ""
    share = percent(math.fsum(pairs.values()) / math.fsum(seconds.values()))
    when = "throughout" if share == "100%" else f"{share} of the time"
    most = max(pairs, key=lambda labels: pairs[labels])
    where = "between" if len(pairs) == 1 else "mostly between"
    return f"; undecided {when}, {where} {one_line(listed(most))}"


def speaking(timeline: Timeline, person: int | None) -> list[Span]:
    """When this person speaks; None: speech of no one in view.

    The speech in the cells that are attributed to them; whole cells if it is not known where
    speech is.
    """
    wanted = "unknown" if person is None else "this"
    places = cells(timeline)
    spoken = joined(
        places[row.start_seconds]
        for row in timeline.rows_of(person)
        if row.speaker == wanted and row.speaking_seconds > 0
    )
    if person is not None:
        spoken = overlaps(_in_view(timeline, person), spoken)
    if timeline.speech_spans is None:
        return spoken
    speech = [(start, stop) for start, stop in timeline.speech_spans.tolist()]
    return [part for each in spoken for part in overlaps(each, speech)]


def seen(timeline: Timeline, person: int) -> list[Span]:
    """When this person is seen: according to the frames if there are any, else by cell.

    Cells are cut at the first and the last sight.
    """
    if timeline.frames is None:
        places = cells(timeline)
        rows = timeline.rows_of(person)
        rough = joined(places[row.start_seconds] for row in rows if row.seen_seconds > 0)
        return overlaps(_in_view(timeline, person), rough)
    return joined(run.span for run in followed(timeline, timeline.frames, [person]))


def _in_view(timeline: Timeline, person: int) -> Span:
    """From the first to the last sight of a person."""
    about = next(each for each in timeline.people if each.id == person)
    return about.first_seen_seconds, about.last_seen_seconds


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """One person followed without interruption or cut.

    span: seconds that the run stands for. times: (N,) seconds. boxes: (N, 4) pixels of pictures
    of these sizes: (N, 2); None if they are unknown.
    """

    person: int
    span: Span
    times: Float64Array
    boxes: Float32Array
    sizes: NDArray[np.int64] | None


def followed(timeline: Timeline, frames: FrameTable, people: Iterable[int]) -> Iterator[Run]:
    """The runs of some people, each person's in order of time."""
    step = spacing(frames)
    bounds = (timeline.start_seconds, timeline.stop_seconds)
    for person in people:
        mine = frames.person == person
        times, boxes = frames.times_seconds[mine], frames.boxes[mine]
        sizes = None if frames.picture_sizes is None else frames.picture_sizes[mine]
        for first, last in runs(times, step, timeline.cuts):
            span = _held(times[first:last], step, timeline.cuts, bounds)
            part = None if sizes is None else sizes[first:last]
            yield Run(person, span, times[first:last], boxes[first:last], part)


def spacing(frames: FrameTable) -> float:
    """Usual time between two sampled instants, in seconds; 0.25 if unknown.

    The lower quartile of the gaps between two sights of one person: losses are longer.
    """
    between = [
        np.diff(frames.times_seconds[frames.person == person])
        for person in np.unique(frames.person)
    ]
    all_of_them = np.concatenate(between) if between else np.zeros(0)
    return float(np.quantile(all_of_them, 0.25)) if len(all_of_them) else _UNKNOWN_STEP


def runs(times: Float64Array, step: float, cuts: Float64Array) -> list[tuple[int, int]]:
    """Where one person is followed without interruption or cut: half-open ranges of indices.

    times: (N,) seconds, increasing, at which the person was seen. step: ``spacing``.
    """
    if not len(times):
        return []
    shot = np.searchsorted(cuts, times, side="right")
    broken = (np.diff(times) > _LOST * step) | (np.diff(shot) != 0)
    edges = [0, *(np.flatnonzero(broken) + 1).tolist(), len(times)]
    return list(pairwise(edges))


def _held(times: Float64Array, step: float, cuts: Float64Array, bounds: Span) -> Span:
    """The span that a run stands for: half a step more at both ends.

    A cut within a step of an end is that end: no instant in between shows a loss.
    """
    first, last = float(times[0]), float(times[-1])
    start, stop = first - step / 2, last + step / 2
    before, after = cuts[cuts <= first], cuts[cuts > last]
    if len(before) and first - before[-1] <= step:
        start = float(before[-1])
    if len(after) and after[0] - last <= step:
        stop = float(after[0])
    return max(start, bounds[0]), min(stop, bounds[1])
