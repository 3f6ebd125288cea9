"""A timeline as one JSON object, described by docs/timeline.schema.json."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facevoice.output.timeline.tables import VERSION, printable
from facevoice.timeline.table import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import Scores
from facevoice.writing import replacing


def write_json(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.json``.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"{source.stem}.json"
    text = json.dumps(record_of(timeline), ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return [path]


def record_of(timeline: Timeline) -> dict[str, Any]:
    """The timeline as JSON values; NaN becomes None."""
    return {
        "schema_version": VERSION,
        "path": printable(timeline.path),
        "bundle": {"name": timeline.bundle_name, "sha256": timeline.bundle_sha256},
        "labels": list(timeline.labels),
        "duration_seconds": timeline.duration_seconds,
        "start_seconds": timeline.start_seconds,
        "stop_seconds": timeline.stop_seconds,
        "window_seconds": timeline.window_seconds,
        "hop_seconds": timeline.hop_seconds,
        "cuts_seconds": timeline.cuts.tolist(),
        "people": [_person(person) for person in timeline.people],
        "windows": [row_record(row) for row in timeline.rows],
        "segments": [_segment(segment) for segment in timeline.segments],
        "frames": None if timeline.frames is None else _frames(timeline.frames, timeline.labels),
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "first_seen_seconds": person.first_seen_seconds,
        "last_seen_seconds": person.last_seen_seconds,
        "seconds_seen": person.seconds_seen,
        "seconds_speaking": person.seconds_speaking,
        "emotion": person.emotion,
        "shares": dict(person.shares),
    }


def row_record(row: Row) -> dict[str, Any]:
    """One person in one window as JSON values; NaN becomes None."""
    return {
        "start_seconds": row.start_seconds,
        "stop_seconds": row.stop_seconds,
        "person": row.person,
        "emotion": row.emotion,
        "confidence": _known(row.confidence),
        "scores": _scores(row.scores),
        "face": _scores(row.face),
        "voice": _scores(row.voice),
        "missing": dict(row.missing),
        "seen_seconds": row.seen_seconds,
        "speech_seconds": row.speech_seconds,
        "speaking_seconds": row.speaking_seconds,
        "speaker": row.speaker,
        "speaker_confidence": _known(row.speaker_confidence),
        "people": row.people,
        "box": None if row.box is None else [float(side) for side in row.box],
        "quality": _known(row.quality),
    }


def _scores(scores: Scores | None) -> dict[str, Any] | None:
    if scores is None:
        return None
    parts: Mapping[str, Scores] = scores.parts
    return {
        "scores": scores.to_dict(),
        "parts": {name: _scores(part) for name, part in parts.items()},
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "person": segment.person,
        "start_seconds": segment.start_seconds,
        "stop_seconds": segment.stop_seconds,
        "emotion": segment.emotion,
        "score": _known(segment.score),
    }


def _frames(frames: FrameTable, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    records = []
    for number, time in enumerate(frames.times_seconds.tolist()):
        scores = frames.scores[number]
        looked = len(scores) == len(labels) and not np.isnan(scores).all()
        named = zip(labels, scores.tolist(), strict=True) if looked else ()
        records.append(
            {
                "time_seconds": time,
                "person": int(frames.person[number]),
                "box": [_short(value) for value in frames.boxes[number]],
                "landmarks": [[_short(v) for v in point] for point in frames.landmarks[number]],
                "quality": _short(frames.quality[number]),
                "scores": {name: _known(value) for name, value in named} if looked else None,
            }
        )
    return records


def _short(value: np.float32) -> float | None:
    """The shortest decimal that is this float32 again."""
    return None if np.isnan(value) else float(str(value))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
