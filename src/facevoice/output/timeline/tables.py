"""A timeline as flat tables: what CSV and Parquet hold, and back again.

docs/timeline.md describes every column. A cell that does not apply is None: an empty cell in CSV,
null in Parquet. Numbers keep their full precision, so that reading gives the same timeline.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError, OutputError
from facevoice.timeline.table import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import MODALITIES, Scores

VERSION: Final = "1.0"
"""Of the tables and of the JSON record; the number before the dot tells who can read them."""

Kind = Literal["text", "int", "float", "float32"]
ScorePath = tuple[str, ...]
"""Where scores stand: "scores" (fused), "face" or "voice", then the branches below it."""

TABLES: Final = ("about", "windows", "people", "segments", "frames")
SIDES: Final = ("left", "top", "right", "bottom")
POINTS: Final = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length.

    kinds: of each column, by its name, in order.
    rows: the values of each line, in the order of the columns; None where nothing applies.
    """

    kinds: Mapping[str, Kind]
    rows: Sequence[Sequence[Any]]

    def columns(self) -> dict[str, list[Any]]:
        """The values of each column."""
        turned = list(zip(*self.rows, strict=True)) or [()] * len(self.kinds)
        return {name: list(values) for name, values in zip(self.kinds, turned, strict=True)}


def tables_of(timeline: Timeline) -> dict[str, Table]:
    """The tables of a timeline by name; without "frames" if it has none.

    Raises:
        InvalidInputError: labels and branches have names that would give two columns one name.
    """
    paths = _score_paths(timeline.rows)
    tables = {
        "about": _about(timeline, paths),
        "windows": _windows(timeline, paths),
        "people": _people(timeline),
        "segments": _segments(timeline),
    }
    if timeline.frames is not None:
        tables["frames"] = _frames(timeline.frames, timeline.labels)
    return tables


def printable(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file's name that are none are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def remove_absent(folder: Path, stem: str, suffix: str, written: Sequence[Path]) -> None:
    """Remove tables of an earlier timeline that this one does not have.

    Raises:
        OutputError: such a file cannot be removed.
    """
    for path in (folder / f"{stem}.{name}{suffix}" for name in TABLES):
        if path not in written:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"{path} cannot be removed: {error.strerror}") from error


def score_column(path: ScorePath, label: str) -> str:
    """Name of the column that holds one label's score: "face.happy", "parts.face.happy"."""
    root, *branches = path
    if not branches:
        return f"{root}.{label}"
    prefix = "parts" if root == "scores" else f"{root}.parts"
    return ".".join([prefix, *branches, label])


def _score_paths(rows: Iterable[Row]) -> list[ScorePath]:
    """Everywhere that scores stand in some row, each above its parts."""
    found: dict[ScorePath, None] = dict.fromkeys([("scores",), *((name,) for name in MODALITIES)])
    for row in rows:
        for root, scores in _roots(row).items():
            if scores is not None:
                found.update(dict.fromkeys(_below((root,), scores)))
    return list(found)


def _roots(row: Row) -> dict[str, Scores | None]:
    return {"scores": row.scores, "face": row.face, "voice": row.voice}


def _below(path: ScorePath, scores: Scores) -> Iterator[ScorePath]:
    for name, part in scores.parts.items():
        yield (*path, name)
        yield from _below((*path, name), part)


def _table(kinds: Iterable[tuple[str, Kind]], rows: Sequence[Sequence[Any]]) -> Table:
    pairs = list(kinds)
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInputError(
            f"two columns would be called {', '.join(twice)}: rename the bundle's labels or"
            " branches, or write JSON"
        )
    return Table(dict(pairs), rows)


def _about(timeline: Timeline, paths: Sequence[ScorePath]) -> Table:
    frames = None if timeline.frames is None else len(timeline.frames)
    cells: list[tuple[str, Kind, Any]] = [
        ("version", "text", VERSION),
        ("path", "text", printable(timeline.path)),
        ("duration_seconds", "float", timeline.duration_seconds),
        ("start_seconds", "float", timeline.start_seconds),
        ("stop_seconds", "float", timeline.stop_seconds),
        ("window_seconds", "float", timeline.window_seconds),
        ("hop_seconds", "float", timeline.hop_seconds),
        ("labels", "text", json.dumps(timeline.labels, ensure_ascii=False)),
        ("score_paths", "text", json.dumps(paths, ensure_ascii=False)),
        ("cuts_seconds", "text", json.dumps(timeline.cuts.tolist())),
        ("bundle.name", "text", timeline.bundle_name),
        ("bundle.sha256", "text", timeline.bundle_sha256),
        ("windows_rows", "int", len(timeline.rows)),
        ("people_rows", "int", len(timeline.people)),
        ("segments_rows", "int", len(timeline.segments)),
        ("frames_rows", "int", frames),
    ]
    kinds = [(name, kind) for name, kind, _ in cells]
    return _table(kinds, [[value for _, _, value in cells]])


def _windows(timeline: Timeline, paths: Sequence[ScorePath]) -> Table:
    def scored(wanted: Iterable[ScorePath]) -> list[tuple[str, Kind]]:
        return [
            (score_column(path, label), "float") for path in wanted for label in timeline.labels
        ]

    kinds: list[tuple[str, Kind]] = [
        ("start_seconds", "float"),
        ("stop_seconds", "float"),
        ("person", "int"),
        ("emotion", "text"),
        ("confidence", "float"),
        *scored(paths),
        *((f"missing.{modality}", "text") for modality in MODALITIES),
        ("seen_seconds", "float"),
        ("speech_seconds", "float"),
        ("speaking_seconds", "float"),
        ("speaker", "text"),
        ("speaker_confidence", "float"),
        ("people", "int"),
        *((f"box.{side}", "float") for side in SIDES),
        ("quality", "float"),
    ]
    count = len(timeline.labels)
    return _table(kinds, [_window_cells(row, paths, count) for row in timeline.rows])


def _window_cells(row: Row, paths: Sequence[ScorePath], labels: int) -> list[Any]:
    scores = [_at(_roots(row)[path[0]], path[1:]) for path in paths]
    return [
        row.start_seconds,
        row.stop_seconds,
        row.person,
        row.emotion,
        _known(row.confidence),
        *(cell for each in scores for cell in ([None] * labels if each is None else each.values)),
        *(row.missing.get(modality) for modality in MODALITIES),
        row.seen_seconds,
        row.speech_seconds,
        row.speaking_seconds,
        row.speaker,
        _known(row.speaker_confidence),
        row.people,
        *((None,) * 4 if row.box is None else row.box),
        _known(row.quality),
    ]


def _at(scores: Scores | None, branches: Sequence[str]) -> Scores | None:
    for name in branches:
        scores = None if scores is None else scores.parts.get(name)
    return scores


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _people(timeline: Timeline) -> Table:
    kinds: list[tuple[str, Kind]] = [
        ("person", "int"),
        ("first_seen_seconds", "float"),
        ("last_seen_seconds", "float"),
        ("seconds_seen", "float"),
        ("seconds_speaking", "float"),
        ("emotion", "text"),
        *((f"share.{label}", "float") for label in timeline.labels),
    ]
    return _table(kinds, [_person_cells(person, timeline.labels) for person in timeline.people])


def _person_cells(person: Person, labels: Sequence[str]) -> list[Any]:
    return [
        person.id,
        person.first_seen_seconds,
        person.last_seen_seconds,
        person.seconds_seen,
        person.seconds_speaking,
        person.emotion,
        *(person.shares.get(label) for label in labels),
    ]


def _segments(timeline: Timeline) -> Table:
    kinds: list[tuple[str, Kind]] = [
        ("person", "int"),
        ("start_seconds", "float"),
        ("stop_seconds", "float"),
        ("emotion", "text"),
        ("score", "float"),
    ]
    return _table(kinds, [_segment_cells(segment) for segment in timeline.segments])


def _segment_cells(segment: Segment) -> list[Any]:
    cells = (segment.person, segment.start_seconds, segment.stop_seconds, segment.emotion)
    return [*cells, _known(segment.score)]


def _frames(frames: FrameTable, labels: Sequence[str]) -> Table:
    scored = labels if frames.scores.shape[1] == len(labels) else ()
    kinds: list[tuple[str, Kind]] = [
        ("time_seconds", "float"),
        ("person", "int"),
        *((f"box.{side}", "float32") for side in SIDES),
        *((f"{point}.{axis}", "float32") for point in POINTS for axis in "xy"),
        ("quality", "float32"),
        *((f"face.{label}", "float") for label in scored),
    ]
    count = len(frames)
    blocks: list[NDArray[Any]] = [
        frames.boxes,
        frames.landmarks.reshape(count, 10),
        frames.quality.reshape(count, 1),
        frames.scores.reshape(count, len(scored)),
    ]
    numbers: NDArray[Any] = np.concatenate(blocks, axis=1).astype(object)
    numbers[np.concatenate([np.isnan(block) for block in blocks], axis=1)] = None
    whom = zip(frames.times_seconds.tolist(), frames.person.tolist(), numbers, strict=True)
    return _table(kinds, [[time, person, *cells] for time, person, cells in whom])
