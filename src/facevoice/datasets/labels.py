"""The one reader of labels: a table that names files and labels, or folders named by label.

``prepare`` reads both as the corpora ``manifest`` and ``folders``; ``score`` and ``evaluate`` read
them through ``read_labels``. Any label set works: see ``names`` for how spellings are matched.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from facevoice.csv_cells import csv_rows, csv_text
from facevoice.datasets.corpus import Corpus, Dropped, Found, Gathering, files_below
from facevoice.datasets.names import SPLITS, in_order, label_set
from facevoice.errors import DatasetError
from facevoice.types import Sample
from facevoice.types.suffixes import MEDIA_SUFFIXES

_TABLES: Final = ("manifest.csv", "labels.csv")
_COLUMNS: Final = {
    "file": ("file", "path"),
    "label": ("label", "emotion"),
    "split": ("split",),
    "group": ("group", "speaker"),
    "corpus": ("corpus",),
    "note": ("note",),
}
_MANIFEST_LAYOUT: Final = (
    "manifest.csv or labels.csv with the columns file and label (or emotion), optionally split"
    " (train, val, test), group (or speaker), corpus and note; files are relative to the table"
)
_FOLDERS_LAYOUT: Final = (
    "<label>/<file>, or train/<label>/<file> with val/<label>/<file> or test/<label>/<file>"
)


def read_labels(path: Path) -> Found:
    """Read a table of labels, or a folder that holds one or has one subfolder per label.

    Labels are given as they are written (see ``Found.over``). Names of splits become train, val
    or test where ``names.SPLITS`` knows them, "" where there is none. A sample without a group is
    its own group. Files need not exist. Rows without a label are left out.

    Raises:
        DatasetError: there is no such file or folder, a column is missing, a row names no file, or
            no file has a label.
    """
    table = _table_in(path)
    if table is None and not path.is_dir():
        raise DatasetError(f"{path} does not exist: check the path")
    if table is not None and path.suffix.lower() in MEDIA_SUFFIXES:
        raise DatasetError(
            f"{path} is a clip: name a table of labels or a folder; facevoice predict takes clips"
        )
    if table is not None:
        found = _table(table)
        lacking = ": line 2 and all later lines lack the label" if found.dropped else ""
        expected = f"{table} has no row of labels{lacking}"
    else:
        found = _folders(path)
        expected = (
            f"no labelled file under {path}; expected {_MANIFEST_LAYOUT}; or {_FOLDERS_LAYOUT}"
        )
    if not found.samples:
        raise DatasetError(expected)
    return found


def _table_in(path: Path) -> Path | None:
    places = [path / name for name in _TABLES] if path.is_dir() else [path]
    return next((place for place in places if place.is_file()), None)


def _table(table: Path, *, known_splits: bool = False) -> Found:
    """The files that a table names; known_splits: refuse any other name of a split."""
    try:
        (_, header), *lines = [*csv_rows(csv_text(table))] or [(1, [])]
    except ValueError as error:
        raise DatasetError(f"{table} is not a CSV file of labels: {error}") from error
    if not header:
        raise DatasetError(f"{table} is empty: it needs the columns file and label")
    columns = _columns(table, header)
    samples: list[Sample] = []
    renamed: Counter[str] = Counter()
    dropped = []
    for line, row in lines:
        given = dict(zip(header, row, strict=False))
        cells = {key: given.get(name, "").strip() for key, name in columns.items()}
        name, written = cells["file"], cells.get("split", "")
        split = SPLITS.get(written.lower(), written)
        if not name or (known_splits and split not in {"", *SPLITS.values()}):
            raise DatasetError(
                f"{table}, line {line}: file {name!r}, split {written!r};"
                f" a split is one of {', '.join(SPLITS)}"
            )
        if not cells["label"]:
            dropped.append(Dropped(table.parent / name, "no label"))
            continue
        renamed.update([f"split {written} -> {split}"] if split != written else [])
        group = cells.get("group") or name
        further = {key: cells.get(key, "") for key in ("corpus", "note")}
        samples.append(Sample(name, table.parent / name, cells["label"], split, group, **further))
    return Found(tuple(samples), tuple(dropped), renamed=renamed)


def _columns(table: Path, header: Sequence[str]) -> dict[str, str]:
    """What a column holds -> its name in the table; case does not matter."""
    names = {name.strip().lower(): name for name in reversed(header)}
    found = {
        key: names[next(name for name in options if name in names)]
        for key, options in _COLUMNS.items()
        if set(options) & set(names)
    }
    if not {"file", "label"} <= set(found):
        accepted = "; ".join(" or ".join(options) for options in _COLUMNS.values())
        raise DatasetError(
            f"{table} needs the columns file and label; it has the columns"
            f" {', '.join(header)}. Columns that are read: {accepted}; separated"
            " by commas, semicolons or tabs"
        )
    return found


def _folders(root: Path) -> Found:
    """The media files in folders named by label, below folders named by split or without these."""
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected {_FOLDERS_LAYOUT}")
    names = {path.name for path in root.iterdir() if path.is_dir()}
    parts = {name: SPLITS[name.lower()] for name in sorted(names) if name.lower() in SPLITS}
    samples: list[Sample] = []
    dropped: list[Dropped] = []
    renamed: Counter[str] = Counter()
    for part, split in (parts or {"": ""}).items():
        for path in files_below(root / part, MEDIA_SUFFIXES, "*/**/*"):
            identity = path.relative_to(root).as_posix()
            label = path.relative_to(root / part).parts[0]
            samples.append(Sample(identity, path, label, split, identity))
            renamed.update([f"split {part} -> {split}"] if split != part else [])
        dropped += _others(root / part)
    return Found(tuple(samples), tuple(dropped), renamed=renamed)


def _others(folder: Path) -> Iterator[Dropped]:
    """The files in folders of labels that are not taken; a table of labels may name them."""
    for path in sorted(folder.glob("*/**/*")):
        suffix = path.suffix.lower()
        if suffix not in MEDIA_SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield Dropped(path, f"the suffix {suffix}" if suffix else "no suffix")


def _adopt(found: Found, gathering: Gathering) -> None:
    """Gather for training: files that exist, labels of one set; files without a split are train."""
    for dropped in found.dropped:
        gathering.drop(dropped.path, dropped.reason)
    if not found.samples:
        return
    labels = label_set([sample.label or "" for sample in found.samples])
    found = found.over(tuple(labels.values()))
    kept = []
    for sample in found.samples:
        if sample.path.is_file():
            gathering.keep(replace(sample, split=sample.split or "train"))
            kept.append(sample.label or "")
        else:
            gathering.drop(sample.path, "file of the table is absent")
    gathering.labels, gathering.renamed = in_order(kept), found.renamed


def gather_manifest(root: Path, gathering: Gathering) -> None:
    """The files that a table names; root may be the folder or the table itself.

    Without a column of splits all are "train"; without groups each file is its own group.
    """
    table = _table_in(root)
    if table is not None:
        _adopt(_table(table, known_splits=True), gathering)


def gather_folders(root: Path, gathering: Gathering) -> None:
    """The media files in folders named by label; each is its own group."""
    _adopt(_folders(root), gathering)


MANIFEST: Final = Corpus(
    name="manifest",
    title="your own files, by a table of labels",
    content="clips",
    labels=(),
    layout=_MANIFEST_LAYOUT,
    mapping="any labels; if all mean one of the seven emotions, those",
    splits="the column split; otherwise all are train",
    groups="the column group or speaker; otherwise each file",
    licence="that of your files",
    citation="none",
    obtain="see docs/datasets.md",
    gather=gather_manifest,
)

FOLDERS: Final = replace(
    MANIFEST,
    name="folders",
    title="your own files, in folders named by label",
    layout=_FOLDERS_LAYOUT,
    splits="folders train, val, test above the labels; otherwise all are train",
    groups="",
    gather=gather_folders,
)
