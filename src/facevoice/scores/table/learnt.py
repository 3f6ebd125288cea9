"""Clips that taught what is judged on them: the one place that says so, and that refuses them.

Figures on such clips flatter, and so do weights fitted on them.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.messages import counted
from facevoice.scores.table.table import ScoreTable

USELESS: Final = "figures on them say nothing about new clips"
OVERRATED: Final = "weights fitted on them overrate it"


def known_clips(what: str, ids: Sequence[str], found: NDArray[np.bool_], named: int = 1) -> str:
    """How many of the clips something has learnt from, in words; "" if none.

    what: e.g. "was trained on". ids: N names. found: (N,) which. named: names to give at most.
    """
    names = [name for name, known in zip(ids, found, strict=True) if known]
    clips = counted(len(ids), "clip")
    return f"{what} {len(names)} of {clips}, such as {', '.join(names[:named])}" if names else ""


def trained_on(name: str, ids: Sequence[str], taught: NDArray[np.str_], named: int = 1) -> str:
    """How many of the clips taught a bundle, in words; "" if none as far as known.

    ids: N names. taught: (N,) see ``ScoreTable``. named: names to give at most.
    """
    words = {"was trained on": "yes", "was validated on": "validation"}
    told = [known_clips(what, ids, taught == word, named) for what, word in words.items()]
    found = " and ".join(filter(None, told))
    return f"{name} {found}" if found else ""


def taught_in(table: ScoreTable, named: int = 1) -> str:
    """The same for the clips of a table, and what gave their scores."""
    scorer = "what gave the scores" if table.bundle is None else f"the bundle {table.bundle.name}"
    return trained_on(scorer, table.ids.tolist(), table.taught, named)


def looked_for(table: ScoreTable) -> bool:
    """Whether the table says of every clip if it taught what scored it."""
    return bool((table.taught != "").all())


def not_looked_for(whether: str, why: str) -> str:
    """That nothing is known, in words."""
    return f"whether {whether} was not looked for: {why}"


def refuse(found: str, consequence: str, *, allowed: bool = False) -> None:
    """Refuse clips that taught what is judged or fitted on them.

    found: how many, in words; "" if none.
    consequence: why, e.g. ``USELESS``.

    Raises:
        DatasetError: there are such clips, and they were not allowed.
    """
    if found and not allowed:
        raise DatasetError(
            f"{found}: {consequence}. Leave them out, or use --allow-trained (in Python:"
            " allow_trained=True)"
        )
