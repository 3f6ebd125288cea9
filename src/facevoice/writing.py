"""Writes files atomically: an interruption never leaves a partial file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facevoice.errors import OutputError


def check_writable(path: Path) -> None:
    """Check, before long work, that a file can be written there; missing folders will be made.

    Raises:
        OutputError: a folder stands there, or its folder cannot be written to.
    """
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Check, before long work, that files can be written into a folder, which may not exist yet.

    Raises:
        OutputError: it cannot be written to, or something else stands there.
    """
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not present.is_dir():
        raise OutputError(f"{folder} cannot be written to: {present} is a file, not a folder")
    if not os.access(present, os.W_OK):
        raise OutputError(f"{folder} cannot be written to: {present} is not writable")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and move the file to ``path`` if the block succeeds.

    Creates missing parent folders. If the block fails, an existing file at ``path`` is kept.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the parent may not be a folder; only the first error matters
            temporary.unlink(missing_ok=True)
