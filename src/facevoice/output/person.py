"""Sentences about a person's own baseline."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from facevoice.messages import counted
from facevoice.output.wording import duration
from facevoice.person import CLIP_SECONDS, FEWEST_CLIPS, Personal, Reason
from facevoice.timeline.table import Row
from facevoice.types import Scores

REASON_CLAUSES: Final[Mapping[Reason, str]] = {
    "no_baseline": "no person is named for this input",
    "no_population": "this model holds no statistics of people in general",
    "too_little": f"at least {counted(FEWEST_CLIPS, 'clip')} of the person are needed, with a face"
    " to read a face, with a voice to read a voice",
    "nothing_scored": "there is nothing to read",
}
"""What follows the code of a reason why there is no personal answer."""


FEW_SHOWN: Final = "few emotions seem to be shown"
"""Why personal scores are the plain ones: the mean of few emotions is not the person's own."""

REASONS_IN_FILMS: Final[Mapping[Reason, str]] = {
    **REASON_CLAUSES,
    "no_baseline": "it is not known whose voice this is",
    "too_little": "too little of this person is seen and heard, about"
    f" {(FEWEST_CLIPS - 0.5) * CLIP_SECONDS:.0f} s are needed",
}
"""Why there are no personal answers, in films."""


def why_none(rows: Iterable[Row]) -> str:
    """Why the rows of one person have no personal answers: the most frequent reason, in words.

    Rows without scores count only if there are no others.
    """
    found = Counter(row.personal_reason for row in rows if row.scores is not None)
    reason = found.most_common(1)[0][0] if found else None
    return REASONS_IN_FILMS[reason or "nothing_scored"]


def unchanged(answers: Iterable[tuple[Personal | None, Scores | None]]) -> bool:
    """Whether there are personal answers, all of which are the plain ones to the last digit."""
    found = [personal.scores == plain for personal, plain in answers if personal is not None]
    return bool(found) and all(found)


def rests_on(clips: int, seconds: float) -> str:
    """What a baseline rests on: "12 clips, 1 min 25 s"."""
    return f"{counted(clips, 'clip')}, {duration(seconds, 1 if seconds < 10 else 0)}"
