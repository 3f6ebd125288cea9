"""Finished records on disk, one small file each, named by what was scored and how."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.predict.prediction import Prediction
from facevoice.writing import replacing

_STALE: Final = 3600.0  # seconds after which a half-written file has been left by a killed process


class Records:
    """A folder of records by key: ``ab/ab12....json``. Several runs may share one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str, path: str) -> Prediction | None:
        """The prediction kept under a key, as one of ``path``; None if there is none, or damaged.

        ``path`` is where the same bytes lie now.
        """
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            return Prediction.from_dict({**record, "path": path})
        except (OSError, TypeError, ValueError, InvalidInputError):
            return None  # a machine that lost power may leave an empty file: it is made again

    def write(self, key: str, record: str) -> None:
        """Keep a record; when this returns it is whole, whatever happens to this process.

        Raises:
            OutputError: the folder is not writable, or full.
        """
        with replacing(self._path(key)) as temporary:
            temporary.write_text(record + "\n", encoding="utf-8")

    def count(self) -> int:
        """How many are kept."""
        return sum(1 for _ in self.folder.glob("??/*.json"))

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for path in self._unfinished():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def _unfinished(self) -> Iterator[Path]:
        return self.folder.glob("??/.*.tmp")

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
