"""WebVTT subtitles: a cue for each segment (https://www.w3.org/TR/webvtt1/)."""

import math
from pathlib import Path

from facevoice.output.timeline.spans import name_of
from facevoice.output.timeline.tiers import one_line, player_origin
from facevoice.timeline.table import Segment, Timeline
from facevoice.writing import replacing


def write_vtt(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.vtt``, which players take up beside a video of that name.

    Raises:
        FacevoiceError: the media file cannot be read, or the subtitles cannot be written.
    """
    path = folder / f"{source.stem}.vtt"
    text = _subtitles(timeline, player_origin(source))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return [path]


def _subtitles(timeline: Timeline, origin: float) -> str:
    in_time = sorted(timeline.segments, key=lambda each: (each.start_seconds, each.stop_seconds))
    return "\n\n".join(["WEBVTT", *(_cue(each, origin) for each in in_time)]) + "\n"


def _cue(segment: Segment, origin: float) -> str:
    start = max(0, round(1000 * (segment.start_seconds - origin)))
    stop = max(start + 1, round(1000 * (segment.stop_seconds - origin)))  # a cue must not be empty
    score = "" if math.isnan(segment.score) else f" {100 * segment.score:.0f}%"
    who = _escaped(name_of(segment.person))
    return f"{_clock(start)} --> {_clock(stop)}\n<v {who}>{who}: {_escaped(segment.emotion)}{score}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _escaped(text: str) -> str:
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace(">", "&gt;")
