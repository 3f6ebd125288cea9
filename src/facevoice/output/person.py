"""Sentences about a person's own baseline."""

from collections.abc import Mapping
from typing import Final

from facevoice.messages import counted
from facevoice.output.wording import duration
from facevoice.person import FEWEST_CLIPS, Reason

REASON_CLAUSES: Final[Mapping[Reason, str]] = {
    "no_baseline": "no person is named for this input",
    "no_population": "this model holds no statistics of people in general",
    "too_little": f"at least {counted(FEWEST_CLIPS, 'clip')} of the person are needed",
    "nothing_scored": "there is nothing to read",
}
"""What follows the code of a reason why there is no personal answer."""


def rests_on(clips: int, seconds: float) -> str:
    """What a baseline rests on: "12 clips, 1 min 25 s"."""
    return f"{counted(clips, 'clip')}, {duration(seconds, 1 if seconds < 10 else 0)}"
