"""Timelines as JSON, CSV and Parquet, and the cells of CSV and Parquet tables back."""

import csv
import importlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.csv_cells import csv_rows, csv_text, safe_cell, safe_cells
from facevoice.errors import InvalidInputError, MissingDependencyError
from facevoice.output.timeline.columns import Kind, Table, record_of
from facevoice.timeline.table import Timeline

Cells = Mapping[str, Sequence[Any]]
"""Cells of a table by column."""

_ARROW: Final[Mapping[Kind, str]] = {
    "text": "string",
    "json": "string",
    "int": "int64",
    "float": "float64",
    "float32": "float32",
}


def to_json(timeline: Timeline) -> str:
    """One JSON object, described by docs/timeline.schema.json."""
    return json.dumps(record_of(timeline), ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(table: Table) -> str:
    """A table as comma-separated values, numbers in full precision."""
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(safe_cells(column.name for column in table.columns))
    kinds = [column.kind for column in table.columns]
    for row in table.rows:
        lines.writerow([_text(value, kind) for value, kind in zip(row, kinds, strict=True)])
    return stream.getvalue()


def _text(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "float":
        return repr(float(value))
    if kind == "float32":
        return str(np.float32(value))
    return str(safe_cell(str(value)) if kind == "text" else value)


def to_parquet(table: Table) -> bytes:
    """A table as Parquet, typed.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    pyarrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    arrays = [
        pyarrow.array(values, type=pyarrow.type_for_alias(_ARROW[column.kind]))
        for column, values in zip(table.columns, columns, strict=True)
    ]
    stream = io.BytesIO()
    names = [column.name for column in table.columns]
    parquet.write_table(pyarrow.table(arrays, names=names), stream)
    return stream.getvalue()


def check_parquet() -> None:
    """Check that Parquet can be written.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    _arrow("pyarrow.parquet")


def _arrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError.of("pyarrow", "tables", "a Parquet timeline") from error


def _read_csv(path: Path) -> Cells:
    names, *lines = [row for _, row in csv_rows(csv_text(path))]
    if any(len(line) != len(names) for line in lines):
        raise InvalidInputError(f"{path.name} has lines that are shorter or longer than its header")
    return {name: [line[number] for line in lines] for number, name in enumerate(names)}


def _read_parquet(path: Path) -> Cells:
    cells: Cells = _arrow("pyarrow.parquet").read_table(path).to_pydict()
    return cells


READERS: Final[Mapping[str, Callable[[Path], Cells]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""What reads the tables with a suffix."""
