"""The sound tracks of a file: which one was read, and which others speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facevoice.types.checks import require, set_field


@dataclass(frozen=True, slots=True)
class AudioTracks:
    """The sound tracks of a file, numbered from 0.

    count: how many there are.
    read: the one that was read.
    speaking: others in which speech was found. They are searched only where the one that was read
        has none at all, and at most their first ten minutes.
    """

    count: int
    read: int
    speaking: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        set_field(self, "speaking", tuple(self.speaking))
        known = range(self.count)
        others = all(track in known and track != self.read for track in self.speaking)
        require(self.read in known and others, f"these are not tracks of one file: {self}")

    @property
    def hint(self) -> str:
        """What to do if another track speaks; "" if none is known to."""
        if not self.speaking:
            return ""
        listed = " and ".join(map(str, self.speaking))
        which = "track" if len(self.speaking) == 1 else "tracks"
        return (
            f"sound track {self.read} of {self.count} has no speech, but {which} {listed}"
            f" {'has' if len(self.speaking) == 1 else 'have'}: choose with --audio-track"
        )

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return {"count": self.count, "read": self.read, "speaking": list(self.speaking)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any] | None) -> "AudioTracks | None":
        """Read what ``to_dict`` returned; None of None."""
        if record is None:
            return None
        speaking = tuple(map(int, record["speaking"]))
        return cls(int(record["count"]), int(record["read"]), speaking)
