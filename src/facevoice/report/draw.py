"""The report's drawings: small inline SVG, and tables with bars. All text is escaped."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from facevoice.messages import counted
from facevoice.output.html.colours import colours_of
from facevoice.report.words import percent
from facevoice.scores.calibration import RiskCoverage
from facevoice.scores.metrics import ConfusionMatrix, GroupSpread, Interval, ReliabilityBins
from facevoice.types import Float64Array

_SIDE: Final = 300
_LEFT, _TOP = 44, 12
_WIDTH, _HEIGHT = _SIDE + _LEFT + 12, _SIDE + _TOP + 42
_MOST_POINTS: Final = 300


def confusion_table(matrix: ConfusionMatrix) -> str:
    """The confusion as in the paper's Fig. 2: row = truth, percent, darker = more."""
    silent = bool(matrix.unanswered.any())
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in matrix.labels)
    head += '<th scope="col">no answer</th>' if silent else ""
    rows = []
    for place, label in enumerate(matrix.labels):
        cells = [
            _shaded(value, own=place == column)
            for column, value in enumerate(matrix.row_percent[place])
        ]
        support = int(matrix.support[place])
        if silent:
            cells.append(
                _shaded(100 * int(matrix.unanswered[place]) / support if support else np.nan)
            )
        rows.append(
            f'<tr><th scope="row">{escape(label)}</th>{"".join(cells)}'
            f'<td class="count">{support}</td></tr>'
        )
    return (
        '<div class="scroll"><table class="confusion"><thead><tr><td></td>'
        f'{head}<th scope="col" class="count">clips</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _shaded(value: float, *, own: bool = False) -> str:
    if not np.isfinite(value):
        return '<td class="none">–</td>'
    classes = [*(["own"] if own else []), *(["strong"] if value > 55 else [])]
    kind = f' class="{" ".join(classes)}"' if classes else ""
    # a phone has room for whole per cents alone
    return (
        f'<td{kind} style="--share:{value:.1f}%" data-whole="{value:.0f}">'
        f"<span>{value:.2f}</span></td>"
    )


def class_bars(matrix: ConfusionMatrix) -> str:
    """Recall and precision of each class as bars."""
    colours = colours_of(matrix.labels)
    rows = []
    for place, label in enumerate(matrix.labels):
        recall, precision = matrix.recall[place], matrix.precision[place]
        rows.append(
            f'<tr><th scope="row">{escape(label)}</th><td class="pair">'
            f'<span class="c{colours[label]}" style="width:{_width(recall)}"></span>'
            f'<span class="c{colours[label]} thin" style="width:{_width(precision)}"></span></td>'
            f"<td>{percent(recall)}</td><td>{percent(precision)}</td>"
            f"<td>{percent(matrix.f1[place])}</td></tr>"
        )
    return (
        '<table class="classes"><thead><tr><td></td><td></td><th scope="col">recall</th>'
        '<th scope="col">precision</th><th scope="col">F1</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _width(share: float) -> str:
    return f"{100 * share:.1f}%" if np.isfinite(share) else "0"


def interval_bar(value: float, interval: Interval, chance: float) -> str:
    """A figure with its interval on a line from 0 to 1; a tick marks chance."""
    low, high = 100 * interval.low, 100 * interval.high
    return (
        f'<span class="whisker" aria-hidden="true">'
        f'<i class="chance" style="left:{100 * chance:.1f}%"></i>'
        f'<i class="range" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<i class="point" style="left:{100 * value:.1f}%"></i></span>'
    )


def share_bar(share: float, folds: Float64Array | None) -> str:
    """A weight's share as a bar, with a tick for each fold."""
    ticks = (
        ""
        if folds is None
        else "".join(f'<i class="fold" style="left:{100 * fold:.1f}%"></i>' for fold in folds)
    )
    return (
        f'<span class="share" aria-hidden="true"><i class="bar" style="width:{100 * share:.1f}%">'
        f"</i>{ticks}</span>"
    )


def reliability(bins: ReliabilityBins) -> str:
    """Accuracy against confidence; the darker a bar, the more clips it stands for."""
    most = max(int(bins.count.max()), 1)
    columns = (bins.edges[:-1], bins.edges[1:], bins.count, bins.accuracy, bins.confidence)
    filled = [each for each in zip(*columns, strict=True) if each[2]]
    drawn = "".join(
        f'<rect class="bin" x="{_x(low) + 1:.1f}" y="{_y(accuracy):.1f}"'
        f' width="{_SIDE * (high - low) - 2:.1f}" height="{_y(0) - _y(accuracy):.1f}"'
        f' fill-opacity="{0.35 + 0.65 * count / most:.2f}"><title>{100 * low:.0f}–{100 * high:.0f}'
        f" %: {count} clips, {100 * accuracy:.1f} % right</title></rect>"
        for low, high, count, accuracy, _ in filled
    )
    points = " ".join(
        f"{_x(confidence):.1f},{_y(accuracy):.1f}" for _, _, _, accuracy, confidence in filled
    )
    return _plot(
        f'<path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>{drawn}'
        f'<polyline class="curve" points="{points}"/>',
        "highest score (%)",
        "right (%)",
        "Reliability diagram: share of right answers by highest score",
    )


def risk_curve(curve: RiskCoverage, threshold: float | None) -> str:
    """Share of wrong answers against share of clips answered."""
    chosen = np.unique(np.linspace(0, len(curve.coverage) - 1, _MOST_POINTS).round().astype(int))
    points = " ".join(
        f"{_x(curve.coverage[place]):.1f},{_y(curve.risk[place]):.1f}" for place in chosen
    )
    mark = ""
    if threshold is not None:
        answered = np.flatnonzero(curve.threshold >= threshold)
        if len(answered):
            place = answered[-1]
            mark = (
                f'<circle class="mark" cx="{_x(curve.coverage[place]):.1f}"'
                f' cy="{_y(curve.risk[place]):.1f}" r="5"><title>threshold {threshold:.3f}</title>'
                "</circle>"
            )
    return _plot(
        f'<polyline class="curve" points="{points}"/>{mark}',
        "clips answered (%)",
        "wrong answers (%)",
        "Risk-coverage curve",
    )


def group_bars(spread: GroupSpread) -> str:
    """WAR of each group as columns, sorted; a line marks the mean."""
    order = np.argsort(-spread.war, kind="stable")
    wide = 1000 / len(order)
    columns = "".join(
        f'<rect class="bin" x="{wide * at + 0.08 * wide:.2f}" width="{0.84 * wide:.2f}"'
        f' y="{100 - 100 * spread.war[place]:.1f}" height="{100 * spread.war[place]:.1f}"><title>'
        f"{escape(spread.groups[place])}: {percent(float(spread.war[place]))} % of"
        f" {spread.size[place]} clips</title></rect>"
        for at, place in enumerate(order)
    )
    mean = 100 - 100 * float(spread.war.mean())
    return (
        '<svg class="columns" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        f' aria-label="WAR of {counted(len(order), "group")}, from the highest to the lowest">'
        f'{columns}<path class="ideal" d="M0 {mean:.1f}H1000"/></svg>'
    )


def _x(share: float) -> float:
    return _LEFT + _SIDE * share


def _y(share: float) -> float:
    return _TOP + _SIDE * (1 - share)


def _plot(inside: str, below: str, beside: str, caption: str) -> str:
    """A square from 0 to 100 % with its axes."""
    return (
        f'<svg class="square" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(caption)}">{_axes(below, beside)}{inside}</svg>'
    )


def _axes(below: str, beside: str) -> str:
    marks: list[str] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        marks += [
            f'<path class="grid" d="M{_x(0)} {_y(share)}H{_x(1)}M{_x(share)} {_y(0)}V{_y(1)}"/>',
            f'<text x="{_x(share)}" y="{_y(0) + 16}" text-anchor="middle">{100 * share:.0f}</text>',
            f'<text x="{_x(0) - 7}" y="{_y(share) + 4}" text-anchor="end">{100 * share:.0f}</text>',
        ]
    middle = _y(0.5)
    return (
        "".join(marks)
        + f'<text x="{_x(0.5)}" y="{_y(0) + 36}" text-anchor="middle">{escape(below)}</text>'
        + f'<text x="12" y="{middle}" text-anchor="middle"'
        f' transform="rotate(-90 12 {middle})">{escape(beside)}</text>'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; the cells are HTML, the caller escapes them."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def section(heading: str, about: str, body: str) -> str:
    """A section of the page; heading and the text below it are escaped, the body is HTML."""
    text = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(heading)}</h2>{text}{body}</section>"
