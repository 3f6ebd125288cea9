"""Writes files atomically, so that an interruption never leaves a partial file.

Checks a place before long work, so that nothing is lost at the end.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError, OutputError

_LONGEST_NAME: Final = 255  # bytes, in the usual file systems
_ROOM: Final = 32  # bytes for what a temporary name has besides


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that names the path."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def check_file(path: Path, *, overwrite: bool, made: bool = False) -> None:
    """Check, before long work, that a file can be written there and replaces none unasked.

    made: whether its folder will be made if it is missing.

    Raises:
        InvalidInputError: it exists, and ``overwrite`` is false.
        OutputError: as ``check_writable``, or its folder does not exist and is not made.
    """
    check_folder(path.parent, made=made)
    check_writable(path)
    with _told(path):
        exists = path.exists()
    if exists and not overwrite:
        raise refused(path)


def refused(path: Path) -> InvalidInputError:
    """The error where something would be replaced unasked."""
    return InvalidInputError(
        f"{path} exists: replace it with --overwrite, or name another place with -o"
    )


def check_writable(path: Path) -> None:
    """Check, before long work, that a file can be written there; missing folders will be made.

    Raises:
        OutputError: a folder stands there, its folder cannot be written to, or its name is too
            long.
    """
    check_name(path)
    check_folder(path.parent)
    with _told(path):
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder")


def check_folder(folder: Path, *, made: bool = True) -> None:
    """Check, before long work, that files can be written into a folder.

    made: whether it will be made if it does not exist yet.

    Raises:
        OutputError: it cannot be written to, something else stands there, or it does not exist
            and is not made.
    """
    with _told(folder):
        present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not present.is_dir():
            raise OutputError(f"{folder} cannot be written to: {present} is a file, not a folder")
    if present != folder and not made:
        raise OutputError(f"the folder {folder} does not exist: make it, or name another with -o")
    if not os.access(present, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} cannot be written to: {present} is not writable")


def check_name(path: Path) -> None:
    """Check, before long work, that a file's name is not too long.

    Raises:
        OutputError: it is.
    """
    length = len(os.fsencode(path.name))
    if length > _LONGEST_NAME:
        raise OutputError(
            f"{path} cannot be written: its name has {length} bytes, {_LONGEST_NAME} are allowed:"
            " choose a shorter name, or rename the file that it is named after"
        )


def temporary_prefix(path: Path) -> str:
    """How the names of the temporary files begin that ``replacing`` makes for a file."""
    if len(os.fsencode(path.name)) <= _LONGEST_NAME - _ROOM:
        return f".{path.name}."
    return f".{zlib.crc32(os.fsencode(path.name)):08x}."


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and move the file to ``path`` if the block succeeds.

    Creates missing parent folders. If the block fails, an existing file at ``path`` is kept.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    temporary = path.with_name(f"{temporary_prefix(path)}{os.getpid()}.tmp")
    try:
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
    finally:
        with suppress(OSError):  # the parent may not be a folder; only the first error matters
            temporary.unlink(missing_ok=True)
