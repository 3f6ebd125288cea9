"""Corpora of your own: a table that names files and labels, or folders named by label.

Any label set will do. Names that all mean one of the seven emotions (also Anger, Joy, fearful, in
any case) become these; otherwise the names stay as they are written.
"""

import csv
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    Corpus,
    Found,
    Gathering,
    files_below,
    in_order,
    label_set,
)
from facevoice.errors import DatasetError
from facevoice.types import Sample

_TABLES: Final = ("manifest.csv", "labels.csv")
_LABELS: Final = ("label", "emotion")
_GROUPS: Final = ("group", "speaker")
_SPLITS: Final = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_MANIFEST_LAYOUT: Final = (
    "manifest.csv or labels.csv with the columns file and label (or emotion), optionally split"
    " (train, val, test) and group (or speaker); files are relative to the table"
)
_FOLDERS_LAYOUT: Final = (
    "<label>/<file>, or train/<label>/<file> with val/<label>/<file> or test/<label>/<file>"
)


def find_manifest(root: Path) -> Found:
    """The files that the table names; root may be the folder or the table itself.

    Without a column of splits all is "train"; without groups each file is its own.
    """
    folder = root.parent if root.is_file() else root
    gathering = Gathering("manifest", folder, _MANIFEST_LAYOUT)
    tables = [root] if root.is_file() else [root / name for name in _TABLES]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        return gathering.found()  # raises
    rows = _rows(table)
    labels = label_set(sorted({row["label"] for row in rows if row["label"]}))
    for number, row in enumerate(rows, start=2):
        name, split = row["file"], _SPLITS.get(row["split"].lower() or "train")
        if not name or split is None:
            raise DatasetError(
                f"manifest: {table}, line {number}: file {name!r}, split {row['split']!r};"
                f" a split is one of {', '.join(_SPLITS)}"
            )
        path = folder / name
        if not row["label"]:
            gathering.drop(path, "no label")
        elif not path.is_file():
            gathering.drop(path, "file of the table is absent")
        else:
            gathering.keep(Sample(name, path, labels[row["label"]], split, row["group"] or name))
    found = gathering.found()
    return gathering.found(in_order(sample.label or "" for sample in found.samples))


def _rows(table: Path) -> list[dict[str, str]]:
    """Rows with exactly the cells file, label, split, group; absent ones are empty."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        columns = list(reader.fieldnames or ())
        label = next((name for name in _LABELS if name in columns), None)
        group = next((name for name in _GROUPS if name in columns), None)
        if "file" not in columns or label is None:
            raise DatasetError(f"manifest: {table} has the columns {columns}; {_MANIFEST_LAYOUT}")
        wanted = {"file": "file", "label": label, "split": "split", "group": group}
        return [
            {key: (row.get(name or "") or "").strip() for key, name in wanted.items()}
            for row in reader
        ]


def find_folders(root: Path) -> Found:
    """The media files in folders named by label; each is its own group."""
    gathering = Gathering("folders", root, _FOLDERS_LAYOUT)
    names = {path.name for path in root.iterdir() if path.is_dir()}
    split_names = sorted(name for name in names if name.lower() in _SPLITS)
    parts = {name: _SPLITS[name.lower()] for name in split_names} or {"": "train"}
    paths = [
        (path, split)
        for part, split in parts.items()
        for path in files_below(
            root / part, VIDEO_SUFFIXES | SOUND_SUFFIXES | PICTURE_SUFFIXES, "*/**/*"
        )
    ]
    folders = [path.relative_to(root).parts[1 if split_names else 0] for path, _ in paths]
    labels = label_set(sorted(set(folders)))
    for (path, split), folder in zip(paths, folders, strict=True):
        identity = path.relative_to(root).as_posix()
        gathering.keep(Sample(identity, path, labels[folder], split, group=identity))
    return gathering.found(in_order(labels.values()))


MANIFEST: Final = Corpus(
    name="manifest",
    title="your own files, by a table of labels",
    content="clips",
    labels=(),
    layout=_MANIFEST_LAYOUT,
    mapping="any labels; if all mean one of the seven emotions, these",
    splits="the column split; else all is train",
    groups="the column group or speaker; else each file is its own",
    licence="that of your files",
    citation="none",
    obtain="see docs/datasets.md",
    find=find_manifest,
)

FOLDERS: Final = Corpus(
    name="folders",
    title="your own files, in folders named by label",
    content="clips",
    labels=(),
    layout=_FOLDERS_LAYOUT,
    mapping="any labels; if all mean one of the seven emotions, these",
    splits="folders train, val, test above the labels; else all is train",
    groups="",
    licence="that of your files",
    citation="none",
    obtain="see docs/datasets.md",
    find=find_folders,
)
