"""The media file that a timeline is about, as annotation programs and browsers find it."""

import base64
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from facevoice import media
from facevoice.errors import OutputError

MOST_EMBEDDED: Final = 8_000_000
"""Bytes of a media file up to which a page holds it; a longer one is linked."""

_FROM_ZERO: Final = (".mp4", ".m4v", ".m4a", ".mov", ".3gp", ".3g2", ".mkv", ".mka", ".webm")


@dataclass(frozen=True, slots=True)
class Film:
    """A media file, and the folder whose files link it.

    alias: what the file is called where its files are used, in their folder; "": as it is here.
    """

    path: Path
    folder: Path
    alias: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.alias or self.path.name

    def media_type(self, otherwise: str) -> str:
        """Its type by its suffix."""
        return mimetypes.guess_type(self.path.name)[0] or otherwise

    def link(self) -> str:
        """Its place relative to the folder, not percent-encoded, as ELAN writes it."""
        place = self._relative()
        return f"file:///{self.path.resolve().as_posix()}" if place is None else f"./{place}"

    def is_small(self) -> bool:
        """Whether a page holds it.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            return self.path.stat().st_size <= MOST_EMBEDDED
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be read into the page: {error.strerror}"
            ) from error

    def address(self, kind: str) -> str:
        """Its address on a page: the file itself if it is small, else its relative place.

        kind: its media type.

        Raises:
            OutputError: it cannot be read.
        """
        if self.is_small():
            try:
                content = base64.b64encode(self.path.read_bytes()).decode("ascii")
            except OSError as error:
                raise OutputError(
                    f"{self.path} cannot be read into the page: {error.strerror}"
                ) from error
            return f"data:{kind};base64,{content}"
        place = self._relative()
        return self.path.resolve().as_uri() if place is None else f"./{quote(os.fsencode(place))}"

    def _relative(self) -> str | None:
        if self.alias:
            return self.alias
        try:
            return Path(os.path.relpath(self.path, self.folder)).as_posix()
        except ValueError:  # another drive
            return None


def first_instant(path: Path) -> float:
    """Presentation time of a media file's first instant, in seconds.

    Raises:
        FacevoiceError: it is absent or cannot be read.
    """
    return media.probe(path).start_seconds


def player_origin(path: Path) -> float:
    """Presentation time that players call 0, in seconds.

    In MP4, QuickTime and Matroska that is 0: a film may begin later. The clock of a broadcast
    stream and of other formats is arbitrary, so players count from the first instant.

    Raises:
        FacevoiceError: the media file is absent or cannot be read.
    """
    first = first_instant(path)
    return 0.0 if path.suffix.lower() in _FROM_ZERO else first
