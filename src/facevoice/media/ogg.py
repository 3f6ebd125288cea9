"""Finds the links of a chained Ogg file, of which ffmpeg reads on only where nothing changes."""

import io
from pathlib import Path
from typing import Final, Self

_PAGE: Final = b"OggS"
_HEADER_BYTES: Final = 27
_FIRST_PAGE: Final = 0x02  # flag of the first page of a stream
_SEARCHED_BYTES: Final = 1 << 16


def link_bounds(path: Path) -> list[tuple[int, int]]:
    """Start and end in bytes of each link of an Ogg file, in order; empty for other files.

    A link starts with the first pages of its streams. Only the headers of pages are read.
    """
    starts: list[int] = []
    with path.open("rb") as file:
        if file.read(len(_PAGE)) != _PAGE:
            return []
        begins, at = False, 0
        while (at := _page_from(file, at)) >= 0:
            file.seek(at)
            header = file.read(_HEADER_BYTES)
            sizes = file.read(header[-1]) if len(header) == _HEADER_BYTES else b""
            first = len(header) == _HEADER_BYTES and bool(header[5] & _FIRST_PAGE)
            if first and not begins:
                starts.append(at)
            begins = first
            at += len(header) + len(sizes) + sum(sizes)
        end = file.seek(0, io.SEEK_END)
    return list(zip(starts, [*starts[1:], end], strict=True))


def _page_from(file: io.BufferedReader, at: int) -> int:
    """Where the next page starts; behind damaged bytes it is searched for. -1: nowhere."""
    size = len(_PAGE)
    while True:
        file.seek(at)
        data = file.read(size)
        found = data.find(_PAGE)
        if found >= 0 or len(data) < size:
            return at + found if found >= 0 else -1
        at += len(data) - len(_PAGE) + 1
        size = _SEARCHED_BYTES


class Part(io.RawIOBase):
    """The bytes [start, stop) of a file as a file of its own."""

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._file = path.open("rb")
        self._start, self._size = start, stop - start
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def seekable(self) -> bool:
        """Whether it can be sought in: it can."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place; returns it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """The place that is read next."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
