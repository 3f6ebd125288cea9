"""Which files of a prepared folder have no voice in the track that was read, but in another."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.csv_cells import csv_rows, csv_text
from facevoice.errors import FacevoiceError
from facevoice.evidence.other_tracks import audio_tracks

_UNHEARD: Final = ("silent", "no_speech", "too_short")
_MOST: Final = 20  # files of several tracks that are looked into


def speaking_elsewhere(folder: Path, root: Path) -> tuple[str, ...]:
    """Files whose other sound tracks have speech, among the first 20 that have any.

    folder: the prepared folder. root: what it was prepared from.
    """
    place = root if root.is_dir() else root.parent
    several = (
        (name, info)
        for name in _without_voice(folder)
        if (info := _probed(place / name)) is not None and info.audio_tracks > 1
    )
    found = []
    for name, info in islice(several, _MOST):
        tracks = audio_tracks(info.path, info, spoken=False)
        if tracks is not None and tracks.speaking:
            found.append(name)
    return tuple(found)


def _without_voice(folder: Path) -> Iterator[str]:
    for table, file, why in (
        ("samples.csv", "source", "missing_voice"),
        ("dropped.csv", "file", "reason"),
    ):
        (_, header), *rows = csv_rows(csv_text(folder / table))
        for _, row in rows:
            cells = dict(zip(header, row, strict=False))
            if cells[why].endswith(_UNHEARD):
                yield cells[file]


def _probed(path: Path) -> media.MediaInfo | None:
    try:
        return media.probe(path)
    except FacevoiceError:
        return None
