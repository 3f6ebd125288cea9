"""What a timeline's files were made with, kept beside them, so that a run can go on where it ended.

``NAME.settings.json`` holds the settings, the size and time of the media file, and which formats
are complete.
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

    def begun(self) -> bool:
        """Whether files of the same settings were begun here, and perhaps completed."""
        return self._kept() is not None

    def complete(self) -> tuple[str, ...]:
        """The formats that are complete with these settings, and need not be made again."""
        kept = self._kept()
        return () if kept is None else tuple(kept.get("complete", ()))

    def write(self, complete: Sequence[str]) -> None:
        """Keep the settings, and which formats are complete.

        Raises:
            OutputError: they cannot be written.
        """
        with replacing(self.path) as temporary:
            content = {**self._about(), "complete": list(complete)}
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")

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
