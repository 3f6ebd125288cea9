"""A timeline in the formats that people already use: one module per format.

A format is a function that turns a timeline into text or bytes, its suffixes, and a line in
``_FORMATS``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError, OutputError
from facevoice.output.timeline.columns import TABLES, Table, tables_of
from facevoice.output.timeline.elan import to_eaf
from facevoice.output.timeline.files import check_parquet, to_csv, to_json, to_parquet
from facevoice.output.timeline.film import Film, first_instant, player_origin
from facevoice.output.timeline.page import to_html
from facevoice.output.timeline.textgrid import to_textgrid
from facevoice.output.timeline.video import annotation
from facevoice.output.timeline.webvtt import to_vtt
from facevoice.timeline.table import Timeline
from facevoice.writing import replacing

__all__ = ["FORMATS", "check_formats", "files_of", "write"]

Content = str | bytes | Callable[[Path], None] | None
"""One file's content; or a function that writes it; or None: no file, and an old one is removed."""
Format = Callable[[Timeline, Film], Mapping[str, Content]]
"""The files of a format by suffix: what follows the media file's name."""


def _file(
    suffix: str, to: Callable[[Timeline], str | bytes], clock: Callable[[Path], float] | None = None
) -> Format:
    """One file; clock: the time of the media file that is 0 in the format, by default 0."""
    return lambda timeline, film: {
        suffix: to(timeline if clock is None else timeline.shifted(-clock(film.path)))
    }


def _linked(suffix: str, to: Callable[[Timeline, Film], str | bytes]) -> Format:
    """One file on the player's clock that links the media file."""
    return lambda timeline, film: {suffix: to(timeline.shifted(-player_origin(film.path)), film)}


def _per_table(suffix: str, to: Callable[[Table], str | bytes]) -> Format:
    def files(timeline: Timeline, _: Film) -> dict[str, Content]:
        tables = tables_of(timeline)
        return {f".{name}{suffix}": to(tables[name]) if name in tables else None for name in TABLES}

    return files


def _tables(suffix: str) -> tuple[str, ...]:
    return tuple(f".{name}{suffix}" for name in TABLES)


_FORMATS: Final[Mapping[str, tuple[tuple[str, ...], Format]]] = {
    "csv": (_tables(".csv"), _per_table(".csv", to_csv)),
    "parquet": (_tables(".parquet"), _per_table(".parquet", to_parquet)),
    "json": ((".json",), _file(".json", to_json)),
    "vtt": ((".vtt",), _file(".vtt", to_vtt, player_origin)),
    "eaf": ((".eaf",), _linked(".eaf", to_eaf)),
    "textgrid": ((".TextGrid",), _file(".TextGrid", to_textgrid, first_instant)),
    "html": ((".html",), _linked(".html", to_html)),
    "mp4": (
        (".annotated.mp4",),
        lambda timeline, film: {".annotated.mp4": partial(annotation(timeline), film.path)},
    ),
}
"""The suffixes of each format's files, and what makes them."""
FORMATS: Final = tuple(_FORMATS)
"""Names of the formats that ``write`` knows."""


def check_formats(names: Sequence[str]) -> None:
    """Check formats before a film is analysed.

    Raises:
        InvalidInputError: an unknown format.
        MissingDependencyError: Parquet without pyarrow.
    """
    unknown = [name for name in names if name not in _FORMATS]
    if unknown:
        raise InvalidInputError(
            f"unknown formats: {', '.join(map(repr, unknown))}; known: {', '.join(FORMATS)}"
        )
    if "parquet" in names:
        check_parquet()


def files_of(source: Path, folder: Path, formats: Sequence[str]) -> list[Path]:
    """The files that ``write`` writes or replaces for a media file."""
    return [folder / f"{source.stem}{suffix}" for name in formats for suffix in _FORMATS[name][0]]


def write(
    timeline: Timeline, folder: Path, formats: Sequence[str], source: Path, alias: str = ""
) -> list[Path]:
    """Write a timeline in some formats and return the paths of the files.

    Files are named after the media file; each appears under its name once it is complete.

    formats: of ``FORMATS``; one that is named twice is written once.
    source: the media file. CSV, Parquet and JSON need only its name.
    alias: what pages and annotations call it, where it will lie beside them by another name.

    Raises:
        InvalidInputError: an unknown format, then nothing is written; an annotated video of a
            timeline without frames.
        FacevoiceError: the media file cannot be read, or a file cannot be written.
        MissingDependencyError: Parquet without pyarrow.
    """
    check_formats(formats)
    paths = []
    for name in dict.fromkeys(formats):
        for suffix, content in _FORMATS[name][1](timeline, Film(source, folder, alias)).items():
            path = folder / f"{source.stem}{suffix}"
            _write(path, content)
            paths += [] if content is None else [path]
    return paths


def _write(path: Path, content: Content) -> None:
    if callable(content):
        content(path)
    elif content is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be removed: {error.strerror}") from error
