"""Ten raters' votes on each picture of FER2013, from FER+ (Barsoum et al. 2016).

The votes lie beside FER2013's pictures, in either of two forms: ``ferplus.csv`` (or ``.csv.gz``),
whose rows name the pictures, or ``fer2013new.csv`` as published, whose rows follow those of
``fer2013.csv``.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.errors import DatasetError
from facevoice.types import EMOTIONS, Float64Array

SPLITS: Final = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
"""Splits of FER2013 by their names in the tables."""
NAMED: Final = ("ferplus.csv.gz", "ferplus.csv")
NAMED_COLUMNS: Final = ("file", *(f"v_{name}" for name in EMOTIONS))
PUBLISHED: Final = "fer2013new.csv"
_PUBLISHED_COLUMNS: Final = (
    "Usage",
    *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
)


def row_id(split: str, number: int) -> str:
    """The id of the picture in a row of ``fer2013.csv``; the first row is number 1."""
    return f"{split}/{number:05d}"


def votes(root: Path) -> Mapping[str, Float64Array]:
    """How many raters saw each of the seven emotions in a picture of FER2013.

    Votes for contempt, for "unknown" and for "not a face" are left out, and so are pictures that
    have no others.

    Returns (7,) counts in the order of ``EMOTIONS`` for each sample's id; empty if the root holds
    no votes.

    Raises:
        DatasetError: a file lacks a column, or holds what is not a number.
    """
    counts = dict(_rows(root))
    return {name: found for name, found in counts.items() if found.sum() > 0}


def _rows(root: Path) -> Iterator[tuple[str, Float64Array]]:
    folder = root.parent if root.is_file() else root
    for name in NAMED:
        if (folder / name).is_file():
            for row in _table(folder / name, NAMED_COLUMNS):
                yield row["file"], _counts(row, NAMED_COLUMNS, folder / name)
            return
    if (folder / PUBLISHED).is_file():
        for number, row in enumerate(_table(folder / PUBLISHED, _PUBLISHED_COLUMNS), start=1):
            split = SPLITS.get(row["Usage"], "")
            found = _counts(row, _PUBLISHED_COLUMNS, folder / PUBLISHED)
            yield row_id(split, number), found


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    opened: Any = gzip.open if path.suffix == ".gz" else Path.open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = sorted(set(columns) - set(reader.fieldnames or ()))
        if lacking:
            raise DatasetError(f"{path} lacks the columns {', '.join(lacking)}")
        yield from reader


def _counts(row: Mapping[str, str], columns: tuple[str, ...], path: Path) -> Float64Array:
    """The votes of a row; the first of the columns says which picture it is."""
    try:
        return np.array([float(row[name]) for name in columns[1:]])
    except (TypeError, ValueError):
        raise DatasetError(f"{path}: a row with votes that are not numbers: {dict(row)}") from None
