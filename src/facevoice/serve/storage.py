"""Uploads and results on disk: private, counted, and removed, after a crash at the next start."""

import importlib
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from facevoice.errors import OutputError
from facevoice.serve.problems import RefusedError

fcntl: Any = None
with suppress(ImportError):  # Windows lacks it, and does not remove a file that is open
    fcntl = importlib.import_module("fcntl")

_LOCK: Final = "lock"
_PREFIX: Final = "server-"
_PRIVATE: Final = 0o700


class Storage:
    """A folder of one running server; it is removed when closed.

    Servers of one user share the folder above it. Each holds a lock in its own, which the system
    gives up when the process ends, however it ends: what has no owner is removed at the next start.

    above: None: one of this user's in the system's temporary folder.
    most_bytes: of everything in it.

    Raises:
        OutputError: the folder above cannot be used, or belongs to someone else.
    """

    def __init__(self, above: Path | None, most_bytes: int) -> None:
        self._above = _private_folder(above)
        self._most_bytes = most_bytes
        self.used_bytes = 0
        with _locked(self._above / _LOCK):
            self.swept = _sweep(self._above)
            self.folder = self._above / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
            self.folder.mkdir(mode=_PRIVATE)
            self._lock = _locked(self.folder / _LOCK)
            self._lock.__enter__()

    def desk(self) -> "Desk":
        """A place for one upload and what is made of it."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=_PRIVATE)
        return Desk(self, folder)

    def take(self, count: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            RefusedError: there would be too many.
        """
        if self.used_bytes + count > self._most_bytes:
            raise RefusedError(
                507,
                "full",
                "the disk space for uploads and results is used up: try again later, or delete"
                " results",
            )
        self.used_bytes += count

    def close(self) -> None:
        """Remove everything."""
        self._lock.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class Desk:
    """The folder of one upload. ``path`` is where it is written to, under a name of our own."""

    storage: Storage
    folder: Path
    path: Path | None = None
    _counted: int = 0

    def open(self, suffix: str) -> BinaryIO:
        """A new file, readable by this user alone, that takes the upload; suffix: of its name."""
        self.path = self.folder / f"film{suffix}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.path, flags, 0o600), "wb")

    def take(self, count: int) -> None:
        """Count bytes that are about to be written, as ``Storage.take``."""
        self.storage.take(count)
        self._counted += count

    def drop_upload(self) -> None:
        """Remove the upload, and count what was made of it instead."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.storage.used_bytes -= self._counted
        made = [each for each in self.folder.iterdir() if each.is_file()]
        self._counted = sum(each.stat().st_size for each in made)
        self.storage.used_bytes += self._counted

    def remove(self) -> None:
        """Remove everything; may be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.storage.used_bytes -= self._counted
        self._counted = 0


def _private_folder(above: Path | None) -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = above or Path(tempfile.gettempdir()) / f"facevoice-{user}"
    try:
        folder.mkdir(mode=_PRIVATE, parents=above is not None, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise OutputError(f"{folder} cannot hold uploads: {error.strerror}") from error
    theirs = hasattr(os, "getuid") and found.st_uid != os.getuid()
    if theirs or folder.is_symlink() or not folder.is_dir():
        raise OutputError(f"{folder} is not a folder of this user: name another with --folder")
    return folder


def _sweep(above: Path) -> int:
    """Remove the folders of servers that have ended; returns how many there were."""
    count = 0
    for folder in above.glob(f"{_PREFIX}*"):
        if _is_abandoned(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def _is_abandoned(path: Path) -> bool:
    try:
        if fcntl is None:
            path.unlink(missing_ok=True)
            return True
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


class _locked:  # noqa: N801 - used as a function
    """A lock file that is held; the system releases it when the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
