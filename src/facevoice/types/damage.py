"""What was found damaged in a file while it was read."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from facevoice.types.checks import require


@dataclass(frozen=True, slots=True)
class Damage:
    """Damage that was found in the part of a file that was read; all 0 if it is whole.

    corrupt_pictures: pictures that the decoder flags as corrupt; they are not scored.
    mended_stamps: time stamps that contradict the stream's own clock and were replaced.
    lost_packets: packets of pictures or sound that cannot be read or decoded.
    """

    corrupt_pictures: int = 0
    mended_stamps: int = 0
    lost_packets: int = 0

    def __post_init__(self) -> None:
        require(min(astuple(self)) >= 0, f"Damage must be counted from 0, got {self!r}")

    def __add__(self, other: "Damage") -> "Damage":
        return Damage(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Damage") -> "Damage":
        """What is not also in the other; no count goes below 0."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Damage(*(max(0, one - two) for one, two in pairs))

    def __bool__(self) -> bool:
        return any(astuple(self))

    def to_dict(self) -> dict[str, int]:
        """Counts by name, as in a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Damage":
        """Read what ``to_dict`` returned; what an earlier version did not count is 0.

        What only a later version counts is left out.
        """
        known = [each.name for each in fields(cls)]
        return cls(**{name: int(record[name]) for name in known if name in record})


UNDAMAGED = Damage()

Damaged = Callable[[Damage], None]
"""Called by a reader with each damage as it is found, before the next thing that it yields."""


def ignored(_: Damage) -> None:
    """For a reader whose damage is of no interest."""
