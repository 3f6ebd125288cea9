"""A timeline in the formats that people already use: one module a format."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.output.timeline.csv import write_csv
from facevoice.output.timeline.elan import write_eaf
from facevoice.output.timeline.page import write_html
from facevoice.output.timeline.parquet import write_parquet
from facevoice.output.timeline.record import write_json
from facevoice.output.timeline.textgrid import write_textgrid
from facevoice.output.timeline.video import write_mp4
from facevoice.output.timeline.webvtt import write_vtt
from facevoice.timeline.table import Timeline

__all__ = ["FORMATS", "write"]

_WRITERS: Final[Mapping[str, Callable[[Timeline, Path, Path], list[Path]]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "json": write_json,
    "vtt": write_vtt,
    "eaf": write_eaf,
    "textgrid": write_textgrid,
    "html": write_html,
    "mp4": write_mp4,
}
FORMATS: Final = tuple(_WRITERS)
"""Names of the formats that ``write`` knows."""


def write(timeline: Timeline, folder: Path, formats: Sequence[str], source: Path) -> list[Path]:
    """Write a timeline in some formats and tell which files were written.

    Files are named after the media file; each appears under its name once it is whole.

    formats: of ``FORMATS``; one that is named twice is written once.
    source: the media file. CSV, Parquet and JSON need only its name.

    Raises:
        InvalidInputError: an unknown format, then nothing is written.
        FacevoiceError: the media file cannot be read, or a file cannot be written.
        MissingDependencyError: Parquet without pyarrow.
    """
    unknown = [name for name in formats if name not in _WRITERS]
    if unknown:
        raise InvalidInputError(
            f"unknown formats: {', '.join(map(repr, unknown))}; known: {', '.join(FORMATS)}"
        )
    return [
        path for name in dict.fromkeys(formats) for path in _WRITERS[name](timeline, folder, source)
    ]
