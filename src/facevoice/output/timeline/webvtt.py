"""WebVTT subtitles: one cue per segment (https://www.w3.org/TR/webvtt1/)."""

from html import escape

from facevoice.output.html.elements import one_line
from facevoice.output.timeline.spans import name_of, said
from facevoice.timeline.table import Segment, Timeline


def to_vtt(timeline: Timeline) -> str:
    """Subtitles of a timeline on the player's clock."""
    in_time = sorted(timeline.segments, key=lambda each: (each.start_seconds, each.stop_seconds))
    return "\n\n".join(["WEBVTT", *map(_cue, in_time)]) + "\n"


def _cue(segment: Segment) -> str:
    start = max(0, round(1000 * segment.start_seconds))
    stop = max(start + 1, round(1000 * segment.stop_seconds))  # a cue must not be empty
    who, emotion = name_of(segment.person), escape(said(segment), quote=False)
    own = ""
    if segment.personal_emotion is not None:
        own = f" (personal: {escape(one_line(segment.personal_emotion), quote=False)})"
    return f"{_clock(start)} --> {_clock(stop)}\n<v {who}>{who}: {emotion}{own}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
