"""What annotation programs show: named tiers of labelled spans on the player's clock.

Subtitles, ELAN and browsers count as the player does, see ``player_origin``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.output.timeline.spans import Span, name_of, seen, shots, speaking
from facevoice.timeline.table import Timeline

_DIGITS: Final = 6  # microseconds: below it only rounding errors
_FROM_ZERO: Final = (".mp4", ".m4v", ".m4a", ".mov", ".3gp", ".3g2", ".mkv", ".mka", ".webm")


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled span, in seconds of the player's clock."""

    start_seconds: float
    stop_seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Tier:
    """Marks in order of time that do not overlap.

    kind: "emotion", "speaking", "seen" or "shots".
    """

    name: str
    kind: str
    marks: Sequence[Mark]


def player_origin(source: Path) -> float:
    """Presentation time that players call 0, in seconds.

    In MP4, QuickTime and Matroska that is 0: a film may begin later. The clock of a broadcast
    stream and of other formats is arbitrary, so players count from the first instant.

    Raises:
        FacevoiceError: the media file is absent or cannot be read.
    """
    first = media.probe(source).start_seconds
    return 0.0 if source.suffix.lower() in _FROM_ZERO else first


def tiers_of(timeline: Timeline, origin: float) -> list[Tier]:
    """Per person the emotion, speech and sight; the voice of nobody seen; the shots."""
    emotions = {
        whom: [each for each in timeline.segments if each.person == whom]
        for whom in (*(person.id for person in timeline.people), None)
    }
    tiers = []
    for whom, segments in emotions.items():
        heard = speaking(timeline, whom)
        if whom is None and not segments and not heard:
            continue
        name = name_of(whom)
        labelled = [((each.start_seconds, each.stop_seconds), each.emotion) for each in segments]
        tiers.append(Tier(f"{name} emotion", "emotion", _marks(labelled, origin)))
        tiers.append(Tier(f"{name} speaking", "speaking", _marks(_all(heard, "speaking"), origin)))
        if whom is not None:
            there = _all(seen(timeline, whom), "seen")
            tiers.append(Tier(f"{name} seen", "seen", _marks(there, origin)))
    numbered = [(span, f"shot {number}") for number, span in enumerate(shots(timeline), 1)]
    return [*tiers, Tier("shots", "shots", _marks(numbered, origin))]


def _all(spans: Iterable[Span], text: str) -> list[tuple[Span, str]]:
    return [(span, text) for span in spans]


def _marks(labelled: Iterable[tuple[Span, str]], origin: float) -> list[Mark]:
    """Spans on the player's clock; one that begins before its predecessor ends is cut there."""
    marks: list[Mark] = []
    for (begin, end), text in sorted(labelled):
        earliest = marks[-1].stop_seconds if marks else 0.0
        start = max(round(begin - origin, _DIGITS), earliest)
        stop = round(end - origin, _DIGITS)
        if stop > start:
            marks.append(Mark(start, stop, one_line(text)))
    return marks


def one_line(text: str) -> str:
    """Text without line breaks or control characters."""
    return "".join(c if c.isprintable() else " " for c in text)
