"""Score tables on disk: CSV, npz and Parquet, and pandas frames.

CSV and Parquet hold the tidy long form, one row for each clip and branch:

=========  ======================================================================
column     meaning
=========  ======================================================================
id         name of the clip
branch     name of the branch
split      e.g. val; optional, else empty
group      speaker or film; optional, else the id
truth      name of the true label; optional, empty where unknown
missing    why the branch is silent; optional, see ``types.MISSING_CODES``
the rest   one column for each label, in order: the scores; empty where silent
=========  ======================================================================

A clip and branch without a row is silent. Columns may stand in any order. An npz holds the arrays
of ``ScoreTable`` under the names of its fields.
"""

import csv
import importlib
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from facevoice.errors import (
    InvalidInputError,
    MediaNotFoundError,
    MissingDependencyError,
)
from facevoice.scores.table.table import ScoreTable
from facevoice.writing import replacing

if TYPE_CHECKING:
    import pandas as pd

Handler = TypeVar("Handler")
Columns = Mapping[str, Sequence[Any]]

_FACTS: Final = ("id", "branch", "split", "group", "truth", "missing")
_FIELDS: Final = ("ids", "branches", "labels", "scores", "truth", "groups", "splits", "missing")


def read_score_table(path: str | Path) -> ScoreTable:
    """Read a table; the suffix says how: .csv, .npz or .parquet.

    Raises:
        MediaNotFoundError: there is no such file.
        InvalidInputError: another suffix, a column is absent, or the table is not sound; the
            message names the file.
        MissingDependencyError: Parquet without pyarrow.
    """
    source = Path(path)
    reader = _format(source, _READERS)
    if not source.is_file():
        raise MediaNotFoundError(f"no score table at {source}")
    try:
        return reader(source)
    except (ValueError, zipfile.BadZipFile) as error:  # what numpy and pyarrow raise, and ours
        raise InvalidInputError(f"{source}: {error}") from error


def write_score_table(table: ScoreTable, path: str | Path) -> None:
    """Write a table; the suffix says how: .csv, .npz or .parquet. The file appears whole or not.

    Numbers are written so that reading gives the same float64.

    Raises:
        InvalidInputError: another suffix, or a label has the name of a column of facts.
        OutputError: the folder cannot be written to.
        MissingDependencyError: Parquet without pyarrow.
    """
    target = Path(path)
    writer = _format(target, _WRITERS)
    with replacing(target) as temporary, temporary.open("wb") as stream:
        writer(table, stream)


def table_of_frame(frame: "pd.DataFrame") -> ScoreTable:
    """A table from a pandas frame in the long form described above."""
    return _of_columns({str(name): frame[name].tolist() for name in frame.columns})


def table_to_frame(table: ScoreTable) -> "pd.DataFrame":
    """The long form described above as a pandas frame.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingDependencyError.of("pandas", "tables", "a data frame of scores") from error
    return pd.DataFrame(_to_columns(table))


def _format(path: Path, handlers: Mapping[str, Handler]) -> Handler:
    if path.suffix.lower() not in handlers:
        known = ", ".join(handlers)
        raise InvalidInputError(f"a score table is one of {known}, not {path.name!r}")
    return handlers[path.suffix.lower()]


def _to_columns(table: ScoreTable) -> dict[str, list[Any]]:
    clash = set(table.labels) & set(_FACTS)
    if clash:
        raise InvalidInputError(f"labels may not be called {sorted(clash)} in the long form")
    members = len(table.branches)
    names = np.array(["", *table.labels])[table.truth + 1]
    flat = table.scores.reshape(-1, len(table.labels))
    columns: dict[str, list[Any]] = {
        "id": np.repeat(table.ids, members).tolist(),
        "branch": list(table.branches) * len(table),
        "split": np.repeat(table.splits, members).tolist(),
        "group": np.repeat(table.groups, members).tolist(),
        "truth": np.repeat(names, members).tolist(),
        "missing": table.missing.reshape(-1).tolist(),
    }
    for index, label in enumerate(table.labels):
        columns[label] = flat[:, index].tolist()
    return columns


def _of_columns(columns: Columns) -> ScoreTable:
    absent = [name for name in ("id", "branch") if name not in columns]
    labels = tuple(name for name in columns if name not in _FACTS)
    if absent or not labels:
        raise InvalidInputError(
            f"the long form needs the columns id, branch and one for each label; found:"
            f" {', '.join(columns) or 'none'}"
        )
    row_ids = [_text(value) for value in columns["id"]]
    row_branches = [_text(value) for value in columns["branch"]]
    ids, branches = tuple(dict.fromkeys(row_ids)), tuple(dict.fromkeys(row_branches))
    places = {name: index for index, name in enumerate(ids)}
    members = {name: index for index, name in enumerate(branches)}
    where = [(places[i], members[b]) for i, b in zip(row_ids, row_branches, strict=True)]
    if not where:
        raise InvalidInputError("there is a header and no row")
    twice, count = Counter(where).most_common(1)[0]
    if count > 1:
        raise InvalidInputError(
            f"clip {ids[twice[0]]!r} has {count} rows for branch {branches[twice[1]]!r}"
        )
    rows, columns_of = (np.array(part, np.intp) for part in zip(*where, strict=True))
    scores = np.full((len(ids), len(branches), len(labels)), np.nan)
    for index, label in enumerate(labels):
        scores[rows, columns_of, index] = [_number(value, label) for value in columns[label]]
    missing = np.full((len(ids), len(branches)), "", dtype="<U32")
    if "missing" in columns:
        missing[rows, columns_of] = [_text(value) for value in columns["missing"]]
    facts = {name: _per_clip(name, columns, row_ids) for name in ("split", "group", "truth")}
    bare = ScoreTable.of_arrays(
        scores,
        [facts["truth"].get(name, "") for name in ids],
        branches=branches,
        labels=labels,
        ids=ids,
        groups=[facts["group"].get(name) or name for name in ids],
        splits=[facts["split"].get(name, "") for name in ids],
    )
    return ScoreTable(
        bare.ids, branches, labels, bare.scores, bare.truth, bare.groups, bare.splits, missing
    )


def _per_clip(name: str, columns: Columns, row_ids: Sequence[str]) -> dict[str, str]:
    """The one value that all rows of each clip agree on; absent where no row has one."""
    found: dict[str, str] = {}
    for clip, value in zip(row_ids, columns.get(name, [""] * len(row_ids)), strict=True):
        text = _text(value)
        if text and found.setdefault(clip, text) != text:
            raise InvalidInputError(
                f"clip {clip!r} has {name} {found[clip]!r} in one row and {text!r} in another"
            )
    return found


def _text(value: object) -> str:
    """A cell as text; None and NaN (an empty cell in pandas) are empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return str(value)


def _number(value: object, label: str) -> float:
    text = _text(value).strip()
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise InvalidInputError(f"column {label!r} holds {text!r}, which is no number") from None


def _read_csv(path: Path) -> ScoreTable:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.reader(stream))
    if not rows:
        raise InvalidInputError("the file is empty")
    header, body = rows[0], [row for row in rows[1:] if row]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise InvalidInputError(f"line {number} has {len(row)} cells, the header {len(header)}")
    if len(set(header)) != len(header):
        raise InvalidInputError(f"the header repeats a name: {', '.join(header)}")
    return _of_columns({name: [row[i] for row in body] for i, name in enumerate(header)})


def _write_csv(table: ScoreTable, stream: IO[bytes]) -> None:
    columns = _to_columns(table)
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if cell != cell else cell for cell in row])  # noqa: PLR0124 - NaN
    text.detach()  # flushes, and leaves the stream open


def _read_npz(path: Path) -> ScoreTable:
    with np.load(path, allow_pickle=False) as archive:
        absent = [name for name in _FIELDS if name not in archive]
        if absent:
            raise InvalidInputError(f"the archive lacks {', '.join(absent)}")
        fields = {name: archive[name] for name in _FIELDS}
    for name in ("branches", "labels"):
        fields[name] = tuple(fields[name].tolist())
    return ScoreTable(**fields)


def _write_npz(table: ScoreTable, stream: IO[bytes]) -> None:
    fields: dict[str, Any] = {name: np.asarray(getattr(table, name)) for name in _FIELDS}
    np.savez_compressed(stream, **fields)


def _arrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError.of("pyarrow", "tables", "a Parquet score table") from error


def _read_parquet(path: Path) -> ScoreTable:
    return _of_columns(_arrow("pyarrow.parquet").read_table(path).to_pydict())


def _write_parquet(table: ScoreTable, stream: IO[bytes]) -> None:
    long_form = _arrow("pyarrow").table(_to_columns(table))
    _arrow("pyarrow.parquet").write_table(long_form, stream)


_READERS: Final[dict[str, Callable[[Path], ScoreTable]]] = {
    ".csv": _read_csv,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
_WRITERS: Final[dict[str, Callable[[ScoreTable, IO[bytes]], None]]] = {
    ".csv": _write_csv,
    ".npz": _write_npz,
    ".parquet": _write_parquet,
}
