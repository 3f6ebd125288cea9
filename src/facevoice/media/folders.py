"""Finds the media files in folders: by their names where these tell, else by their content."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facevoice.errors import (
    MediaNotFoundError,
    MediaPermissionError,
    MediaUnreadableError,
    MissingDependencyError,
)
from facevoice.media.probe import probe
from facevoice.messages import counted, some
from facevoice.types.suffixes import MEDIA_SUFFIXES

_OTHER: Final = """
    7z aae ass cfg csv cue db dll doc docx eaf exe feather gz h5 hdf5 htm html idx ini ipynb
    json jsonl lnk lrc m3u m3u8 mat md nfo npy npz ods odt onnx otf parquet pdf pkl pls ppt
    pptx pt pth py rar rtf so sqlite srt ssa sub svg tar textgrid tgz thm toml tsv ttf txt vtt
    xls xlsx xml xmp yaml yml zip
"""

_OTHER_SUFFIXES: Final = frozenset(f".{name}" for name in _OTHER.split())
"""Files that stand beside media; some could be taken for sound by their bytes."""

_TEXT_BYTES: Final = 4096
_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class FoundMedia:
    """What files and folders hold.

    files: given ones, and those found in folders, each once.
    skipped: files in folders that hold no picture, sound or video.
    forbidden: files in folders that may not be read, of which nothing is known.
    hidden: hidden folders, and hidden files that may hold some; they are left out.
    linked: linked folders, which are not followed.
    """

    files: tuple[Path, ...]
    skipped: tuple[Path, ...] = ()
    forbidden: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    linked: tuple[Path, ...] = ()

    def lines(self) -> Iterator[str]:
        """What was left out, one line per reason."""
        if self.skipped:
            kinds = Counter(path.suffix.lower() or "no suffix" for path in self.skipped)
            listed = ", ".join(f"{suffix} {count}" for suffix, count in kinds.most_common())
            yield (
                f"skipped {_counted(self.skipped, 'file')} without picture, sound or video:"
                f" {_names(self.skipped)} ({listed})"
            )
        if self.forbidden:
            may_not = (
                f"skipped {_counted(self.forbidden, 'file')} that may not be read by this user"
            )
            yield f"{may_not}: {_names(self.forbidden)}"
        folders = tuple(path for path in self.hidden if path.is_dir())
        others = tuple(path for path in self.hidden if path not in folders)
        for noun, paths in (("hidden file", others), ("hidden folder", folders)):
            if paths:
                yield f"left out {_counted(paths, noun)}: {_names(paths)}"
        if self.linked:
            yield f"did not follow {_counted(self.linked, 'linked folder')}: {_names(self.linked)}"


def _counted(paths: tuple[Path, ...], noun: str) -> str:
    return counted(len(paths), noun)


def _names(paths: tuple[Path, ...]) -> str:
    return some([path.name for path in paths], _NAMED)


def find_media(paths: Iterable[Path]) -> list[Path]:
    """The media files that paths stand for; see ``search_media``, which also says what is left."""
    return list(search_media(paths).files)


def search_media(paths: Iterable[Path]) -> FoundMedia:
    """The media files that paths stand for: files as given, and those found in folders.

    Folders are searched recursively, and their files sorted by path. A file is taken if its suffix
    is one of ``MEDIA_SUFFIXES``, so that damage in it is reported, or if it opens and something in
    it decodes. Hidden files and
    folders are left out, and linked folders are not followed. Each file is listed once.

    Raises:
        MediaNotFoundError: a path that does not exist, or a folder without media.
        MediaPermissionError: a path or a folder that may not be read.
    """
    files: dict[Path, None] = {}
    rest: dict[str, list[Path]] = {
        name: [] for name in ("skipped", "forbidden", "hidden", "linked")
    }
    for path in map(Path, paths):
        folder, there = _kind(path)
        if folder:
            inside = _inside(path, rest)
            barred = [each for each in rest["forbidden"] if each.is_relative_to(path)]
            if barred and not inside:
                raise MediaPermissionError(
                    f"the folder {path} holds no file of a known kind, and {_names(tuple(barred))}"
                    " may not be read by this user: change its permissions"
                )
            if not inside:
                skipped = [each for each in rest["skipped"] if each.is_relative_to(path)]
                only = f", only {_names(tuple(skipped))}" if skipped else ""
                raise MediaNotFoundError(
                    f"the folder {path} holds no picture, sound or video{only}: name a file or"
                    " another folder"
                )
            files.update(dict.fromkeys(inside))
        elif there:
            files[path] = None
        else:
            raise MediaNotFoundError(f"{path} does not exist: check the path")
    return FoundMedia(tuple(files), **{name: tuple(each) for name, each in rest.items()})


def _kind(path: Path) -> tuple[bool, bool]:
    """Whether a path is a folder, and whether it is anything."""
    try:
        return path.is_dir(), path.exists()
    except PermissionError as error:
        raise MediaPermissionError(
            f"{path} may not be read by this user: change the permissions of its folders"
        ) from error
    except OSError as error:
        raise MediaNotFoundError(f"{path} cannot be found: {error.strerror or error}") from error


def _inside(folder: Path, rest: dict[str, list[Path]]) -> list[Path]:
    """The media files in a folder, by path; what is left out is added to the rest."""

    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError):
            raise MediaPermissionError(
                f"the folder {error.filename} may not be read by this user: change its permissions"
            ) from error

    found, others = [], []
    for root, folders, names in os.walk(folder, onerror=refuse):
        rest["hidden"] += [Path(root, name) for name in folders if name.startswith(".")]
        folders[:] = [name for name in folders if not name.startswith(".")]
        rest["linked"] += [Path(root, name) for name in folders if Path(root, name).is_symlink()]
        for name in names:
            path = Path(root, name)
            known = path.suffix.lower() in MEDIA_SUFFIXES
            if name.startswith("."):  # "._" files keep what macOS notes about another file
                rest["hidden"] += [path] if known and not name.startswith("._") else []
            elif known:
                found.append(path)
            else:
                others.append(path)
    for path in sorted(others):
        try:
            (found if _holds_media(path) else rest["skipped"]).append(path)
        except (PermissionError, MediaPermissionError):
            rest["forbidden"].append(path)
    return sorted(found)


def _holds_media(path: Path) -> bool:
    """Whether something in a file decodes, or would with an extra.

    Raises:
        PermissionError, MediaPermissionError: this user may not read it.
    """
    if path.suffix.lower() in _OTHER_SUFFIXES or not path.is_file() or _is_text(path):
        return False
    try:
        probe(path)
    except MissingDependencyError:
        return True
    except (MediaUnreadableError, MediaNotFoundError):
        return False
    return True


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_TEXT_BYTES)
    except OSError:
        return False
    if b"\0" in head:
        return False
    try:
        head[:-4].decode("utf-8")  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True
