"""A timeline on another clock."""

from dataclasses import replace

from facevoice.timeline.table import Timeline


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
        rows=tuple(
            replace(
                row,
                start_seconds=row.start_seconds - seconds,
                stop_seconds=row.stop_seconds - seconds,
            )
            for row in timeline.rows
        ),
        segments=tuple(
            replace(
                segment,
                start_seconds=segment.start_seconds - seconds,
                stop_seconds=segment.stop_seconds - seconds,
            )
            for segment in timeline.segments
        ),
        frames=None
        if frames is None
        else replace(frames, times_seconds=frames.times_seconds - seconds),
    )
