"""The columns of a timeline's tables, described once.

CSV, Parquet, the JSON record, reading back and the tables in docs/timeline.md all follow from
``TABLES``. The JSON record is the common form: a table is a list of its objects laid out flat.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.person import Personal
from facevoice.timeline.table import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import MODALITIES, Scores

VERSION: Final = "1.1"
"""Version of the tables and of the JSON record; readers accept any with the same major number."""

Kind = Literal["text", "int", "float", "float32", "json"]
"""Type of a column's cells; "json" is text that holds a JSON value."""

_PARSE: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    "text": str,
    "int": int,
    "float": float,
    "float32": float,
    "json": json.loads,
}

ScorePath = tuple[str, ...]
"""Location of scores: "scores" (fused), "face", "voice" or "personal", then the branches below."""

LABEL: Final = "LABEL"
BRANCH: Final = "BRANCH"
BLENDSHAPE: Final = "BLENDSHAPE"
"""In a column's name and location: one column per label, one per branch and label, and one per
blendshape."""

PERSONAL: Final = frozenset({"personal", "personal_reason", "personal_shares", "personal_emotion"})
"""Where the values of columns lie that only stand in a table if personal answers were asked for."""

EXPRESSION: Final = ("blendshapes", "head_pose")
"""Where the values of columns lie that only stand in a table if blendshapes were asked for."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or a family of columns: one per label, branch and label, or blendshape.

    unit, doc: its description in docs/timeline.md.
    at: where the value lies in the JSON record; () for a field of the same name.
    since: the version of the tables that has it first.
    """

    name: str
    kind: Kind
    unit: str
    doc: str
    at: tuple[str | int, ...] = ()
    since: str = "1.0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", self.at or (self.name,))

    def of(self, name: str, *at: str | int) -> "Column":
        """The member of this family for one label, or for one branch and label."""
        return replace(self, name=name, at=at)


_SIDES: Final = tuple(enumerate(("left", "top", "right", "bottom")))
_POINTS: Final = {
    "left_eye": "eye on the viewer's left",
    "right_eye": "eye on the viewer's right",
    "nose": "tip of the nose",
    "left_mouth": "corner of the mouth on the viewer's left",
    "right_mouth": "corner of the mouth on the viewer's right",
}

_TURNS: Final = {
    "yaw": "how far the head is turned, > 0 to the viewer's right",
    "pitch": "how far it looks up (> 0) or down",
    "roll": "how far it is tilted in the picture, > 0 clockwise",
}

_DAMAGE: Final = {
    "corrupt_pictures": "pictures that the decoder flags as corrupt; they are not scored",
    "mended_stamps": "time stamps that contradict the stream's own clock and were replaced",
    "lost_packets": "packets that cannot be read or decoded",
}

_SIZE: Final = tuple(
    Column(f"picture_size.{name}", "int", "px", f"{name} of the picture that the box refers to",
           ("picture_size", n), since="1.1")
    for n, name in enumerate(("width", "height"))
)  # fmt: skip

TABLES: Final[Mapping[str, tuple[Column, ...]]] = {
    "about": (
        Column("version", "text", "", "of these tables", at=("schema_version",)),
        Column("path", "text", "", "the input as it was given"),
        Column("duration_seconds", "float", "s", "of the whole file, as stated or measured"),
        Column("start_seconds", "float", "s", "start of the part that was analysed"),
        Column("stop_seconds", "float", "s", "end of that part, not included"),
        Column("window_seconds", "float", "s", "length of a window"),
        Column("hop_seconds", "float", "s", "from the start of one window to the next"),
        Column("labels", "json", "JSON", "the labels that are scored"),
        Column("score_paths", "json", "JSON", "where scores are stored, for reading back"),
        Column("cuts_seconds", "json", "JSON, s", "the first picture after each cut"),
        Column("speech_spans", "json", "JSON, s", "start and stop of each stretch of anyone's"
               " speech", since="1.1"),
        Column("bundle.name", "text", "", "the model", at=("bundle", "name")),
        Column("bundle.sha256", "text", "", "of its bundle.json", at=("bundle", "sha256")),
        Column("personal", "text", "code", "what people are read against: their `whole` film, or"
               " `causal`, their earlier windows; empty: not asked for", since="1.1"),
        Column("audio_tracks", "json", "JSON", "the sound tracks: how many, which was `read` and,"
               " if it has no speech, which others are `speaking`", since="1.1"),
        *(Column(f"damage.{name}", "int", "count", doc, ("damage", name), since="1.1")
          for name, doc in _DAMAGE.items()),
        Column("windows_rows", "int", "count", "rows of that table: detects mismatched files"),
        Column("people_rows", "int", "count", "likewise"),
        Column("segments_rows", "int", "count", "likewise"),
        Column("personal_segments_rows", "int", "count", "likewise; empty without `--personal`",
               since="1.1"),
        Column("frames_rows", "int", "count", "likewise; empty if frames were not asked for"),
    ),
    "windows": (
        Column("start_seconds", "float", "s", "start of the window"),
        Column("stop_seconds", "float", "s", "end of the window, not included"),
        Column("person", "int", "id", "the person; empty: see [People](#people)"),
        Column("emotion", "text", "label", "the label with the highest fused score"),
        Column("confidence", "float", "0 to 1", "that score, calibrated"),
        Column("scores.LABEL", "float", "0 to 1", "face and voice fused, calibrated; sum 1",
               ("scores", "scores", LABEL)),
        Column("face.LABEL", "float", "0 to 1", "the face alone, calibrated",
               ("face", "scores", LABEL)),
        Column("voice.LABEL", "float", "0 to 1", "this person's voice alone, calibrated",
               ("voice", "scores", LABEL)),
        Column("parts.BRANCH.LABEL", "float", "0 to 1", "the scores behind the fused ones",
               ("scores", "parts", BRANCH, "scores", LABEL)),
        Column("face.parts.BRANCH.LABEL", "float", "0 to 1", "the scores behind those of the face",
               ("face", "parts", BRANCH, "scores", LABEL)),
        Column("voice.parts.BRANCH.LABEL", "float", "0 to 1",
               "the scores behind those of the voice",
               ("voice", "parts", BRANCH, "scores", LABEL)),
        Column("missing.face", "text", "code", "why the face has no scores", ("missing", "face")),
        Column("missing.voice", "text", "code", "why the voice has no scores",
               ("missing", "voice")),
        Column("seen_seconds", "float", "s", "how long the face was seen in the window"),
        Column("speech_seconds", "float", "s", "how long anyone spoke in the window"),
        Column("speaking_seconds", "float", "s", "how much of that is attributed to this row"),
        Column("speaker", "text", "code", "whose speech it is: `this` person's, that of an `other`"
               " person in view, `unknown`, or `nobody` speaks"),
        Column("speaker_confidence", "float", "0 to 1", "how certain that is; for"
               " `unknown`: that no one in view speaks"),
        Column("people", "int", "count", "people seen in the window"),
        *(Column(f"box.{side}", "float", "px", f"{side} edge of the face's median box in the"
                 " upright picture", ("box", n)) for n, side in _SIDES),
        *_SIZE,
        Column("quality", "float", "0 to 1", "the detector's median confidence"),
        Column("personal.emotion", "text", "label", "the label with the highest personal score",
               ("personal", "emotion"), since="1.1"),
        Column("personal.confidence", "float", "0 to 1", "that score",
               ("personal", "confidence"), since="1.1"),
        Column("personal.scores.LABEL", "float", "0 to 1", "the fused scores read against the"
               " person's own baseline; sum 1", ("personal", "scores", LABEL), since="1.1"),
        Column("personal.parts.BRANCH.LABEL", "float", "0 to 1",
               "the personal scores behind the fused ones",
               ("personal", "parts", BRANCH, "scores", LABEL), since="1.1"),
        Column("personal.clips", "int", "count", "what the baseline rests on: enrolled clips, and"
               " stretches of about 3 s of evidence in the film", ("personal", "clips"),
               since="1.1"),
        Column("personal.seconds", "float", "s", "how long the person is seen or heard in them",
               ("personal", "seconds"), since="1.1"),
        Column("personal_reason", "text", "code", "why there is no personal answer", since="1.1"),
    ),
    "people": (
        Column("person", "int", "id", "the person", ("id",)),
        Column("first_seen_seconds", "float", "s", "where the first sight of this face begins"),
        Column("last_seen_seconds", "float", "s", "where the last sight of it ends"),
        Column("seconds_seen", "float", "s", "how long the face was seen"),
        Column("seconds_speaking", "float", "s",
               "speech attributed to this person; an instant in several windows counts once"),
        Column("emotion", "text", "label", "the label with the largest share"),
        Column("share.LABEL", "float", "0 to 1", "share of the scored time; sum 1",
               ("shares", LABEL)),
        Column("personal.emotion", "text", "label", "the label with the largest personal share",
               ("personal_emotion",), since="1.1"),
        Column("personal.share.LABEL", "float", "0 to 1", "share by the personal answers; sum 1",
               ("personal_shares", LABEL), since="1.1"),
    ),
    "segments": (
        Column("person", "int", "id", "the person; empty: a voice that belongs to no one in view"),
        Column("start_seconds", "float", "s", "start of the segment"),
        Column("stop_seconds", "float", "s", "end of the segment, not included"),
        Column("emotion", "text", "label", "the label of the segment"),
        Column("score", "float", "0 to 1", "mean fused score of that emotion"),
        Column("undecided", "text", "label", "another label whose mean score differs from that by"
               " less than 0.1; empty: the emotion leads by more", since="1.1"),
        Column("personal.emotion", "text", "label", "the label with the highest mean personal"
               " score in the segment", ("personal_emotion",), since="1.1"),
    ),
    "personal_segments": (
        Column("person", "int", "id", "the person", since="1.1"),
        Column("start_seconds", "float", "s", "start of the segment", since="1.1"),
        Column("stop_seconds", "float", "s", "end of the segment, not included", since="1.1"),
        Column("emotion", "text", "label", "the label of the segment", since="1.1"),
        Column("score", "float", "0 to 1", "mean personal score of that emotion", since="1.1"),
        Column("undecided", "text", "label", "another label whose mean score differs from that by"
               " less than 0.1; empty: the emotion leads by more", since="1.1"),
    ),
    "frames": (
        Column("time_seconds", "float", "s", "instant of the frame"),
        Column("person", "int", "id", "the person"),
        *(Column(f"box.{side}", "float32", "px", f"{side} edge of the face's box in the upright"
                 " picture", ("box", n)) for n, side in _SIDES),
        *_SIZE,
        *(Column(f"{point}.{axis}", "float32", "px", doc, ("landmarks", n, m))
          for n, (point, doc) in enumerate(_POINTS.items()) for m, axis in enumerate("xy")),
        Column("quality", "float32", "0 to 1", "the detector's confidence"),
        Column("face.LABEL", "float", "0 to 1", "scores of this face alone; empty if no branch"
               " looked at it", ("scores", LABEL)),
        Column("blend_BLENDSHAPE", "float32", "0 to 1", "blendshape of the face, under MediaPipe's"
               " name", ("blendshapes", BLENDSHAPE)),
        *(Column(f"{name}_degrees", "float32", "degrees", doc, ("head_pose", f"{name}_degrees"))
          for name, doc in _TURNS.items()),
    ),
}  # fmt: skip
"""Every table's columns, in order."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, laid out flat.

    columns: every one, families expanded.
    rows: the values of each row in the order of the columns; None where nothing applies.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]


def expanded(
    table: str,
    labels: Sequence[str],
    paths: Sequence[ScorePath] = (),
    *,
    blendshapes: bool = False,
    personal: bool = False,
    version: str = VERSION,
) -> tuple[Column, ...]:
    """The columns of a table, with those for each label and branch in place of the families.

    paths: where scores are stored, each above its parts.
    blendshapes, personal: whether they were asked for.
    version: of the tables.

    Raises:
        InvalidInputError: labels and branches have names that would give two columns one name.
    """
    columns: list[Column] = []
    for column in TABLES[table]:
        if (
            _order(column.since) > _order(version)
            or (column.at[0] in EXPRESSION and not blendshapes)
            or (table != "about" and column.at[0] in PERSONAL and not personal)
        ):
            continue
        if BLENDSHAPE in column.at:
            prefix = column.name.removesuffix(BLENDSHAPE)
            columns += [column.of(prefix + each, column.at[0], each) for each in BLENDSHAPES]
        elif LABEL not in column.at:
            columns.append(column)
        elif BRANCH not in column.at:
            prefix = column.name.removesuffix(LABEL)
            columns += [column.of(prefix + each, *column.at[:-1], each) for each in labels]
        elif column.at[0] in {"scores", "personal"}:
            # "scores" once for the families of scores, face and voice, in the order of the paths
            own = column.at[0] == "personal"
            columns += [
                _part(column, path, label)
                for path in paths
                if path[1:] and (path[0] == "personal") == own
                for label in labels
            ]
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInputError(
            f"two columns would be called {', '.join(twice)}: rename the bundle's labels or"
            " branches, or write JSON"
        )
    return tuple(columns)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _part(family: Column, path: ScorePath, label: str) -> Column:
    root, *branches = path
    prefix = "parts" if root == "scores" else f"{root}.parts"
    location = [key for branch in branches for key in ("parts", branch)]
    return family.of(".".join([prefix, *branches, label]), root, *location, "scores", label)


def tables_of(timeline: Timeline) -> dict[str, Table]:
    """The tables of a timeline by name; without "frames" if it has none.

    Raises:
        InvalidInputError: labels and branches have names that would give two columns one name.
    """
    record = record_of(timeline)
    paths, personal = _score_paths(timeline.rows), timeline.personal is not None
    items = {name: record[name] for name in TABLES if record.get(name) is not None}
    counts = {f"{name}_rows": len(each) for name, each in items.items()}
    items = {"about": [record | {"score_paths": paths} | counts], **items}
    tables = {}
    for name, objects in items.items():
        columns = expanded(
            name,
            timeline.labels,
            paths,
            blendshapes="blendshapes" in record,
            personal=personal,
        )
        rows = [[_cell(each, column) for column in columns] for each in objects]
        tables[name] = Table(columns, rows)
    return tables


def _cell(record: Any, column: Column) -> Any:
    """A column's value in a record; None if a part of the way to it is absent."""
    for key in column.at:
        record = record.get(key) if isinstance(record, Mapping) else record and record[key]
    return json.dumps(record, ensure_ascii=False) if column.kind == "json" else record


def unflattened(columns: Sequence[Column], cells: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Rows of a table as objects of the JSON record; lists are mappings by index.

    cells: by column, as text or typed; "" and None stand for nothing.

    Raises:
        KeyError: a column is absent.
    """
    records: list[Any] = [{} for _ in cells[columns[0].name]]
    for column in columns:
        (*way, last), parse = column.at, _PARSE[column.kind]
        for record, cell in zip(records, cells[column.name], strict=True):
            inner = record
            for key in way:
                inner = inner.setdefault(key, {})
            inner[last] = None if cell is None or cell == "" else parse(cell)
    return records


def _score_paths(rows: Iterable[Row]) -> list[ScorePath]:
    """Every place where some row has scores, each above its parts."""
    found: dict[ScorePath, None] = dict.fromkeys([("scores",), *((name,) for name in MODALITIES)])
    for row in rows:
        own = None if row.personal is None else row.personal.scores
        roots = {"scores": row.scores, "face": row.face, "voice": row.voice, "personal": own}
        for root, scores in roots.items():
            if scores is not None:
                found.update(dict.fromkeys(_below((root,), scores)))
    return list(found)


def _below(path: ScorePath, scores: Scores) -> Iterator[ScorePath]:
    for name, part in scores.parts.items():
        yield (*path, name)
        yield from _below((*path, name), part)


def record_of(timeline: Timeline) -> dict[str, Any]:
    """The timeline as JSON values, see docs/timeline.schema.json; NaN becomes None."""
    frames = timeline.frames
    measured = frames is not None and frames.blendshapes is not None
    record = {
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
        "speech_spans": None if timeline.speech_spans is None else timeline.speech_spans.tolist(),
        "personal": timeline.personal,
        "audio_tracks": None if timeline.audio_tracks is None else timeline.audio_tracks.to_dict(),
        "damage": timeline.damage.to_dict(),
        "people": [_record(person, "people") for person in timeline.people],
        "windows": [row_record(row) for row in timeline.rows],
        "segments": [_record(segment, "segments") for segment in timeline.segments],
        "personal_segments": None
        if timeline.personal_segments is None
        else [_record(each, "personal_segments") for each in timeline.personal_segments],
        "frames": None if frames is None else list(_frames(frames, timeline.labels)),
    }
    return record | {"blendshapes": list(BLENDSHAPES)} if measured else record


def row_record(row: Row) -> dict[str, Any]:
    """One person in one window as JSON values; NaN becomes None."""
    return _record(row, "windows")


def _record(item: Row | Person | Segment, table: str) -> dict[str, Any]:
    fields = dict.fromkeys(str(column.at[0]) for column in TABLES[table])
    return {name: _json(getattr(item, name)) for name in fields}


def _json(value: Any) -> Any:
    """A value as JSON has it; of float32 the shortest decimal that reads back the same."""
    if isinstance(value, Personal):
        about = {"emotion": value.emotion, "confidence": value.confidence}
        return about | _json(value.scores) | {"clips": value.clips, "seconds": value.seconds}
    if isinstance(value, Scores):
        return {
            "scores": value.to_dict(),
            "parts": {name: _json(part) for name, part in value.parts.items()},
        }
    if isinstance(value, Mapping):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, (tuple, np.ndarray)):
        return [_json(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(str(value))  # np.float32(12.3) is 12.3
    return value


def _frames(frames: FrameTable, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    sizes = frames.picture_sizes
    for number, time in enumerate(frames.times_seconds.tolist()):
        scores = frames.scores[number].tolist()
        looked = len(scores) == len(labels) and not all(map(math.isnan, scores))
        record = {
            "time_seconds": time,
            "person": int(frames.person[number]),
            "box": _json(frames.boxes[number]),
            "picture_size": None if sizes is None else sizes[number].tolist(),
            "landmarks": _json(frames.landmarks[number]),
            "quality": _json(frames.quality[number]),
            "scores": _json(dict(zip(labels, scores, strict=True))) if looked else None,
        }
        if frames.blendshapes is not None and frames.head_poses is not None:
            shapes = dict(zip(BLENDSHAPES, frames.blendshapes[number], strict=True))
            pose = zip(_TURNS, frames.head_poses[number], strict=True)
            record["blendshapes"] = _json(shapes)
            record["head_pose"] = _json({f"{name}_degrees": value for name, value in pose})
        yield record


def printable(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file name that are not UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
