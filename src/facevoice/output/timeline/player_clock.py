"""A timeline on another clock."""

from dataclasses import replace
from typing import TypeVar

from facevoice.timeline.table import Row, Segment, Timeline

Spanned = TypeVar("Spanned", Row, Segment)


def moved(timeline: Timeline, seconds: float) -> Timeline:
    """The same timeline with ``seconds`` taken off all times."""
    frames = timeline.frames
    return replace(
        timeline,
        start_seconds=timeline.start_seconds - seconds,
        stop_seconds=timeline.stop_seconds - seconds,
        cuts=timeline.cuts - seconds,
        people=tuple(
            replace(
                person,
                first_seen_seconds=person.first_seen_seconds - seconds,
                last_seen_seconds=person.last_seen_seconds - seconds,
            )
            for person in timeline.people
        ),
        rows=tuple(_span_moved(row, seconds) for row in timeline.rows),
        segments=tuple(_span_moved(segment, seconds) for segment in timeline.segments),
        frames=None
        if frames is None
        else replace(frames, times_seconds=frames.times_seconds - seconds),
    )


def _span_moved(item: Spanned, seconds: float) -> Spanned:
    return replace(
        item,
        start_seconds=item.start_seconds - seconds,
        stop_seconds=item.stop_seconds - seconds,
    )
