"""Check where a command is to write before it works, so that nothing is lost at the end."""

from pathlib import Path

from facevoice.errors import InvalidInputError, OutputError
from facevoice.writing import check_name


def check_file(path: Path, *, overwrite: bool) -> None:
    """Check a file that is to be written.

    Raises:
        InvalidInputError: it exists, and ``overwrite`` is false.
        OutputError: it is a folder, its folder does not exist, or its name is too long.
    """
    check_name(path)
    check_folder(path.parent)
    try:
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder")
        exists = path.exists()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    if exists and not overwrite:
        raise InvalidInputError(
            f"{path} exists: replace it with --overwrite, or name another place with -o"
        )


def check_folder(folder: Path) -> None:
    """Check a folder that is to be written to.

    Raises:
        OutputError: it does not exist, or it is a file.
    """
    if not folder.exists():
        raise OutputError(f"the folder {folder} does not exist: make it, or name another with -o")
    if not folder.is_dir():
        raise OutputError(f"{folder} cannot be written to: it is a file, not a folder")
