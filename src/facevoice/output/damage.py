"""A file's damage in words."""

from typing import TYPE_CHECKING

from facevoice.messages import counted
from facevoice.output.wording import listed

if TYPE_CHECKING:  # see wording
    from facevoice.types import Damage


def damage_sentence(damage: "Damage") -> str:
    """What is damaged and what became of it, as one sentence; "" if nothing is."""
    facts = [
        (damage.corrupt_pictures, "corrupt picture", "not scored"),
        (damage.lost_packets, "packet", "lost"),
        (damage.mended_stamps, "time stamp", "mended"),
    ]
    said = [f"{counted(number, noun)} {fate}" for number, noun, fate in facts if number]
    return f"The file is damaged: {listed(said)}." if said else ""
