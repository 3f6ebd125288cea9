"""Curves of one person's scores over time, as escaped HTML."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np

from facevoice.output.html.elements import Colours, curve_paths
from facevoice.output.html.time_axis import share
from facevoice.timeline.summary import plain
from facevoice.timeline.table import Row
from facevoice.types import Float64Array, Scores
from facevoice.types.spans import Span, joined, neighbours, overlaps

Point = tuple[Span, Float64Array | None]
"""A cell and the scores in it; None in a gap."""

_MOST_POINTS: Final = 1500  # more than a screen can show


def points_of(
    rows: Sequence[Row],
    places: dict[float, Span],
    there: Sequence[Span] | None = None,
    of: Callable[[Row], Scores | None] = plain,
) -> list[Point]:
    """One person's scores cell by cell, with a gap where a window has no row of theirs.

    Neighbours are averaged until a screen can show them; a gap without scores stays a gap.

    there: when the person is seen, in order of time; the rest is a gap, too. None: in all cells.
    of: which scores, ``plain`` or ``personal`` of ``timeline.summary``.
    """
    found = ((row.start_seconds, of(row)) for row in rows)
    scored = {start: scores.values for start, scores in found if scores is not None}
    points: list[Point] = []
    for start, span in places.items():
        if points and points[-1][0][1] < span[0]:  # the film has nothing in between
            points.append(((points[-1][0][1], span[0]), None))
        points.append((span, scored.get(start)))
    averaged: list[Point] = []
    for group in neighbours(points, _MOST_POINTS):
        values = [value for _, value in group if value is not None]
        mean = np.mean(values, axis=0) if values else None
        averaged.append(((group[0][0][0], group[-1][0][1]), mean))
    shown = joined(places.values()) if there is None else there
    return [part for each in averaged for part in _cut(each, shown)]


def _cut(point: Point, there: Sequence[Span]) -> Iterator[Point]:
    """A cell in parts: with scores where the person is seen, without them in between."""
    (start, stop), values = point
    at = start
    for first, last in overlaps((start, stop), there) if values is not None else ():
        if first > at:
            yield (at, first), None
        yield (first, last), values
        at = last
    if at < stop:
        yield (at, stop), None


def curves(
    points: Sequence[Point],
    labels: Sequence[str],
    colours: Colours,
    span: Span,
    cuts: Float64Array,
    *,
    own: bool = False,
) -> str:
    """A line per label, broken in gaps; the ground is tinted where there are scores.

    span: what the width stands for, seconds. cuts: (C,) seconds.
    own: of personal scores, which are dashed.
    """

    def x(seconds: float) -> float:
        return 1000 * share(seconds, span)

    ground: list[str] = []
    lines: list[list[str]] = [[] for _ in labels]
    for there, group in groupby(points, lambda point: point[1] is not None):
        if not there:
            continue
        run = [(place, values) for place, values in group if values is not None]
        left, right = x(run[0][0][0]), x(run[-1][0][1])
        ground.append(f'<rect x="{left:.1f}" y="0" width="{right - left:.1f}" height="100"/>')
        middles = [x((begin + end) / 2) for (begin, end), _ in run]
        heights = 100 - 100 * np.array([values for _, values in run])
        for line, y in zip(lines, heights.T, strict=True):
            inner = "".join(f"L{at:.1f} {to:.1f}" for at, to in zip(middles, y, strict=True))
            line.append(f"M{left:.1f} {y[0]:.1f}{inner}L{right:.1f} {y[-1]:.1f}")
    marks = "".join(f"M{x(cut):.1f} 0v100" for cut in cuts.tolist() if span[0] < cut < span[1])
    classes, what = ("curves personal", "Personal") if own else ("curves", "Fused")
    return (
        f'<svg class="{classes}" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        f' aria-label="{what} scores over time, one line per emotion; the segments below are also'
        f' in the table"><g class="ground">{"".join(ground)}</g>'
        f'<path class="scale" d="M0 25h1000M0 50h1000M0 75h1000"/>'
        f'{curve_paths(labels, colours, lines)}<path class="cuts" d="{marks}"/></svg>'
    )
