"""Drawings of one person over time: curves of scores, bands of segments, lanes. Escaped HTML."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np

from facevoice.output.clip.draw import Colours
from facevoice.output.timeline.spans import Span
from facevoice.output.timeline.tiers import one_line
from facevoice.timeline.table import Row, Segment
from facevoice.types import Float64Array

Point = tuple[Span, Float64Array | None]
"""A cell and the scores in it; None in a gap."""

_MOST_POINTS = 1500  # more than a screen is wide
_WIDE_ENOUGH = 0.06
"""Share of the width in which a name has room."""


def points_of(rows: Sequence[Row], places: dict[float, Span]) -> list[Point]:
    """One person's fused scores cell by cell, a gap where a window has no row of theirs."""
    scored = {row.start_seconds: row.scores for row in rows if row.scores is not None}
    points: list[Point] = []
    for start, span in places.items():
        scores = scored.get(start)
        points.append((span, None if scores is None else scores.values))
    return _fewer(points)


def _fewer(points: list[Point]) -> list[Point]:
    """Neighbours averaged until a screen can show them; a gap stays one if nothing is in it."""
    size = -(-len(points) // _MOST_POINTS)
    if size <= 1:
        return points
    fewer: list[Point] = []
    for at in range(0, len(points), size):
        group = points[at : at + size]
        values = [value for _, value in group if value is not None]
        mean = np.mean(values, axis=0) if values else None
        fewer.append(((group[0][0][0], group[-1][0][1]), mean))
    return fewer


def curves(
    points: Sequence[Point], labels: Sequence[str], colours: Colours, span: Span, cuts: Float64Array
) -> str:
    """A line for each label that breaks in gaps; the ground is tinted where there are scores.

    span: what the width stands for, seconds. cuts: (C,) seconds.
    """

    def x(seconds: float) -> float:
        return 1000 * (seconds - span[0]) / (span[1] - span[0])

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
    drawn = "".join(
        f'<path class="c{colours[label]}" d="{"".join(line)}"/>'
        for label, line in zip(labels, lines, strict=True)
        if line
    )
    marks = "".join(f"M{x(cut):.1f} 0v100" for cut in cuts.tolist() if span[0] < cut < span[1])
    return (
        '<svg class="curves" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        ' aria-label="Fused scores over time, a line for each emotion; the segments below are also'
        f' in the table"><g class="ground">{"".join(ground)}</g>'
        f'<path class="scale" d="M0 25h1000M0 50h1000M0 75h1000"/>{drawn}'
        f'<path class="cuts" d="{marks}"/></svg>'
    )


def bands(segments: Sequence[Segment], colours: Colours, span: Span) -> str:
    """The segments as coloured bands with their names where there is room."""
    parts = []
    for segment in segments:
        start, stop = (
            (at - span[0]) / (span[1] - span[0])
            for at in (max(segment.start_seconds, span[0]), min(segment.stop_seconds, span[1]))
        )
        name = escape(one_line(segment.emotion))
        shown = name if stop - start >= _WIDE_ENOUGH else ""
        narrow = " narrow" if stop - start < 3 * _WIDE_ENOUGH else ""
        parts.append(
            f'<span class="c{colours[segment.emotion]}{narrow}" title="{name}"'
            f' style="left:{100 * start:.2f}%;width:{100 * (stop - start):.2f}%">{shown}</span>'
        )
    return f'<div class="ribbon" aria-hidden="true">{"".join(parts)}</div>'
