"""Finished records on disk, one small file each, named by what was scored and how."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.predict.prediction import Prediction
from facevoice.writing import replacing

_STALE: Final = 3600.0  # seconds after which a half-written file was left by a killed process


class Records:
    """A folder of records by key: ``ab/ab12....json``. Several runs may share one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str, path: str) -> Prediction | None:
        """The prediction kept under a key, as that of ``path``, which has the same bytes.

        None if there is none or it is damaged.
        """
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            return Prediction.from_dict({**record, "path": path})
        except (OSError, TypeError, ValueError, InvalidInputError):
            return None  # a power failure may leave an empty file: it is made again

    def write(self, key: str, record: str) -> None:
        """Keep a record; once this returns it is complete, even if the process is killed.

        Raises:
            OutputError: the folder is not writable, or full.
        """
        with replacing(self._path(key)) as temporary:
            temporary.write_text(record + "\n", encoding="utf-8")

    def count(self) -> int:
        """Number of records."""
        return sum(1 for _ in self.folder.glob("??/*.json"))

    def sweep(self) -> None:
        """Remove half-written records of killed processes."""
        for path in self.folder.glob("??/.*.tmp"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
