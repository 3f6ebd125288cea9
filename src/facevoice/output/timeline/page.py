"""A self-contained page: the video with everyone's curves in step with it. Works offline."""

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from facevoice import media
from facevoice.messages import counted
from facevoice.output.damage import damage_sentence
from facevoice.output.html.colours import colours_of
from facevoice.output.html.elements import (
    Colours,
    data_uri,
    details,
    legend,
    one_line,
    section,
    table,
)
from facevoice.output.html.page import care, html_page
from facevoice.output.html.thumbnails import thumbnail
from facevoice.output.html.time_axis import axis, lane, ribbon
from facevoice.output.person import FEW_SHOWN, unchanged, why_none
from facevoice.output.timeline.columns import printable
from facevoice.output.timeline.curves import curves, points_of
from facevoice.output.timeline.film import Film
from facevoice.output.timeline.spans import (
    NOBODY,
    cells,
    doubt,
    labels_of,
    name_of,
    said,
    seen,
    speaking,
)
from facevoice.output.verdict import CLOSE
from facevoice.output.wording import clock, duration, listed, percent
from facevoice.timeline.summary import personal, plain, voice_shares
from facevoice.timeline.table import Person, Row, Segment, Timeline
from facevoice.types import Scores
from facevoice.types.spans import Span

MOST_SHOWN: Final = 4
"""The most people whose curves are open: those seen longest. The next ones open on demand."""
MOST_DRAWN: Final = 24
"""The most people with curves: those seen longest. The table lists everyone."""

_PERSONAL: Final = (
    "The lower, dashed curves are personal: the same scores, read against how this person usually"
    " looks and sounds."
)
_STRIPED: Final = (
    "The coloured bands name the emotion; where they are striped, it is undecided between two:"
    f" {CLOSE}."
)
_SCRIPT: Final = Path(__file__).with_name("page.js")
_STYLE: Final = Path(__file__).with_name("page.css")


def to_html(timeline: Timeline, film: Film) -> str:
    """The page of a timeline on the player's clock; a media file above 8 MB is linked.

    Raises:
        FacevoiceError: the media file cannot be read.
    """
    script = _SCRIPT.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    info = media.probe(film.path)
    media_type = media.browser_type(film.path) if info.kind != "image" else None
    address = "" if media_type is None else film.address(media_type)
    allowed = "data:" if address.startswith("data:") else "'self' file:"
    colours = colours_of(timeline.labels)
    by_time = sorted(timeline.people, key=lambda each: -each.seconds_seen)
    shown, drawn = by_time[:MOST_SHOWN], by_time[:MOST_DRAWN]
    people: list[Person | None] = [*sorted(shown, key=lambda each: each.id)]
    if any(row.person is None and row.scores is not None for row in timeline.rows):
        people.append(None)
    further = sorted(drawn[MOST_SHOWN:], key=lambda each: each.id)
    sections = [
        _player(timeline, info, address, colours),
        _people(timeline, info, people, further, colours),
        _tables(timeline, info, len(timeline.people) - len(drawn)),
        care(),
    ]
    people += further  # as on the page
    length = duration(timeline.stop_seconds - timeline.start_seconds, 1)
    who = counted(len(timeline.people), "person", "people") if timeline.people else "no one seen"
    who = who if info.has_video else "sound without picture"
    damage = f"<p>{damage_sentence(timeline.damage)}</p>" if timeline.damage else ""
    if timeline.audio_tracks is not None and timeline.audio_tracks.hint:
        damage += f"<p>{timeline.audio_tracks.hint}</p>"
    data = json.dumps([_shown(timeline, each) for each in people]).replace("<", "\\u003c")
    body = (
        f'<main data-hop="{timeline.hop_seconds:g}">{"".join(sections)}</main>'
        "<footer><p>Made by facevoice on this computer; the page loads nothing but the film.</p>"
        f'</footer><script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script>"
    )
    return html_page(
        one_line(printable(film.name)),
        "Emotion in face and voice over time, as guessed by a model",
        f"<p>{length}, {who}, model {escape(timeline.bundle_name)}</p>{damage}",
        body,
        _STYLE,
        allowed=f"; media-src {allowed}; script-src 'sha256-{digest}'; base-uri 'none'",
    )


def _player(timeline: Timeline, info: media.MediaInfo, address: str, colours: Colours) -> str:
    kind = "video" if info.has_video else "audio"
    film = '<p id="trouble">Browsers do not play this kind of file. The curves work without it.</p>'
    if address:
        film = (
            f'<{kind} id="film" controls preload="metadata" src="{escape(address)}"></{kind}>'
            '<p id="trouble" hidden>This browser cannot play the file, or the file is no longer'
            " where it was when the page was made. The curves work without it.</p>"
        )
    start, stop = timeline.start_seconds, timeline.stop_seconds
    return (
        f'<section class="film"><h2 class="away">Film</h2>{film}'
        '<div class="place" hidden><label for="position">Position</label>'
        f'<input type="range" id="position" min="{start:.3f}" max="{stop:.3f}" step="any"'
        f' value="{start:.3f}"><output id="clock" for="position"></output></div>'
        f"{legend(timeline.labels, colours)}</section>"
    )


def _people(
    timeline: Timeline,
    info: media.MediaInfo,
    people: Sequence[Person | None],
    further: Sequence[Person],
    colours: Colours,
) -> str:
    """Everyone with curves; those seen briefly open on demand."""
    if not people:
        return ""
    about = "The blue bar below the curves: speech."
    if timeline.people:
        about = (
            "The bars below the curves: grey while the face is seen, blue while the person speaks."
            " Numbers count people in the order in which they are first seen. Nobody is followed"
            " across a cut: someone who is seen again after one has a new number."
        )
    if any(row.personal is not None for row in timeline.rows):
        about += f" {_PERSONAL}"
    about += f" {_STRIPED}"
    nobody = name_of(None) if info.has_video else "the voice"
    bodies = "".join(_person(timeline, each, colours, nobody) for each in people)
    if further:
        inner = "".join(_person(timeline, each, colours) for each in further)
        more = counted(len(further), "more person", "more people")
        bodies += details(more, inner)
    heading = "Who shows what, when" if timeline.people else "What the voice sounds like, when"
    return section(heading, bodies, about, kind="people")


def _person(
    timeline: Timeline, person: Person | None, colours: Colours, nobody: str = NOBODY
) -> str:
    """One person's drawings; nobody: what a voice without a person is called."""
    whom = None if person is None else person.id
    name = nobody if whom is None else name_of(whom)
    span = (timeline.start_seconds, timeline.stop_seconds)
    there = None if person is None else seen(timeline, person.id)
    about = "Speech that was attributed to no one in view. " if timeline.people else ""
    lanes = _lane("speaks", speaking(timeline, whom), span)
    if person is not None:
        lanes = _lane("seen", there or [], span) + lanes
        spoken = duration(person.seconds_speaking, 1)
        speaks = f"speaks for {spoken}" if person.seconds_speaking > 0 else "does not speak"
        about = f"Seen for {duration(person.seconds_seen, 1)}, {speaks}. "
    about += _mostly(timeline, person)
    if timeline.personal is not None:
        about += f" {_personally(timeline, person)}"
    return (
        f'<article class="person">{_face(person)}<div><h3>{name.capitalize()}</h3>'
        f'<p class="now" hidden></p><p class="about">{escape(about)}</p></div><div class="time">'
        f"{_drawings(timeline, whom, there, colours)}{lanes}"
        f'<i class="head" hidden></i></div>{axis(span)}</article>'
    )


def _drawings(
    timeline: Timeline, whom: int | None, there: Sequence[Span] | None, colours: Colours
) -> str:
    """A person's curves with the segments below; twice if there are personal answers."""
    span = (timeline.start_seconds, timeline.stop_seconds)
    rows, places = timeline.rows_of(whom), cells(timeline)

    def drawn(of: Callable[[Row], Scores | None], segments: Iterable[Segment]) -> str:
        points = points_of(rows, places, there, of)
        lines = curves(points, timeline.labels, colours, span, timeline.cuts, own=of is personal)
        named = (
            ((each.start_seconds, each.stop_seconds), labels_of(each))
            for each in segments
            if each.person == whom
        )
        return lines + ribbon(named, colours, span)

    usual = drawn(plain, timeline.segments)
    if timeline.personal_segments is None or not any(map(personal, rows)):
        return usual
    own = drawn(personal, timeline.personal_segments)
    return f'<p class="which">plain</p>{usual}<p class="which">personal</p>{own}'


def _face(person: Person | None, kind: str = "face") -> str:
    """The portrait of a person; nothing if there is none."""
    if person is None or person.portrait is None:
        return ""
    picture = data_uri("image/jpeg", thumbnail(person.portrait, len(person.portrait)))
    alt = f"Face of {name_of(person.id)}"
    return f'<img class="{kind}" src="{picture}" width="64" height="64" alt="{alt}">'


def _mostly(timeline: Timeline, person: Person | None) -> str:
    shares = _largest(voice_shares(timeline) if person is None else person.shares)
    if not shares:
        return "Nothing could be scored."
    unsure = doubt(timeline.segments, None if person is None else person.id)
    return f"Share of the time: {shares}{unsure}."


def _personally(timeline: Timeline, person: Person | None) -> str:
    own = voice_shares(timeline, personal) if person is None else person.personal_shares
    whom = None if person is None else person.id
    shares, rows = _largest(own), timeline.rows_of(whom)
    if shares and unchanged((row.personal, row.scores) for row in rows):
        return f"Personal: the same, since {FEW_SHOWN}."
    if shares:
        return f"Personal: {shares}{doubt(timeline.personal_segments or (), whom)}."
    return f"No personal curves: {why_none(rows)}."


def _largest(shares: Mapping[str, float]) -> str:
    first = sorted(shares.items(), key=lambda item: -item[1])[:3]
    return listed([f"{one_line(label)} {percent(share)}" for label, share in first if share > 0])


def _lane(name: str, spans: Sequence[Span], span: Span) -> str:
    caption = f"{name}: {counted(len(spans), 'stretch', 'stretches')}"
    return f'<div class="kind {name}">{lane(spans, span, caption)}</div>'


def _tables(timeline: Timeline, info: media.MediaInfo, left_out: int) -> str:
    last = timeline.stop_seconds
    own = () if timeline.personal is None else ("Personal",)
    people = [
        (
            f"{_face(each, 'small')}{name_of(each.id)}",
            clock(each.first_seen_seconds, last),
            clock(each.last_seen_seconds, last),
            duration(each.seconds_seen, 1),
            duration(each.seconds_speaking, 1),
            "nothing scored" if each.emotion is None else escape(one_line(each.emotion)),
            *_own_cell(timeline, each.personal_emotion),
        )
        for each in timeline.people
    ]
    segments = [
        (
            name_of(each.person) if info.has_video else "the voice",
            clock(each.start_seconds, last),
            clock(each.stop_seconds, last),
            escape(one_line(each.emotion)),
            "" if math.isnan(each.score) else percent(each.score),
            "" if each.undecided is None else escape(one_line(each.undecided)),
            *_own_cell(timeline, each.personal_emotion),
        )
        for each in timeline.segments
    ]
    cuts = listed([clock(cut, last) for cut in timeline.cuts.tolist()])
    about, body = "", ""
    if people:
        body = table(("Who", "First seen", "Last seen", "Seen", "Speaks", "Mostly", *own), people)
        about = "Everyone who was seen."
    if left_out:
        about += f" Curves are drawn for all but {left_out} of them."
    if segments:
        rows = table(("Who", "From", "To", "Emotion", "Score", "Undecided with", *own), segments)
        body += details("All segments", rows)
    if cuts:
        body += details(counted(len(timeline.cuts), "cut"), f"<p>{cuts}</p>")
    return section("As tables", body, about) if body else ""


def _own_cell(timeline: Timeline, emotion: str | None) -> tuple[str, ...]:
    """The cell of a column that only stands there if personal answers were asked for."""
    if timeline.personal is None:
        return ()
    return ("none" if emotion is None else escape(one_line(emotion)),)


def _shown(timeline: Timeline, person: Person | None) -> dict[str, Any]:
    """What the script shows for a person at the playhead."""

    def rounded(spans: Sequence[Span]) -> list[list[float]]:
        return [[round(start, 3), round(stop, 3)] for start, stop in spans]

    def told(segments: Iterable[Segment]) -> list[list[float | str]]:
        return [
            [round(each.start_seconds, 3), round(each.stop_seconds, 3), said(each)]
            for each in segments
            if each.person == whom
        ]

    whom = None if person is None else person.id
    return {
        "segments": told(timeline.segments),
        "personal": told(timeline.personal_segments or ()),
        "seen": None if whom is None else rounded(seen(timeline, whom)),
        "speaks": rounded(speaking(timeline, whom)),
    }
