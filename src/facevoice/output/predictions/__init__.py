"""Predictions as a table, JSON Lines, CSV or Parquet, to standard output or a file."""

import csv
import importlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal

from facevoice.branches import Branch
from facevoice.csv_cells import safe_cell
from facevoice.errors import InvalidInputError, MissingDependencyError, OutputError
from facevoice.output.predictions.columns import Kind, columns_of, flat_row
from facevoice.output.predictions.text import render
from facevoice.output.wording import json_line, visible
from facevoice.predict.prediction import Prediction
from facevoice.writing import replacing

Format = Literal["table", "json", "csv", "parquet"]
Write = Callable[[Prediction], None]

_GROUP: Final = 1000  # rows in a Parquet row group, and at most in memory
_ODD: Final = "backslashreplace"  # a file name that cannot be encoded must not stop the others
_ARROW: Final[Mapping[Kind, str]] = {
    "text": "string",
    "truth": "bool",
    "count": "int64",
    "number": "float64",
}


@contextmanager
def open_writer(
    form: Format, output: Path | None, tree: Branch, *, personal: bool = False
) -> Iterator[Write]:
    """Yield a function that writes predictions one by one, all made with ``tree``.

    personal: whether they are read against people's baselines, so that tables need the columns.

    A file appears under its name only once it is complete; a few rows are in memory at a time.

    Raises:
        InvalidInputError: Parquet to standard output.
        MissingDependencyError: Parquet without pyarrow.
        OutputError: the file cannot be written.
    """
    columns = columns_of(tree, personal=personal)
    if output is None:
        if form == "parquet":
            raise InvalidInputError("Parquet cannot go to standard output: name a file with -o")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=_ODD)
        yield _line_writer(form, sys.stdout, tree, columns)
        return
    if output.is_dir():  # replacing it would fail only once everything is done
        raise OutputError(f"{output} cannot be written: it is a folder")
    with replacing(output) as temporary:
        if form == "parquet":
            with _open_parquet(temporary, columns) as write:
                yield write
        else:
            with temporary.open("w", encoding="utf-8", errors=_ODD, newline="") as stream:
                yield _line_writer(form, stream, tree, columns)


@contextmanager
def _open_parquet(path: Path, columns: Mapping[str, Kind]) -> Iterator[Write]:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingDependencyError.of("pyarrow", "tables", "a Parquet file") from None
    types = {name: arrow.type_for_alias(_ARROW[kind]) for name, kind in columns.items()}
    schema = arrow.schema(list(types.items()))
    rows: list[dict[str, Any]] = []

    def write(prediction: Prediction) -> None:
        rows.append({name: _text(value) for name, value in flat_row(prediction).items()})
        if len(rows) == _GROUP:
            flush()

    def flush() -> None:
        table.write_table(arrow.Table.from_pylist(rows, schema=schema))
        rows.clear()

    with parquet.ParquetWriter(path, schema) as table:
        yield write
        if rows:
            flush()


def _text(value: Any) -> Any:
    return value.encode(errors=_ODD).decode() if isinstance(value, str) else value


def _line_writer(form: str, stream: IO[str], tree: Branch, columns: Mapping[str, Kind]) -> Write:
    if form == "table":
        return lambda prediction: print(render(prediction, tree), file=stream)
    table = csv.DictWriter(stream, columns, lineterminator="\n")
    if form == "csv":
        table.writerow({name: safe_cell(name) for name in table.fieldnames})

    def cell(value: Any) -> Any:
        shown = visible(value) if stream.isatty() and isinstance(value, str) else value
        return safe_cell(shown)

    def write(prediction: Prediction) -> None:
        if form == "csv":
            row = flat_row(prediction)
            table.writerow({name: cell(value) for name, value in row.items()})
        else:
            stream.write(json_line(prediction.to_dict()) + "\n")
        stream.flush()

    return write
