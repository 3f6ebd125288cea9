"""Where predictions go: a table, JSON Lines, CSV or Parquet; standard output or a file."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from facevoice.cli.table import render
from facevoice.errors import InvalidInputError
from facevoice.predict import Predictor
from facevoice.prediction import Prediction
from facevoice.tables import columns_of, flat_row, to_frame
from facevoice.writing import replacing

Write = Callable[[Prediction], None]


@contextmanager
def open_writer(
    form: Literal["table", "json", "csv", "parquet"], output: Path | None, predictor: Predictor
) -> Iterator[Write]:
    """Give a function that takes one prediction after another.

    A file appears under its name when all is written, not before.

    Raises:
        InvalidInputError: Parquet to standard output.
        OutputError: the file cannot be written.
    """
    if output is None:
        if form == "parquet":
            raise InvalidInputError("Parquet cannot go to standard output: name a file with -o")
        yield _line_writer(form, sys.stdout, predictor)
        return
    with replacing(output) as temporary:
        if form == "parquet":
            kept: list[Prediction] = []
            yield kept.append
            frame = to_frame(kept).reindex(columns=columns_of(predictor.bundle.tree))
            frame.to_parquet(temporary, index=False)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                yield _line_writer(form, stream, predictor)


def _line_writer(form: str, stream: IO[str], predictor: Predictor) -> Write:
    if form == "json":
        return lambda prediction: _print_json(prediction, stream)
    if form == "csv":
        columns = columns_of(predictor.bundle.tree)
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        return lambda prediction: _write_row(table, stream, prediction)
    return lambda prediction: print(render(prediction, predictor.bundle.tree), file=stream)


def _print_json(prediction: Prediction, stream: IO[str]) -> None:
    line = json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False)
    print(line, file=stream, flush=True)


def _write_row(table: "csv.DictWriter[str]", stream: IO[str], prediction: Prediction) -> None:
    table.writerow(flat_row(prediction))
    stream.flush()
