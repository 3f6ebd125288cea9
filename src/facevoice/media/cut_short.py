"""Tells whether a file ends before its container says that it does."""

from pathlib import Path
from typing import Final

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_HEAD_BYTES: Final = 4096
_RIFF_UNKNOWN: Final = 0x7FFF_0000  # or more is what programs write into a pipe
_TS_PACKET: Final = 188


def ends_early(path: Path) -> bool:
    """Whether bytes are missing at the end of a file, by the size that its first bytes state.

    Known of Matroska and WebM, of AVI and WAV, and of MPEG-TS, which consists of packets of 188
    bytes. Other formats state no size in front, or the index of their packets tells what is lost.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(_EBML):
        stated = _matroska_bytes(head)
        return stated is not None and stated > size
    if head.startswith(b"RIFF"):
        stated = int.from_bytes(head[4:8], "little")
        return stated < _RIFF_UNKNOWN and stated > size  # some count their first eight bytes too
    in_packets = len(head) > 2 * _TS_PACKET and set(head[: 3 * _TS_PACKET : _TS_PACKET]) == {0x47}
    return in_packets and size % _TS_PACKET > 0


def _matroska_bytes(head: bytes) -> int | None:
    """The size of a Matroska file with one segment; None if it is not stated."""
    length, at = _ebml_size(head, len(_EBML))
    if length is None:
        return None
    at += length
    if head[at : at + 4] != _SEGMENT:
        return None
    length, at = _ebml_size(head, at + 4)
    return None if length is None else at + length


def _ebml_size(head: bytes, at: int) -> tuple[int | None, int]:
    """A number of EBML at a place, None if it stands for "unknown"; and the place behind it."""
    width = 9 - head[at].bit_length() if at < len(head) and head[at] else 0
    if not width or at + width > len(head):
        return None, at
    number = int.from_bytes(head[at : at + width], "big") - (1 << 7 * width)
    return (None if number == (1 << 7 * width) - 1 else number), at + width
