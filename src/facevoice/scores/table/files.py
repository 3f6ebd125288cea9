"""Score tables on disk: CSV, npz and Parquet, and pandas frames.

CSV may have commas, semicolons or tabs between cells, and decimal commas: spreadsheets write what
their language asks for. CSV and Parquet hold the tidy long form, one row for each clip and branch:

=========  ======================================================================
column     meaning
=========  ======================================================================
id         name of the clip
branch     name of the branch
split      e.g. val; optional, else empty
group      speaker or film; optional, else the id
truth      name of the true label; optional, empty where unknown
missing    why it has no scores; optional, see ``types.MISSING_CODES``
key        the clip's key, by which it is known again under another id; optional
taught     whether what gave the scores learnt from the clip, see ``TAUGHT``; optional
the rest   one column for each label, in order: the scores; empty where absent
=========  ======================================================================

A branch has no scores for a clip without a row for it. Columns may be in any order. An npz holds
the arrays of ``ScoreTable`` under the names of its fields.

The bundle that gave the scores and its tree are one JSON object, {"bundle": {"name", "sha256"},
"tree": {...}}: in CSV a first line ``# facevoice: {...}``, in an npz the entry ``origin``, in
Parquet the schema's metadata under ``facevoice``, in a frame ``attrs["facevoice"]``. All of it is
optional.
"""

import csv
import importlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from facevoice.csv_cells import csv_rows, csv_text, safe_cell, safe_cells, with_point
from facevoice.errors import (
    InvalidInputError,
    MediaNotFoundError,
    MissingDependencyError,
)
from facevoice.scores.table.table import TAUGHT, ScoredBy, ScoreTable
from facevoice.writing import check_file, replacing

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Sequence[Any]]

_PER_CLIP: Final = {"split": "splits", "group": "groups", "truth": "truth"}  # column -> argument
_LEARNT: Final = {"key": "keys", "taught": "taught"}  # column -> field; written where known
_FACTS: Final = ("id", "branch", *_PER_CLIP, "missing", *_LEARNT)
_ARRAYS: Final = tuple(
    field.name
    for field in fields(ScoreTable)
    if field.name not in {"bundle", "tree", *_LEARNT.values()}
)
_KEY: Final = "facevoice"
_COMMENT: Final = f"# {_KEY}: "
_PARQUET: Final = b"PAR1"
_YES_NO: Final = {
    **dict.fromkeys(("yes", "true", "1"), "yes"),
    **dict.fromkeys(("no", "false", "0"), "no"),
}


def read_score_table(path: str | Path) -> ScoreTable:
    """Read a table; the suffix says how: .csv, .npz or .parquet.

    Raises:
        MediaNotFoundError: there is no such file.
        InvalidInputError: another suffix, a column is absent, or the table is not sound; the
            message names the file.
        MissingDependencyError: Parquet without pyarrow.
    """
    source = Path(path)
    reader, _ = _format(source)
    if not source.is_file():
        found = "it is a folder" if source.is_dir() else "check the path"
        raise MediaNotFoundError(f"no score table at {source}: {found}")
    try:
        return reader(source)
    except (ValueError, zipfile.BadZipFile) as error:  # what numpy and pyarrow raise, and ours
        raise InvalidInputError(f"{source}: {error}") from error


def write_score_table(table: ScoreTable, path: str | Path) -> None:
    """Write a table; the suffix says how: .csv, .npz or .parquet. Written whole or not at all.

    Numbers are written so that reading gives the same float64.

    Raises:
        InvalidInputError: another suffix, or a label has the name of a column of facts.
        OutputError: the folder cannot be written to.
        MissingDependencyError: Parquet without pyarrow.
    """
    target = Path(path)
    _, writer = _format(target)
    with replacing(target) as temporary, temporary.open("wb") as stream:
        writer(table, stream)


def check_table_file(path: str | Path, *, overwrite: bool) -> None:
    """Check, before clips are scored, that a table can be written there and replaces none unasked.

    Raises:
        InvalidInputError: there is one, and ``overwrite`` is false.
        InvalidInputError, OutputError, MissingDependencyError: see ``write_score_table``.
    """
    target = Path(path)
    _format(target)
    if target.suffix.lower() == ".parquet":
        _optional("pyarrow.parquet", "a Parquet score table")
    check_file(target, overwrite=overwrite)


def table_of_frame(frame: "pd.DataFrame") -> ScoreTable:
    """A table from a pandas frame in the long form described above."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    return _of_columns(columns, frame.attrs.get(_KEY, {}))


def table_to_frame(table: ScoreTable) -> "pd.DataFrame":
    """The long form described above as a pandas frame.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    frame = _optional("pandas", "a data frame of scores").DataFrame(_to_columns(table))
    frame.attrs[_KEY] = _origin(table)
    return frame  # type: ignore[no-any-return]


def _format(path: Path) -> "_Format":
    if path.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise InvalidInputError(f"a score table is one of {known}, not {path.name!r}")
    return _FORMATS[path.suffix.lower()]


def _optional(module: str, what: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError.of(module.partition(".")[0], "tables", what) from error


def _origin(table: ScoreTable) -> dict[str, Any]:
    """Which bundle gave the scores, and its tree, as JSON keeps it; empty if unknown."""
    bundle = None if table.bundle is None else asdict(table.bundle)
    found = {"bundle": bundle, "tree": table.tree}
    return {key: value for key, value in found.items() if value is not None}


def _with_origin(table: ScoreTable, origin: Mapping[str, Any]) -> ScoreTable:
    try:
        bundle = ScoredBy(**origin["bundle"]) if "bundle" in origin else None
        return replace(table, bundle=bundle, tree=origin.get("tree"))
    except (TypeError, AttributeError) as error:
        raise InvalidInputError(f"its note about the bundle is damaged: {error}") from error


def _to_columns(table: ScoreTable) -> dict[str, list[Any]]:
    clash = set(table.labels) & set(_FACTS)
    if clash:
        raise InvalidInputError(f"labels may not be called {sorted(clash)} in the long form")
    members = len(table.branches)
    names = np.array(["", *table.labels])[table.truth + 1]
    per_clip = {"id": table.ids, "split": table.splits, "group": table.groups, "truth": names}
    per_clip |= {column: getattr(table, _LEARNT[column]) for column in _learnt(table)}
    columns: dict[str, list[Any]] = {
        name: np.repeat(values, members).tolist() for name, values in per_clip.items()
    }
    columns["branch"] = list(table.branches) * len(table)
    columns["missing"] = table.missing.reshape(-1).tolist()
    flat = table.scores.reshape(-1, len(table.labels))
    scores = {label: flat[:, index].tolist() for index, label in enumerate(table.labels)}
    return {name: columns[name] for name in _FACTS if name in columns} | scores


def _learnt(table: ScoreTable) -> list[str]:
    """The columns about what taught the models, as far as the table knows anything of it."""
    return [column for column, name in _LEARNT.items() if (getattr(table, name) != "").any()]


def _of_columns(columns: Columns, origin: Mapping[str, Any]) -> ScoreTable:
    labels = tuple(name for name in columns if name not in _FACTS)
    if not {"id", "branch"} <= set(columns) or not labels:
        raise InvalidInputError(
            f"the long form needs the columns id, branch and one for each label; found:"
            f" {', '.join(columns) or 'none'}"
        )
    row_ids, row_branches = ([_text(value) for value in columns[key]] for key in ("id", "branch"))
    if not row_ids:
        raise InvalidInputError("it has a header but no rows")
    (clip, branch), count = Counter(zip(row_ids, row_branches, strict=True)).most_common(1)[0]
    if count > 1:
        raise InvalidInputError(f"clip {clip!r} has {count} rows for branch {branch!r}")
    ids, branches = tuple(dict.fromkeys(row_ids)), tuple(dict.fromkeys(row_branches))
    places = {name: index for index, name in enumerate(ids)}
    members = {name: index for index, name in enumerate(branches)}
    where = ([places[name] for name in row_ids], [members[name] for name in row_branches])
    scores = np.full((len(ids), len(branches), len(labels)), np.nan)
    for index, label in enumerate(labels):
        scores[(*where, index)] = [_number(value, label) for value in columns[label]]
    missing = np.full((len(ids), len(branches)), "", dtype="<U32")
    missing[where] = [_text(value) for value in columns.get("missing", [""] * len(row_ids))]
    facts: dict[str, Any] = {
        argument: _per_clip(name, columns, row_ids) for name, argument in _PER_CLIP.items()
    }
    facts["groups"] = [group or name for group, name in zip(facts["groups"], ids, strict=True)]
    table = ScoreTable.of_arrays(
        scores, branches=branches, labels=labels, ids=ids, missing=missing, **facts
    )
    keys = np.array(_per_clip("key", columns, row_ids))
    table = replace(table, keys=keys, taught=np.array(_taught(columns, row_ids)))
    return _with_origin(table, origin)


def _per_clip(name: str, columns: Columns, row_ids: Sequence[str]) -> list[str]:
    """For each clip the one value that all its rows agree on; "" where no row has one."""
    found = dict.fromkeys(row_ids, "")
    for clip, value in zip(row_ids, columns.get(name, [""] * len(row_ids)), strict=True):
        text = _text(value)
        if text and found[clip] not in {"", text}:
            raise InvalidInputError(
                f"clip {clip!r} has {name} {found[clip]!r} in one row and {text!r} in another"
            )
        found[clip] = text or found[clip]
    return list(found.values())


def _taught(columns: Columns, row_ids: Sequence[str]) -> list[str]:
    """For each clip the worst word of its rows, see ``TAUGHT``; any other word as it is."""
    found: dict[str, set[str]] = {clip: set() for clip in row_ids}
    for clip, value in zip(row_ids, columns.get("taught", [""] * len(row_ids)), strict=True):
        word = _text(value).strip()
        found[clip].add(_YES_NO.get(word.lower(), word))
    order = {word: place for place, word in enumerate(TAUGHT)}
    return [max(words, key=lambda word: order.get(word, len(order))) for words in found.values()]


def _text(value: object) -> str:
    """A cell as text; None and NaN (an empty cell in pandas) are empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return str(value)


def _number(value: object, label: str) -> float:
    text = with_point(_text(value).strip())
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise InvalidInputError(f"column {label!r} holds {text!r}, which is not a number") from None


def _read_csv(path: Path) -> ScoreTable:
    text = csv_text(path)
    origin, table, first_line = _noted(text)
    rows = list(csv_rows(table, first_line))
    if not rows:
        raise InvalidInputError("the file is empty")
    (_, header), *body = rows
    for number, row in body:
        if len(row) != len(header):
            more = len(row) > len(header)
            cure = ": are there decimal commas? Save it with semicolons or tabs" if more else ""
            raise InvalidInputError(
                f"line {number} has {len(row)} cells, the header {len(header)}{cure}"
            )
    if len(set(header)) != len(header):
        raise InvalidInputError(f"the header repeats a name: {', '.join(header)}")
    columns = {name: [row[i] for _, row in body] for i, name in enumerate(header)}
    return _of_columns(columns, origin)


def _noted(text: str) -> tuple[dict[str, Any], str, int]:
    """The note about the bundle, the table, and the number of its first line.

    A spreadsheet takes the note for a row: its commas separate cells, and more may be added.
    """
    first, _, rest = text.partition("\n")
    if not first.lstrip('"').startswith(_COMMENT):
        return {}, text, 1
    found: dict[str, Any]
    try:
        found = json.loads(first.removeprefix(_COMMENT))
    except ValueError:
        cells = [cell for _, row in csv_rows(first) for cell in row]
        try:
            found = json.loads(",".join(cells).rstrip(",").removeprefix(_COMMENT))
        except ValueError:
            raise InvalidInputError(
                "its first line, the note about the bundle, is damaged: write the table again, or"
                " delete this line"
            ) from None
    return found, rest, 2


def is_score_csv(path: Path) -> bool:
    """Whether a CSV file is a score table: it has the columns id and branch."""
    try:
        _, table, _ = _noted(csv_text(path))
        _, header = next(csv_rows(table), (0, []))
    except (OSError, ValueError):
        return False
    return {"id", "branch"} <= set(header)


def _write_csv(table: ScoreTable, stream: IO[bytes]) -> None:
    columns, origin = _to_columns(table), _origin(table)
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    text.write(f"{_COMMENT}{json.dumps(origin)}\n" if origin else "")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(safe_cells(columns))
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if cell != cell else safe_cell(cell) for cell in row])  # noqa: PLR0124 - NaN
    text.detach()  # flushes, and leaves the stream open


def _read_npz(path: Path) -> ScoreTable:
    if not zipfile.is_zipfile(path):
        raise InvalidInputError("it is not an archive of numpy arrays")
    with np.load(path, allow_pickle=False) as archive:
        absent = [name for name in _ARRAYS if name not in archive]
        if absent:
            raise InvalidInputError(f"the archive lacks {', '.join(absent)}")
        known = [*_ARRAYS, *(name for name in _LEARNT.values() if name in archive)]
        arrays = {name: archive[name] for name in known}
        origin = json.loads(str(archive["origin"])) if "origin" in archive else {}
    for name in ("branches", "labels"):
        arrays[name] = tuple(arrays[name].tolist())
    return _with_origin(ScoreTable(**arrays), origin)


def _write_npz(table: ScoreTable, stream: IO[bytes]) -> None:
    names = [*_ARRAYS, *(_LEARNT[column] for column in _learnt(table))]
    arrays: dict[str, Any] = {name: np.asarray(getattr(table, name)) for name in names}
    origin = _origin(table)
    arrays |= {"origin": np.array(json.dumps(origin))} if origin else {}
    np.savez_compressed(stream, **arrays)


def _read_parquet(path: Path) -> ScoreTable:
    with path.open("rb") as stream:
        if stream.read(len(_PARQUET)) != _PARQUET:
            raise InvalidInputError("it is not a Parquet file")
    found = _optional("pyarrow.parquet", "a Parquet score table").read_table(path)
    note = (found.schema.metadata or {}).get(_KEY.encode(), b"{}")
    return _of_columns(found.to_pydict(), json.loads(note))


def _write_parquet(table: ScoreTable, stream: IO[bytes]) -> None:
    long_form = _optional("pyarrow", "a Parquet score table").table(_to_columns(table))
    origin = _origin(table)
    if origin:
        long_form = long_form.replace_schema_metadata({_KEY: json.dumps(origin)})
    _optional("pyarrow.parquet", "a Parquet score table").write_table(long_form, stream)


_Format = tuple[Callable[[Path], ScoreTable], Callable[[ScoreTable, IO[bytes]], None]]
_FORMATS: Final[dict[str, _Format]] = {
    ".csv": (_read_csv, _write_csv),
    ".npz": (_read_npz, _write_npz),
    ".parquet": (_read_parquet, _write_parquet),
}
