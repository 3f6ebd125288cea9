"""Drawings along a time axis: lanes, ribbons, ticks. All of it is escaped HTML.

Shapes are stretched to the page's width, so text is never inside an SVG: it would be
stretched too, and too small on a phone.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from facevoice.output.html.elements import Colours, one_line
from facevoice.output.wording import clock
from facevoice.types.spans import Span, joined

_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS: Final = 9
_MOST_DASHES: Final = 200
_WIDE_ENOUGH: Final = 0.2
_WIDE_ON_DESK: Final = 0.06
"""Shares of the width that a name in a ribbon needs: on a phone, on a desktop."""


def share(seconds: float, span: Span) -> float:
    """Position of an instant in a span, 0 to 1."""
    return (seconds - span[0]) / (span[1] - span[0])


def placed(part: Span, span: Span) -> str:
    """Left edge and width of a part of the span, as style."""
    left, right = (100 * share(at, span) for at in part)
    return f"left:{left:.2f}%;width:{right - left:.2f}%"


def visible(spans: Iterable[Span], span: Span) -> list[Span]:
    """Spans cut to ``span``; where too many to tell apart, neighbours are joined."""
    start, stop = span
    cut = [(max(begin, start), min(end, stop)) for begin, end in spans]
    return joined(cut, (stop - start) / _MOST_DASHES if len(cut) > _MOST_DASHES else 0.0)


def lane(spans: Iterable[Span], span: Span, name: str) -> str:
    """Stretches of time as dashes on a line."""
    dashes = (f'<span style="{placed(each, span)}"></span>' for each in visible(spans, span))
    return f'<div class="lane" role="img" aria-label="{escape(name)}">{"".join(dashes)}</div>'


def ribbon(parts: Iterable[tuple[Span, Sequence[str]]], colours: Colours, span: Span) -> str:
    """Coloured bands, named where there is room.

    parts: with a label; with two, striped, if it is undecided between them; with none for no
        answer.
    """
    bands = []
    for (start, stop), labels in parts:
        part = (max(start, span[0]), min(stop, span[1]))
        width = share(part[1], span) - share(part[0], span)
        name = escape(one_line(" or ".join(labels))) or "no answer"
        kind, style = f"c{colours[labels[0]]}" if labels else "none", placed(part, span)
        if len(labels) > 1:
            kind, style = f"{kind} undecided", f"{style};--d:var(--e{colours[labels[1]]})"
        kind += " narrow" if width < _WIDE_ENOUGH else ""
        bands.append(
            f'<span class="{kind}" style="{style}" title="{name}">'
            f"{name if width >= _WIDE_ON_DESK else ''}</span>"
        )
    return f'<div class="ribbon" aria-hidden="true">{"".join(bands)}</div>'


def axis(span: Span) -> str:
    """Times below a drawing, evenly spaced; every other one is hidden where space is scarce."""
    start, stop = span
    steps = [*_STEPS, *(3600 * hours for hours in range(2, 100))]
    step = next((each for each in steps if (stop - start) / each <= _MOST_TICKS), steps[-1])
    first = math.ceil(start / step - 1e-9)
    marks = []
    for number in range(first, math.floor(stop / step + 1e-9) + 1):
        at = 100 * share(number * step, span)
        kind = " odd" if (number - first) % 2 else ""
        edge = " first" if at < 3 else " last" if at > 97 else ""
        marks.append(
            f'<span class="tick{kind}{edge}" style="left:{at:.2f}%">'
            f"{clock(number * step, stop, digits=int(step < 1))}</span>"
        )
    return f'<div class="axis">{"".join(marks)}</div>'
