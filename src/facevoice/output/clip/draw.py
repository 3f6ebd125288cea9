"""Drawings: bars as tables, curves as SVG, axes as text. All of it escaped HTML.

Shapes are stretched to the page's width, so text never stands inside an SVG: it would be
stretched too, and too small on a phone.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Final

import numpy as np

from facevoice.output.clip.content import Stretch
from facevoice.output.clip.sound import Sound
from facevoice.output.clip.words import percent
from facevoice.types import Float64Array, Scores

Colours = Mapping[str, int]

_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS: Final = 9
_WIDE_ENOUGH: Final = 0.2
_WIDE_ON_DESK: Final = 0.06
"""Shares of the width in which a name of the ribbon has room: on a phone, on a desk."""
_MOST_SEPARATED: Final = 48
"""More stretches than this are drawn without gaps between them."""


def data_uri(kind: str, content: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def swatch(label: str, colours: Colours) -> str:
    """A small square in the label's colour, silent to screen readers."""
    return f'<i class="swatch c{colours[label]}" aria-hidden="true"></i>'


def bars(scores: Scores, colours: Colours, caption: str) -> str:
    """A table of all labels with a bar and a number each."""
    rows = []
    for label, value in scores.to_dict().items():
        best = ' class="best"' if label == scores.emotion else ""
        rows.append(
            f'<tr{best}><th scope="row">{escape(label)}</th>'
            f'<td class="track"><span class="c{colours[label]}" style="width:{100 * value:.1f}%">'
            f"</span></td><td>{percent(value)}</td></tr>"
        )
    return (
        f'<table class="bars" aria-label="{escape(caption)}"><tbody>{"".join(rows)}</tbody></table>'
    )


def stack(
    stretches: Sequence[Stretch], labels: Sequence[str], colours: Colours, span: tuple[float, float]
) -> str:
    """Each stretch's scores as a column of stacked bars, the first label at the bottom."""
    start, stop = span
    paths: list[list[str]] = [[] for _ in labels]
    for stretch in stretches:
        if stretch.values is None:
            continue
        left = 1000 * (stretch.start_seconds - start) / (stop - start)
        width = 1000 * (stretch.stop_seconds - stretch.start_seconds) / (stop - start)
        edges = 100 * (1 - np.concatenate([[0.0], np.cumsum(stretch.values)]))
        for path, bottom, top in zip(paths, edges[:-1], edges[1:], strict=True):
            if bottom - top >= 0.05:
                path.append(f"M{left:.1f} {bottom:.1f}h{width:.1f}V{top:.1f}h-{width:.1f}z")
    drawn = "".join(
        f'<path class="c{colours[label]}" d="{"".join(path)}"/>'
        for label, path in zip(labels, paths, strict=True)
        if path
    )
    kind = "stack apart" if len(stretches) <= _MOST_SEPARATED else "stack"
    return (
        f'<svg class="{kind}" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        f' aria-label="Fused scores over time, stacked; the table below has the same numbers">'
        f"{drawn}</svg>"
    )


def ribbon(
    stretches: Sequence[Stretch], labels: Sequence[str], colours: Colours, span: tuple[float, float]
) -> str:
    """The emotion of each stretch, neighbours of one emotion joined."""

    def emotion(stretch: Stretch) -> str | None:
        return None if stretch.values is None else labels[int(stretch.values.argmax())]

    parts = []
    for label, run in groupby(stretches, emotion):
        group = list(run)
        part = (group[0].start_seconds, group[-1].stop_seconds)
        share = (part[1] - part[0]) / (span[1] - span[0])
        name = "no answer" if label is None else escape(label)
        kind = "none" if label is None else f"c{colours[label]}"
        narrow = " narrow" if share < _WIDE_ENOUGH else ""
        parts.append(
            f'<span class="{kind}{narrow}" style="{_place(part, span)}" title="{name}">'
            f"{name if share >= _WIDE_ON_DESK else ''}</span>"
        )
    return f'<div class="ribbon" aria-hidden="true">{"".join(parts)}</div>'


def lane(spans: Float64Array, span: tuple[float, float], name: str) -> str:
    """Stretches of time as dashes on a line; spans: (S, 2) seconds."""
    dashes = "".join(
        f'<span style="{_place(tuple(each), span)}"></span>' for each in _few(spans, span)
    )
    return f'<div class="lane" role="img" aria-label="{escape(name)}">{dashes}</div>'


def wave(sound: Sound, spans: Float64Array) -> str:
    """The sound's envelope, louder and softer, with the stretches of speech marked.

    spans: (S, 2) seconds.
    """
    columns = len(sound.low)
    scale = 48 / sound.peak if sound.peak > 0 else 0.0
    upper = 50 - np.maximum(sound.high * scale, 0.4)
    lower = 50 - np.minimum(sound.low * scale, -0.4)
    x = np.arange(columns) + 0.5
    there = "L".join(f"{at:g} {y:.1f}" for at, y in zip(x, upper, strict=True))
    back = "L".join(f"{at:g} {y:.1f}" for at, y in zip(x[::-1], lower[::-1], strict=True))
    span = (sound.start_seconds, sound.stop_seconds)
    rectangles = "".join(
        f'<rect x="{columns * (start - span[0]) / (span[1] - span[0]):.2f}" y="0"'
        f' width="{columns * (stop - start) / (span[1] - span[0]):.2f}" height="100"/>'
        for start, stop in _few(spans, span)
    )
    return (
        f'<svg class="wave" viewBox="0 0 {columns} 100" preserveAspectRatio="none" role="img"'
        f' aria-label="Waveform; {len(spans)} stretches of speech are marked">'
        f'<defs><clipPath id="speech">{rectangles}</clipPath>'
        f'<path id="outline" d="M{there}L{back}z"/></defs>'
        f'<g class="spoken">{rectangles}</g><use href="#outline"/>'
        f'<use class="voiced" href="#outline" clip-path="url(#speech)"/></svg>'
    )


def axis(span: tuple[float, float]) -> str:
    """Times below a drawing, evenly spaced; every other one can go where space is scarce."""
    start, stop = span
    steps = [*_STEPS, *(3600 * hours for hours in range(2, 100))]
    step = next((each for each in steps if (stop - start) / each <= _MOST_TICKS), steps[-1])
    first = math.ceil(start / step - 1e-9)
    marks = []
    for number in range(first, math.floor(stop / step + 1e-9) + 1):
        at = 100 * (number * step - start) / (stop - start)
        kind = " odd" if (number - first) % 2 else ""
        edge = " first" if at < 3 else " last" if at > 97 else ""
        marks.append(
            f'<span class="tick{kind}{edge}" style="left:{at:.2f}%">'
            f"{_tick(number * step, step, stop)}</span>"
        )
    return f'<div class="axis">{"".join(marks)}</div>'


def _tick(seconds: float, step: float, stop: float) -> str:
    if stop < 60:
        return f"{seconds:.1f} s" if step < 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    if stop < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _place(part: tuple[float, ...], span: tuple[float, float]) -> str:
    start, stop = span
    left = 100 * (part[0] - start) / (stop - start)
    return f"left:{left:.2f}%;width:{100 * (part[1] - part[0]) / (stop - start):.2f}%"


def _few(spans: Float64Array, span: tuple[float, float], most: int = 200) -> list[list[float]]:
    """Spans cut to ``span``; those too many to tell apart are joined with their neighbours."""
    start, stop = span
    result: list[list[float]] = []
    gap = (stop - start) / most if len(spans) > most else 0.0
    for begin, end in np.clip(spans, start, stop).tolist():
        if result and begin - result[-1][1] < gap:
            result[-1][1] = end
        elif end > begin:
            result.append([begin, end])
    return result
