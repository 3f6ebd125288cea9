"""What annotation programs show: named tiers of labelled spans."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from facevoice.output.html.elements import one_line
from facevoice.output.timeline.spans import emotions, name_of, seen, shots, speaking
from facevoice.timeline.table import Timeline
from facevoice.types.spans import Span

_DIGITS: Final = 6  # microseconds: below it only rounding errors


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled span, in seconds."""

    start_seconds: float
    stop_seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Tier:
    """Marks in order of time that do not overlap.

    kind: "emotion", "personal emotion", "speaking", "seen" or "shots"; it ends the name.
    """

    name: str
    kind: str
    marks: Sequence[Mark]


def tiers_of(timeline: Timeline) -> list[Tier]:
    """Emotion, speech and sight of each person; the voice of no one in view; the shots.

    A person's emotion against his or her own baseline has a tier below the plain one.
    """
    tiers = []
    for whom in (*(person.id for person in timeline.people), None):
        name, heard = name_of(whom), speaking(timeline, whom)
        segments = emotions(timeline.segments, whom)
        if whom is not None or segments or heard:
            tiers.append(Tier(f"{name} emotion", "emotion", _marks(segments)))
            own = _marks(emotions(timeline.personal_segments or (), whom))
            if own or (whom is not None and timeline.personal_segments is not None):
                tiers.append(Tier(f"{name} personal emotion", "personal emotion", own))
            said = _marks((each, "speaking") for each in heard)
            tiers.append(Tier(f"{name} speaking", "speaking", said))
        if whom is not None:
            there = ((each, "seen") for each in seen(timeline, whom))
            tiers.append(Tier(f"{name} seen", "seen", _marks(there)))
    numbered = ((span, f"shot {number}") for number, span in enumerate(shots(timeline), 1))
    return [*tiers, Tier("shots", "shots", _marks(numbered))]


def _marks(labelled: Iterable[tuple[Span, str]]) -> list[Mark]:
    """Spans as marks from 0 on; one that begins before its predecessor ends is cut there."""
    marks: list[Mark] = []
    for (begin, end), text in sorted(labelled):
        earliest = marks[-1].stop_seconds if marks else 0.0
        start, stop = max(round(begin, _DIGITS), earliest), round(end, _DIGITS)
        if stop > start:
            marks.append(Mark(start, stop, one_line(text)))
    return marks
