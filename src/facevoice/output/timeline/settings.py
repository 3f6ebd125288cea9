"""What a timeline's files were made with, kept beside them, so that a run can go on where it ended.

``NAME.settings.json`` holds the settings, the size and time of the media file, which formats were
begun, and the files of those that are complete.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facevoice.errors import OutputError
from facevoice.writing import replacing

SUFFIX: Final = ".settings.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The files of one media file in one folder.

    settings: what they depend on, as JSON values.
    """

    source: Path
    folder: Path
    settings: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.folder / f"{self.source.stem}{SUFFIX}"

    def begun(self) -> tuple[str, ...]:
        """The formats that were begun here with these settings, and perhaps completed."""
        return tuple(self._formats())

    def complete(self) -> dict[str, Sequence[str]]:
        """The formats that need not be made again, with their files, which are all still there."""
        return {
            name: files
            for name, files in self._formats().items()
            if files is not None and all((self.folder / each).is_file() for each in files)
        }

    def write(self, formats: Mapping[str, Sequence[str] | None]) -> None:
        """Keep the settings, and which formats were begun.

        formats: the names of their files once they are complete, before that None.

        Raises:
            OutputError: they cannot be written.
        """
        with replacing(self.path) as temporary:
            content = {**self._about(), "formats": dict(formats)}
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")

    def _formats(self) -> Mapping[str, Sequence[str] | None]:
        found = (self._kept() or {}).get("formats")
        return found if isinstance(found, dict) else {}

    def _about(self) -> dict[str, Any]:
        try:
            stat = self.source.stat()
        except OSError as error:
            raise OutputError(f"{self.source} cannot be read: {error.strerror}") from error
        of_file = {"name": self.source.name, "bytes": stat.st_size, "modified": stat.st_mtime_ns}
        return {"source": of_file, "settings": dict(self.settings)}

    def _kept(self) -> dict[str, Any] | None:
        """What is kept, if it is about the same file and the same settings."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = isinstance(kept, dict) and all(
            kept.get(key) == value for key, value in self._about().items()
        )
        return kept if same else None
