"""Clips that taught what scored them: figures on them flatter, and so do weights fitted on them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.scores.table.table import ScoreTable


def trained_on(name: str, ids: Sequence[str], taught: NDArray[np.str_]) -> str:
    """How many of the clips taught a bundle, in words; "" if none as far as known.

    ids: N names. taught: (N,) see ``ScoreTable``.
    """
    parts = {"was trained on": taught == "yes", "was validated on": taught == "validation"}
    told = [
        f"{what} {int(found.sum())} of {len(ids)} clips, such as {ids[int(found.argmax())]}"
        for what, found in parts.items()
        if found.any()
    ]
    return f"{name} {' and '.join(told)}" if told else ""


def scorer(table: ScoreTable) -> str:
    """What gave the scores, in words."""
    return "what gave the scores" if table.bundle is None else f"the bundle {table.bundle.name}"


def refuse_taught(
    table: ScoreTable, consequence: str, *, allowed: bool = False, validation: bool = False
) -> None:
    """Refuse a table with clips that taught what scored them.

    consequence: why, e.g. "weights fitted on them overrate it".
    validation: whether clips are fine that only validated it.

    Raises:
        DatasetError: there are such clips, and they were not allowed.
    """
    taught = table.taught
    if validation:
        taught = np.where(taught == "validation", "no", taught)
    found = "" if allowed else trained_on(scorer(table), table.ids.tolist(), taught)
    if found:
        raise DatasetError(f"{found}: {consequence}. {HOW_TO_ALLOW}")


HOW_TO_ALLOW = "Leave them out, or use --allow-trained (in Python: allow_trained=True)"


def looked_for(table: ScoreTable) -> bool:
    """Whether the table says of every clip if it taught what scored it."""
    return bool((table.taught != "").all())
