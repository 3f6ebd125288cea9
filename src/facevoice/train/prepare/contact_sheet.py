"""A contact sheet: one face of each sample with its id and label, to check a corpus by eye."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from facevoice.train.prepare.folder import Prepared
from facevoice.types import UInt8Array
from facevoice.writing import replacing

MOST: Final = 200
_TILE: Final = 112
_CAPTION: Final = 24
_COLUMNS: Final = 10
_LETTERS: Final = 18  # that fit under a tile


def write_contact_sheet(prepared: Prepared, path: Path) -> int:
    """Write a sheet of the first samples that have a face; returns how many, 0 writes no file.

    Raises:
        OutputError: it cannot be written.
    """
    shown = list(islice(_faces(prepared), MOST))
    if not shown:
        return 0
    rows = -(-len(shown) // _COLUMNS)
    size = (min(len(shown), _COLUMNS) * _TILE, rows * (_TILE + _CAPTION))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (row, face) in enumerate(shown):
        left, top = number % _COLUMNS * _TILE, number // _COLUMNS * (_TILE + _CAPTION)
        tile = Image.fromarray(face).convert("RGB").resize((_TILE, _TILE))
        sheet.paste(tile, (left, top))
        name = prepared.ids[row].rpartition("/")[2]
        draw.text((left + 2, top + _TILE), name[-_LETTERS:], fill="black")
        label = prepared.labels[prepared.y[row]]
        draw.text((left + 2, top + _TILE + _CAPTION // 2), label[:_LETTERS], fill="firebrick")
    with replacing(path) as temporary:
        sheet.save(temporary, "JPEG", quality=85)
    return len(shown)


def _faces(prepared: Prepared) -> Iterator[tuple[int, UInt8Array]]:
    """Row and middle picture of each sample that shows a face."""
    for row in np.flatnonzero(prepared.has("face")).tolist():
        pictures, _ = prepared.pictures(row, 1)
        yield row, pictures[0]
