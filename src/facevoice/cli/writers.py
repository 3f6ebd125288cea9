"""Where predictions go: a table, JSON Lines, CSV or Parquet; standard output or a file."""

import csv
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal

from facevoice.branches import Branch
from facevoice.cli.prediction_table import render
from facevoice.errors import InvalidInputError, MissingDependencyError, OutputError
from facevoice.output.tables import columns_of, flat_row, types_of
from facevoice.predict.prediction import Prediction
from facevoice.writing import replacing

Write = Callable[[Prediction], None]

_GROUP: Final = 1000  # rows that Parquet keeps together, and that are in memory at most
_ODD: Final = "backslashreplace"  # file names need not be text, yet the others must go on
_ARROW_TYPES: Final = {"text": "string", "truth": "bool", "count": "int64", "number": "float64"}


@contextmanager
def open_writer(
    form: Literal["table", "json", "csv", "parquet"], output: Path | None, tree: Branch
) -> Iterator[Write]:
    """Give a function that takes one prediction after another, all made with ``tree``.

    A file appears under its name when all is written, not before; no more than some rows of it
    are in memory.

    Raises:
        InvalidInputError: Parquet to standard output.
        MissingDependencyError: Parquet without pyarrow.
        OutputError: the file cannot be written.
    """
    if output is None:
        if form == "parquet":
            raise InvalidInputError("Parquet cannot go to standard output: name a file with -o")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=_ODD)
        yield _line_writer(form, sys.stdout, tree)
        return
    if output.is_dir():  # else only known when all is done
        raise OutputError(f"{output} cannot be written: it is a folder")
    with replacing(output) as temporary:
        if form == "parquet":
            with _open_parquet(temporary, tree) as write:
                yield write
        else:
            with temporary.open("w", encoding="utf-8", errors=_ODD, newline="") as stream:
                yield _line_writer(form, stream, tree)


@contextmanager
def _open_parquet(path: Path, tree: Branch) -> Iterator[Write]:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingDependencyError.of("pyarrow", "tables", "a Parquet file") from None
    types = types_of(tree).items()
    schema = arrow.schema(
        [(name, arrow.type_for_alias(_ARROW_TYPES[kind])) for name, kind in types]
    )
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


def _line_writer(form: str, stream: IO[str], tree: Branch) -> Write:
    if form == "json":
        return lambda prediction: _print_json(prediction, stream)
    if form == "csv":
        table = csv.DictWriter(stream, columns_of(tree), lineterminator="\n")
        table.writeheader()
        return lambda prediction: _write_row(table, stream, prediction)
    return lambda prediction: print(render(prediction, tree), file=stream)


def _print_json(prediction: Prediction, stream: IO[str]) -> None:
    line = json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False)
    print(line, file=stream, flush=True)


def _write_row(table: "csv.DictWriter[str]", stream: IO[str], prediction: Prediction) -> None:
    table.writerow(flat_row(prediction))
    stream.flush()
