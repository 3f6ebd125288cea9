"""Refuses what cannot be read before it is opened: missing and empty files, too large pictures."""

import stat
from contextlib import nullcontext
from pathlib import Path

from facevoice.errors import MediaNotFoundError, MediaPermissionError, MediaUnreadableError
from facevoice.media.clock import check_span
from facevoice.media.pixels import MAX_SIDE, fits, most_pixels


def unreadable(path: Path | str, found: str) -> MediaUnreadableError:
    """The error for a file that exists but cannot be decoded."""
    return MediaUnreadableError(
        f"cannot read {path}: {found}; check that it plays in a media player, or export it again"
    )


def check_file(path: Path) -> None:
    """Check that ``path`` is a regular, readable file that is not empty.

    Raises:
        MediaNotFoundError: nothing there, a folder, or something that is not a file.
        MediaPermissionError: this user may not read it.
        MediaUnreadableError: it is empty, or the disk fails.
    """
    try:
        mode = path.stat().st_mode
        regular = stat.S_ISREG(mode)  # opening a pipe would block
        with path.open("rb") if regular else nullcontext() as file:
            empty = file is not None and not file.read(1)
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        raise MediaPermissionError(
            f"{path} may not be read by this user: change its permissions or copy it"
        ) from error
    except (OSError, ValueError) as error:
        raise unreadable(path, f"the system says {error}") from error
    if stat.S_ISDIR(mode):
        raise MediaNotFoundError(f"{path} is a folder, not a file: name a file inside it")
    if not regular:
        raise MediaNotFoundError(f"{path} is not a regular file: copy its content to one")
    if empty:
        raise unreadable(path, "the file is empty")


def checked_input(path: Path, start_seconds: float | None, stop_seconds: float | None) -> Path:
    """Check a file and the span that is to be read of it; returns the path as a ``Path``.

    Raises:
        InvalidInputError: as ``check_span``.
        MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as ``check_file``.
    """
    check_span(start_seconds, stop_seconds)
    path = Path(path)
    check_file(path)
    return path


def check_size(path: Path | str, width: int, height: int) -> None:
    """Refuse pictures that are too large, before memory is allocated for them.

    Raises:
        MediaUnreadableError: a side above ``MAX_SIDE`` or more than ``MAX_PIXELS`` pixels.
    """
    if not fits(width, height):
        raise unreadable(
            path,
            f"the picture is {width}x{height}, the limit is {MAX_SIDE} per side"
            f" and {most_pixels() // 1_000_000} million pixels",
        )
