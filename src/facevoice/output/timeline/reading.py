"""Timelines back from the files that ``facevoice.output.timeline`` wrote: CSV, Parquet, JSON."""

import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from facevoice.errors import InvalidInputError, MediaNotFoundError
from facevoice.output.timeline.parquet import arrow
from facevoice.output.timeline.tables import (
    POINTS,
    SIDES,
    TABLES,
    VERSION,
    ScorePath,
    score_column,
)
from facevoice.timeline.table import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import MODALITIES, Scores

Columns = Mapping[str, Sequence[Any]]
Cells = Mapping[str, Any]


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
        return _of_json(path) if path.suffix == ".json" else _of_tables(path)
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{error.filename or path} does not exist") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{path} holds no timeline that can be read: {error}") from error
    except KeyError as error:
        raise InvalidInputError(f"{path}: the field or column {error} is absent") from error
    except (ValueError, TypeError, AttributeError, OSError) as error:  # damaged content
        raise InvalidInputError(f"{path} holds no timeline that can be read: {error}") from error


def _check_version(version: str) -> None:
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise InvalidInputError(f"its version is {version}, this facevoice reads {VERSION}")


def _of_json(path: Path) -> Timeline:
    record = json.loads(path.read_text(encoding="utf-8"))
    _check_version(record["schema_version"])
    labels = tuple(record["labels"])
    frames = record["frames"]
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
        cuts=np.array(record["cuts_seconds"], np.float64),
        people=tuple(_without(each, Person, "emotion") for each in record["people"]),
        rows=tuple(_json_row(each, labels) for each in record["windows"]),
        segments=tuple(
            Segment(**(each | {"score": _number(each["score"])})) for each in record["segments"]
        ),
        frames=None if frames is None else _json_frames(frames, labels),
    )


def _without(record: dict[str, Any], noun: Callable[..., Any], *derived: str) -> Any:
    return noun(**{name: value for name, value in record.items() if name not in derived})


def _json_row(record: dict[str, Any], labels: tuple[str, ...]) -> Row:
    fields = dict(record)
    for name in ("emotion", "confidence"):
        del fields[name]
    for name in ("scores", *MODALITIES):
        fields[name] = _json_scores(record[name], labels)
    for name in ("speaker_confidence", "quality"):
        fields[name] = _number(record[name])
    fields["box"] = None if record["box"] is None else tuple(record["box"])
    return Row(**fields)


def _json_scores(record: dict[str, Any] | None, labels: tuple[str, ...]) -> Scores | None:
    if record is None:
        return None
    values = np.array([record["scores"][label] for label in labels], np.float64)
    parts = {name: _json_scores(part, labels) for name, part in record["parts"].items()}
    return Scores(labels, values, {name: part for name, part in parts.items() if part is not None})


def _json_frames(records: Sequence[dict[str, Any]], labels: tuple[str, ...]) -> FrameTable:
    count = len(records)
    scores = [
        [math.nan] * len(labels)
        if each["scores"] is None
        else [_number(each["scores"][label]) for label in labels]
        for each in records
    ]
    return FrameTable(
        times_seconds=np.array([each["time_seconds"] for each in records], np.float64),
        person=np.array([each["person"] for each in records], np.int64),
        boxes=np.array([each["box"] for each in records], np.float32).reshape(count, 4),
        landmarks=np.array([each["landmarks"] for each in records], np.float32).reshape(
            count, 5, 2
        ),
        quality=np.array([each["quality"] for each in records], np.float32),
        scores=np.array(scores, np.float64).reshape(count, len(labels)),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _of_tables(path: Path) -> Timeline:
    stem, _, name = path.stem.rpartition(".")
    reader = _READERS.get(path.suffix)
    if reader is None or not stem or name not in TABLES:
        _refuse()

    def table(name: str) -> Columns:
        return reader(path.with_name(f"{stem}.{name}{path.suffix}"))

    (about,) = _lines(table("about"))
    _check_version(about["version"])
    labels = tuple(json.loads(about["labels"]))
    paths = [tuple(each) for each in json.loads(about["score_paths"])]
    tables = {each: table(each) for each in TABLES[1:] if about[f"{each}_rows"] not in {None, ""}}
    for each, columns in tables.items():
        found, told = len(_lines(columns)), int(about[f"{each}_rows"])
        if found != told:
            raise InvalidInputError(
                f"the table {each} has {found} rows where {told} were written: the files are not"
                " of one timeline, or one was cut short"
            )
    duration = _number_of(about["duration_seconds"])
    return Timeline(
        path=about["path"],
        duration_seconds=None if math.isnan(duration) else duration,
        start_seconds=float(about["start_seconds"]),
        stop_seconds=float(about["stop_seconds"]),
        window_seconds=float(about["window_seconds"]),
        hop_seconds=float(about["hop_seconds"]),
        labels=labels,
        bundle_name=about["bundle.name"],
        bundle_sha256=about["bundle.sha256"],
        cuts=np.array(json.loads(about["cuts_seconds"]), np.float64),
        people=tuple(_table_person(each, labels) for each in _lines(tables["people"])),
        rows=tuple(_table_row(each, labels, paths) for each in _lines(tables["windows"])),
        segments=tuple(_table_segment(each) for each in _lines(tables["segments"])),
        frames=_table_frames(tables["frames"], labels) if "frames" in tables else None,
    )


def _refuse() -> NoReturn:
    names = ", ".join(f"NAME.{name}" for name in TABLES)
    raise InvalidInputError(
        f"its name is none of those written: NAME.json, or {names} with .csv or .parquet"
    )


def _lines(columns: Columns) -> list[Cells]:
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _read_csv(path: Path) -> Columns:
    with path.open(encoding="utf-8", newline="") as stream:
        names, *lines = list(csv.reader(stream, strict=True))
    if any(len(line) != len(names) for line in lines):
        raise InvalidInputError(f"{path.name} has lines that are shorter or longer than its head")
    turned = zip(*lines, strict=True) if lines else ((),) * len(names)
    return dict(zip(names, turned, strict=True))


def _read_parquet(path: Path) -> Columns:
    columns: Columns = arrow("pyarrow.parquet").read_table(path).to_pydict()
    return columns


_READERS: Final[dict[str, Callable[[Path], Columns]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _number_of(cell: Any) -> float:
    """A cell of either format as a number; NaN if it is empty."""
    return math.nan if cell is None or cell == "" else float(cell)


def _person_of(cell: Any) -> int | None:
    return None if cell is None or cell == "" else int(cell)


def _table_person(cells: Cells, labels: tuple[str, ...]) -> Person:
    shares = {label: _number_of(cells[f"share.{label}"]) for label in labels}
    return Person(
        id=int(cells["person"]),
        first_seen_seconds=float(cells["first_seen_seconds"]),
        last_seen_seconds=float(cells["last_seen_seconds"]),
        seconds_seen=float(cells["seconds_seen"]),
        seconds_speaking=float(cells["seconds_speaking"]),
        shares={label: share for label, share in shares.items() if not math.isnan(share)},
    )


def _table_row(cells: Cells, labels: tuple[str, ...], paths: Sequence[ScorePath]) -> Row:
    box = tuple(_number_of(cells[f"box.{side}"]) for side in SIDES)
    return Row(
        start_seconds=float(cells["start_seconds"]),
        stop_seconds=float(cells["stop_seconds"]),
        person=_person_of(cells["person"]),
        seen_seconds=float(cells["seen_seconds"]),
        speech_seconds=float(cells["speech_seconds"]),
        speaking_seconds=float(cells["speaking_seconds"]),
        speaker=cells["speaker"],
        speaker_confidence=_number_of(cells["speaker_confidence"]),
        scores=_table_scores(cells, labels, ("scores",), paths),
        face=_table_scores(cells, labels, ("face",), paths),
        voice=_table_scores(cells, labels, ("voice",), paths),
        missing={
            modality: cells[f"missing.{modality}"]
            for modality in MODALITIES
            if cells[f"missing.{modality}"]
        },
        people=int(cells["people"]),
        box=None if math.isnan(box[0]) else (box[0], box[1], box[2], box[3]),
        quality=_number_of(cells["quality"]),
    )


def _table_scores(
    cells: Cells, labels: tuple[str, ...], path: ScorePath, paths: Sequence[ScorePath]
) -> Scores | None:
    values = np.array([_number_of(cells[score_column(path, label)]) for label in labels])
    if np.isnan(values).all():
        return None
    below = [each for each in paths if each[:-1] == path]
    parts = {each[-1]: _table_scores(cells, labels, each, paths) for each in below}
    return Scores(labels, values, {name: part for name, part in parts.items() if part is not None})


def _table_segment(cells: Cells) -> Segment:
    return Segment(
        person=_person_of(cells["person"]),
        start_seconds=float(cells["start_seconds"]),
        stop_seconds=float(cells["stop_seconds"]),
        emotion=cells["emotion"],
        score=_number_of(cells["score"]),
    )


def _table_frames(columns: Columns, labels: tuple[str, ...]) -> FrameTable:
    def numbers(names: Sequence[str], dtype: type) -> Any:
        turned = [[_number_of(cell) for cell in columns[name]] for name in names]
        return np.array(turned, dtype).reshape(len(names), count).T

    count = len(columns["time_seconds"])
    scored = [f"face.{label}" for label in labels if f"face.{label}" in columns]
    points = [f"{point}.{axis}" for point in POINTS for axis in "xy"]
    return FrameTable(
        times_seconds=numbers(["time_seconds"], np.float64)[:, 0],
        person=np.array([int(cell) for cell in columns["person"]], np.int64),
        boxes=numbers([f"box.{side}" for side in SIDES], np.float32),
        landmarks=numbers(points, np.float32).reshape(count, 5, 2),
        quality=numbers(["quality"], np.float32)[:, 0],
        scores=numbers(scored, np.float64),
    )
