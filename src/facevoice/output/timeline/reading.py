"""Timelines back from the files that ``facevoice.output.timeline`` wrote: CSV, Parquet, JSON."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError, MediaNotFoundError
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.output.timeline.columns import TABLES, VERSION, expanded, unflattened
from facevoice.output.timeline.files import READERS
from facevoice.person import Personal
from facevoice.timeline.table import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import MODALITIES, AudioTracks, Damage, Float64Array, Scores

Record = Mapping[str, Any]


def read(path: str | os.PathLike[str]) -> Timeline:
    """A timeline as it was written; what was NaN is NaN again.

    path: ``NAME.json``, or one of the tables ``NAME.windows.csv``, ``NAME.windows.parquet``, ...:
        the others are read from beside it.

    Raises:
        InvalidInputError: no such format, a table or column is absent, the tables do not belong
            together, or a later version wrote them.
        MediaNotFoundError: a file is absent.
        MissingDependencyError: Parquet without pyarrow.
    """
    path = Path(path)
    try:
        return _timeline(_json_record(path) if path.suffix == ".json" else _table_record(path))
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{error.filename or path} does not exist") from error
    except KeyError as error:
        raise InvalidInputError(f"{path}: the field or column {error} is absent") from error
    except (ValueError, TypeError, AttributeError, OSError) as error:  # damaged content
        raise InvalidInputError(f"{path} is not a timeline that can be read: {error}") from error


def _check_version(version: str) -> None:
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise InvalidInputError(f"its version is {version}, this facevoice reads {VERSION}")


def _json_record(path: Path) -> Record:
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    _check_version(record["schema_version"])
    return record


def _table_record(path: Path) -> Record:
    """The JSON record that the tables of a timeline were laid out from."""
    stem, _, table = path.stem.rpartition(".")
    if path.suffix not in READERS or not stem or table not in TABLES:
        names = ", ".join(f"NAME.{name}" for name in TABLES)
        raise InvalidInputError(f"its name must be NAME.json, or {names} with .csv or .parquet")
    place, cells = path.with_name(stem), READERS[path.suffix]
    about = cells(Path(f"{place}.about{path.suffix}"))
    (version,) = about["version"]
    _check_version(version)
    record: dict[str, Any]
    (record,) = unflattened(expanded("about", (), version=version), about)
    record["frames"] = record["personal_segments"] = None
    for name in list(TABLES)[1:]:
        if record.get(f"{name}_rows") is None:
            continue
        found = cells(Path(f"{place}.{name}{path.suffix}"))
        paths, measured = record["score_paths"], f"blend_{BLENDSHAPES[0]}" in found
        if measured:
            record["blendshapes"] = list(BLENDSHAPES)
        columns = expanded(
            name,
            record["labels"],
            paths,
            blendshapes=measured,
            personal=record.get("personal") is not None,
            version=version,
        )
        record[name] = unflattened(columns, found)
        rows, expected = len(record[name]), record[f"{name}_rows"]
        if rows != expected:
            raise InvalidInputError(
                f"the table {name} has {rows} rows instead of {expected}: the files are"
                " not of one timeline, or one is truncated"
            )
    return record


def _timeline(record: Record) -> Timeline:
    labels = tuple(record["labels"])
    return Timeline(
        path=record["path"],
        duration_seconds=record["duration_seconds"],
        start_seconds=record["start_seconds"],
        stop_seconds=record["stop_seconds"],
        window_seconds=record["window_seconds"],
        hop_seconds=record["hop_seconds"],
        labels=labels,
        bundle_name=record["bundle"]["name"],
        bundle_sha256=record["bundle"]["sha256"],
        audio_tracks=AudioTracks.from_dict(record.get("audio_tracks")),
        cuts=np.array(record["cuts_seconds"], np.float64),
        people=tuple(Person(**_fields(Person, each)) for each in record["people"]),
        rows=tuple(_row(each, labels) for each in record["windows"]),
        segments=_segments(record["segments"]),
        personal=record.get("personal"),
        personal_segments=None
        if record.get("personal_segments") is None
        else _segments(record["personal_segments"]),
        frames=None if record["frames"] is None else _frames(record, labels),
        damage=Damage.from_dict(record.get("damage", {})),
        speech_spans=_spans(record.get("speech_spans")),
    )


def _spans(found: Sequence[Sequence[float]] | None) -> Float64Array | None:
    return None if found is None else np.array(found, np.float64).reshape(-1, 2)


def _segments(records: Sequence[Record]) -> tuple[Segment, ...]:
    return tuple(
        Segment(**_fields(Segment, each) | {"score": _number(each["score"])}) for each in records
    )


def _fields(of: type[Person | Row | Segment], record: Record) -> dict[str, Any]:
    """What an object is made from: its fields, without absent values of mappings.

    Derived properties, and what a later version adds, are left out.
    """
    known = [each.name for each in fields(of)]
    return {
        name: _known(value) if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name in known
    }


def _known(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _row(record: Record, labels: tuple[str, ...]) -> Row:
    box, size = (
        tuple(_known(dict(_items(record.get(name)))).values()) for name in ("box", "picture_size")
    )
    return Row(
        **_fields(Row, record)
        | {name: _scores(record[name], labels) for name in ("scores", *MODALITIES)}
        | {name: _number(record[name]) for name in ("speaker_confidence", "quality")}
        | {"box": box or None, "picture_size": size or None}
        | {"personal": _personal(record.get("personal"), labels)}
    )


def _personal(record: Record | None, labels: tuple[str, ...]) -> Personal | None:
    scores = _scores(record, labels)
    if record is None or scores is None:
        return None
    return Personal(scores, int(record["clips"]), float(record["seconds"]))


def _items(values: Any) -> Any:
    """Index and value of a list, which tables give as a mapping."""
    return values.items() if isinstance(values, Mapping) else enumerate(values or ())


def _scores(record: Record | None, labels: tuple[str, ...]) -> Scores | None:
    found = {} if record is None else _known(record["scores"])
    if record is None or not found:
        return None
    parts = {name: _scores(each, labels) for name, each in record.get("parts", {}).items()}
    return Scores(labels, np.array([found[label] for label in labels], np.float64), _known(parts))


def _frames(record: Record, labels: tuple[str, ...]) -> FrameTable:
    records, measured = record["frames"], "blendshapes" in record

    def numbers(of: Any, *shape: int, dtype: type = np.float32) -> Any:
        return np.array([of(each) for each in records], dtype).reshape(len(records), *shape)

    def flat(value: Any) -> list[Any]:
        return [each for _, each in _items(value)]

    def scores(each: Record) -> list[Any]:
        found = each["scores"] or {}
        return [found.get(label) for label in labels]

    def shapes(each: Record) -> list[Any]:
        return [each["blendshapes"][name] for name in BLENDSHAPES]

    return FrameTable(
        times_seconds=numbers(lambda each: each["time_seconds"], dtype=np.float64),
        person=numbers(lambda each: each["person"], dtype=np.int64),
        boxes=numbers(lambda each: flat(each["box"]), 4),
        landmarks=numbers(lambda each: [flat(point) for point in flat(each["landmarks"])], 5, 2),
        quality=numbers(lambda each: each["quality"]),
        scores=numbers(scores, len(labels), dtype=np.float64),
        blendshapes=numbers(shapes, len(BLENDSHAPES)) if measured else None,
        picture_sizes=_sizes(records),
        head_poses=numbers(lambda each: list(each["head_pose"].values()), 3) if measured else None,
    )


def _sizes(records: Sequence[Record]) -> NDArray[np.int64] | None:
    """The sizes of pictures (N, 2); None if a record lacks its own, as in version 1.0."""
    found = [[size for _, size in _items(each.get("picture_size"))] for each in records]
    known = all(size and None not in size for size in found)
    return np.array(found, np.int64).reshape(-1, 2) if known else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
