"""A self-contained page: the video with everyone's curves in step with it. Works offline.

Times on the page are the player's, see ``player_origin``.
"""

import base64
import hashlib
import json
import math
import mimetypes
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from facevoice import media
from facevoice.errors import OutputError
from facevoice.output.clip import words
from facevoice.output.clip.draw import Colours, axis, lane, swatch
from facevoice.output.html.colours import colours_of
from facevoice.output.html.page import html_page
from facevoice.output.timeline.curves import bands, curves, points_of
from facevoice.output.timeline.player_clock import moved
from facevoice.output.timeline.spans import Span, cells, name_of, seen, speaking
from facevoice.output.timeline.tables import printable
from facevoice.output.timeline.tiers import one_line, player_origin
from facevoice.timeline.table import Person, Row, Segment, Timeline
from facevoice.writing import replacing

MOST_EMBEDDED: Final = 8_000_000
"""Bytes of a media file up to which the page holds it; a longer one is linked."""
MOST_DRAWN: Final = 24
"""People with curves; of more, those seen longest. The table has all."""

_SCRIPT: Final = Path(__file__).with_name("page.js")
_STYLE: Final = Path(__file__).with_name("page.css")


def write_html(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.html``; a media file above 8 MB is linked by its place relative to it.

    Raises:
        FacevoiceError: the media file cannot be read, or the page cannot be written.
    """
    path = folder / f"{source.stem}.html"
    info = media.probe(source)
    text = _document(moved(timeline, player_origin(source)), info, source, folder)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return [path]


def _document(timeline: Timeline, info: media.MediaInfo, source: Path, folder: Path) -> str:
    script = _SCRIPT.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    address = _address(source, folder) if info.kind != "image" else ""
    film = "data:" if address.startswith("data:") else "'self' file:"
    colours = colours_of(timeline.labels)
    drawn = sorted(timeline.people, key=lambda each: -each.seconds_seen)[:MOST_DRAWN]
    people: list[Person | None] = [*sorted(drawn, key=lambda each: each.id)]
    if any(row.person is None and row.scores is not None for row in timeline.rows):
        people.append(None)
    sections = [
        _player(timeline, info, address, colours),
        *(_person(timeline, each, colours) for each in people),
        _tables(timeline, len(timeline.people) - len(drawn)),
        _care(),
    ]
    count = len(timeline.people)
    length = words.length(timeline.stop_seconds - timeline.start_seconds)
    who = "nobody seen" if not count else "one person" if count == 1 else f"{count} people"
    data = json.dumps(_data(timeline, people)).replace("<", "\\u003c")
    body = (
        f'<main data-hop="{timeline.hop_seconds:g}">{"".join(sections)}</main>'
        "<footer><p>Made by facevoice on this computer; the page loads nothing but the film.</p>"
        f'</footer><script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script>"
    )
    return html_page(
        one_line(printable(source.name)),
        "Emotion in face and voice over time, as a model guesses it",
        f"<p>{length}, {who}, model {escape(timeline.bundle_name)}</p>",
        body,
        _STYLE,
        allowed=f"; media-src {film}; script-src 'sha256-{digest}'; base-uri 'none'",
    )


def _address(source: Path, folder: Path) -> str:
    """The media file itself as an address if it is small, else where it is."""
    try:
        if source.stat().st_size <= MOST_EMBEDDED:
            kind = mimetypes.guess_type(source.name)[0] or "video/mp4"
            content = base64.b64encode(source.read_bytes()).decode("ascii")
            return f"data:{kind};base64,{content}"
        relative = os.path.relpath(source, folder)
    except OSError as error:
        raise OutputError(f"{source} cannot be read into the page: {error.strerror}") from error
    except ValueError:  # another drive
        return source.resolve().as_uri()
    return f"./{quote(os.fsencode(Path(relative).as_posix()))}"


def _player(timeline: Timeline, info: media.MediaInfo, address: str, colours: Colours) -> str:
    kind = "video" if info.has_video else "audio"
    film = ""
    if address:
        film = (
            f'<{kind} id="film" controls preload="metadata" src="{escape(address)}"></{kind}>'
            '<p id="trouble" hidden>This browser cannot play the file, or it is not where it was'
            " when the page was made. The curves work without it.</p>"
        )
    legend = "".join(
        f"<li>{swatch(label, colours)}{escape(one_line(label))}</li>" for label in timeline.labels
    )
    start, stop = timeline.start_seconds, timeline.stop_seconds
    return (
        f'<section class="film"><h2 class="away">Film</h2>{film}'
        '<div class="place" hidden><label for="position">Position</label>'
        f'<input type="range" id="position" min="{start:.3f}" max="{stop:.3f}" step="any"'
        f' value="{start:.3f}"><output id="clock" for="position"></output></div>'
        f'<ul class="legend">{legend}</ul></section>'
    )


def _person(timeline: Timeline, person: Person | None, colours: Colours) -> str:
    whom = None if person is None else person.id
    span = (timeline.start_seconds, timeline.stop_seconds)
    rows: Sequence[Row] = timeline.rows_of(whom)
    segments = [each for each in timeline.segments if each.person == whom]
    heard = speaking(timeline, whom)
    drawing = curves(
        points_of(rows, cells(timeline)), timeline.labels, colours, span, timeline.cuts
    )
    lanes = "" if person is None else _lane("seen", seen(timeline, person.id), span)
    lanes += _lane("speaks", heard, span)
    about = "Speech that nobody seen was found to speak."
    if person is not None:
        about = (
            f"Seen for {words.length(person.seconds_seen)}, speaks for"
            f" {words.length(person.seconds_speaking)}. {_mostly(person)}"
        )
    return (
        f'<section class="person"><h2>{escape(name_of(whom).capitalize())}</h2>'
        f'<p class="about">{escape(about)}</p><p class="now" hidden></p>'
        f'<div class="time">{drawing}{bands(segments, colours, span)}{lanes}'
        f'<i class="head" hidden></i></div>{axis(span)}</section>'
    )


def _mostly(person: Person) -> str:
    first = sorted(person.shares.items(), key=lambda item: -item[1])[:3]
    shares = [f"{one_line(label)} {words.percent(share)}" for label, share in first if share > 0]
    return f"Of the time: {words.listed(shares)}." if shares else "Nothing could be scored."


def _lane(name: str, spans: Sequence[Span], span: Span) -> str:
    array = np.array(spans, np.float64).reshape(-1, 2)
    told = f"{name}: {len(spans)} stretch{'' if len(spans) == 1 else 'es'}"
    return f'<div class="kind {name}"><b>{name}</b>{lane(array, span, told)}</div>'


def _tables(timeline: Timeline, left_out: int) -> str:
    last = timeline.stop_seconds
    more = f" Curves are drawn of all but {left_out} of them." if left_out else ""
    people = "".join(
        _line(
            name_of(each.id),
            words.clock(each.first_seen_seconds, last),
            words.clock(each.last_seen_seconds, last),
            words.length(each.seconds_seen),
            words.length(each.seconds_speaking),
            "nothing scored" if each.emotion is None else one_line(each.emotion),
        )
        for each in timeline.people
    )
    segments = "".join(
        _line(
            name_of(each.person),
            words.clock(each.start_seconds, last),
            words.clock(each.stop_seconds, last),
            one_line(each.emotion),
            _score(each),
        )
        for each in timeline.segments
    )
    cuts = words.listed([words.clock(cut, last) for cut in timeline.cuts.tolist()])
    return (
        f'<section><h2>As tables</h2><p class="about">Everyone who was seen.{more}</p>'
        + _table(("Who", "First seen", "Last seen", "Seen", "Speaks", "Mostly"), people)
        + "<details><summary>All segments</summary>"
        + _table(("Who", "From", "To", "Emotion", "Score"), segments)
        + f"</details><details><summary>{len(timeline.cuts)} cuts</summary>"
        f"<p>{cuts or 'None were found.'}</p></details></section>"
    )


def _score(segment: Segment) -> str:
    return "" if math.isnan(segment.score) else words.percent(segment.score)


def _line(first: str, *cells_: str) -> str:
    rest = "".join(f"<td>{escape(cell)}</td>" for cell in cells_)
    return f'<tr><th scope="row">{escape(first)}</th>{rest}</tr>'


def _table(heads: Sequence[str], lines: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _care() -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in words.CARE)
    return f'<section class="care"><h2>Use it with care</h2>{text}</section>'


def _data(timeline: Timeline, people: Sequence[Person | None]) -> list[dict[str, Any]]:
    """What the script says of each person at the play head, in the order of the sections."""

    def rounded(spans: Sequence[Span]) -> list[list[float]]:
        return [[round(start, 3), round(stop, 3)] for start, stop in spans]

    records = []
    for person in people:
        whom = None if person is None else person.id
        segments = [
            [
                round(each.start_seconds, 3),
                round(each.stop_seconds, 3),
                f"{one_line(each.emotion)} {_score(each)}".strip(),
            ]
            for each in timeline.segments
            if each.person == whom
        ]
        there = None if person is None else rounded(seen(timeline, person.id))
        records.append(
            {"segments": segments, "seen": there, "speaks": rounded(speaking(timeline, whom))}
        )
    return records
