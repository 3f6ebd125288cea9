"""Comma-separated tables, UTF-8: one file a table, without any optional package."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.output.timeline.tables import Kind, Table, remove_absent, tables_of
from facevoice.timeline.table import Timeline
from facevoice.writing import replacing

SUFFIX: Final = ".csv"


def write_csv(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.about.csv``, ``NAME.windows.csv`` and so on; gives their paths.

    Raises:
        OutputError: a file cannot be written.
    """
    paths = []
    for name, table in tables_of(timeline).items():
        path = folder / f"{source.stem}.{name}{SUFFIX}"
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            lines = csv.writer(out, lineterminator="\n")
            lines.writerow(table.kinds)
            lines.writerows(_texts(table))
        paths.append(path)
    remove_absent(folder, source.stem, SUFFIX, paths)
    return paths


def _texts(table: Table) -> Iterator[list[str]]:
    kinds = list(table.kinds.values())
    for row in table.rows:
        yield [_text(value, kind) for value, kind in zip(row, kinds, strict=True)]


def _text(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "float":
        return repr(float(value))
    return str(np.float32(value)) if kind == "float32" else str(value)
