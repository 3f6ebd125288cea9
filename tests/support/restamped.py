"""Copies of films with other time stamps: packets keep their content, and stamps are as told."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Kind = Literal["picture", "sound"]
Change = Callable[[Kind, int, float], float]
"""The new stamp of a packet, in seconds, by its stream, its number there, and its stamp."""

_TS_PACKET = 188
_TICKS = 90_000
_WRAP = 1 << 33


def restamped(source: Path, copy: Path, change: Change) -> Path:
    """An FLV or MPEG-TS file with changed stamps; in TS, several frames of sound share one."""
    content = bytearray(source.read_bytes())
    if source.suffix == ".flv":
        _restamp_flv(content, change)
    else:
        _restamp_ts(content, change)
    copy.write_bytes(content)
    return copy


def flv_that_states(source: Path, copy: Path, seconds: float) -> Path:
    """A copy of an FLV file whose header states another duration."""
    content = bytearray(source.read_bytes())
    at = content.index(b"duration") + len(b"duration") + 1
    content[at : at + 8] = struct.pack(">d", seconds)
    copy.write_bytes(content)
    return copy


def _restamp_flv(content: bytearray, change: Change) -> None:
    at = 13
    counts: dict[Kind, int] = {"picture": 0, "sound": 0}
    kind_of: dict[int, Kind] = {8: "sound", 9: "picture"}
    while at + 11 <= len(content):
        size = int.from_bytes(content[at + 1 : at + 4], "big")
        header = content[at] == 9 and content[at + 12] == 0  # of H.264, without a picture
        header |= content[at] == 8 and content[at + 11] >> 4 == 10 and content[at + 12] == 0
        kind = kind_of.get(content[at])
        if kind is not None and not header:
            stamp = int.from_bytes(content[at + 4 : at + 7], "big") | content[at + 7] << 24
            new = round(1000 * change(kind, counts[kind], stamp / 1000)) % (1 << 32)
            content[at + 4 : at + 7] = (new & 0xFFFFFF).to_bytes(3, "big")
            content[at + 7] = new >> 24
            counts[kind] += 1
        at += 11 + size + 4


def _restamp_ts(content: bytearray, change: Change) -> None:
    counts: dict[Kind, int] = {"picture": 0, "sound": 0}
    for at in range(0, len(content) - _TS_PACKET + 1, _TS_PACKET):
        if not content[at + 1] & 0x40:  # no start of a unit
            continue
        pes = at + 4 + (content[at + 4] + 1 if content[at + 3] & 0x20 else 0)
        if content[pes : pes + 3] != b"\0\0\1":
            continue
        kind: Kind = "picture" if content[pes + 3] & 0xF0 == 0xE0 else "sound"
        places = [pes + 9] * bool(content[pes + 7] & 0x80) + [pes + 14] * bool(
            content[pes + 7] & 0x40
        )
        stamps = [_stamp(content, place) for place in places]
        if stamps:
            moved = round(change(kind, counts[kind], stamps[0] / _TICKS) * _TICKS) - stamps[0]
            for place, stamp in zip(places, stamps, strict=True):
                _put_stamp(content, place, (stamp + moved) % _WRAP)
            counts[kind] += 1


def _stamp(content: bytearray, at: int) -> int:
    high, middle, low = content[at], content[at + 1 : at + 3], content[at + 3 : at + 5]
    return (
        (high >> 1 & 7) << 30
        | (int.from_bytes(middle, "big") >> 1) << 15
        | int.from_bytes(low, "big") >> 1
    )


def _put_stamp(content: bytearray, at: int, ticks: int) -> None:
    content[at] = content[at] & 0xF1 | (ticks >> 30 & 7) << 1
    content[at + 1 : at + 3] = ((ticks >> 15 & 0x7FFF) << 1 | 1).to_bytes(2, "big")
    content[at + 3 : at + 5] = ((ticks & 0x7FFF) << 1 | 1).to_bytes(2, "big")
