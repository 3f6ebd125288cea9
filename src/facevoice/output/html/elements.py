"""Elements that several pages share: tables, bars, legends, sections. All of it is HTML."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from facevoice.output.wording import percent
from facevoice.types import Scores

Colours = Mapping[str, int]
"""The number of each label's colour, see ``colours_of``."""

_NARROW: Final = 4
"""The most columns of a table that a phone shows; a wider one says that it scrolls."""


def section(heading: str, body: str, about: str = "", kind: str = "") -> str:
    """A section of a page; heading and the text below it are escaped, the body is HTML."""
    attribute = f' class="{kind}"' if kind else ""
    text = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section{attribute}><h2>{escape(heading)}</h2>{text}{body}</section>"


def paragraphs(texts: Iterable[str]) -> str:
    """Plain text as paragraphs."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the rows; heads and cells are HTML, not escaped here."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    wide = " wide" if len(head) > _NARROW else ""
    return (
        f'<div class="scroll{wide}"><table class="numbers"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A list of names and values; both are escaped here."""
    items = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f"<dl>{''.join(items)}</dl>"


def details(summary: str, body: str) -> str:
    """A body that opens on demand; both are HTML."""
    return f"<details><summary>{summary}</summary>{body}</details>"


def legend(labels: Iterable[str], colours: Colours) -> str:
    """The labels with their colours, which screen readers skip."""
    items = (
        f'<li><i class="swatch c{colours[label]}" aria-hidden="true"></i>{escape(one_line(label))}'
        "</li>"
        for label in labels
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def bars(scores: Scores, colours: Colours, caption: str) -> str:
    """A table of all labels, with a bar and a number for each."""
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


def curve_paths(labels: Sequence[str], colours: Colours, paths: Sequence[Sequence[str]]) -> str:
    """One SVG path per label in its colour, made of pieces; none for a label without pieces."""
    return "".join(
        f'<path class="c{colours[label]}" d="{"".join(pieces)}"/>'
        for label, pieces in zip(labels, paths, strict=True)
        if pieces
    )


def data_uri(kind: str, content: bytes) -> str:
    """A file as an address that holds it; kind: its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def one_line(text: str) -> str:
    """Text without line breaks or control characters."""
    return "".join(c if c.isprintable() else " " for c in text)
