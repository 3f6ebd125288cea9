"""What scores say in a word or two, the same on every page and in every table."""

from typing import Final

from facevoice.types import UNDECIDED_MARGIN, Scores

CLOSE: Final = f"their scores differ by less than {UNDECIDED_MARGIN:g}"
"""Why it is undecided between two labels."""


def verdict(scores: Scores, *, unsure: bool = False) -> str:
    """What the scores say: "happy", "undecided" or "unsure: happy".

    unsure: whether the highest is below the model's threshold for an answer.
    """
    if unsure:
        return f"unsure: {scores.emotion}"
    return scores.emotion if scores.undecided is None else "undecided"
