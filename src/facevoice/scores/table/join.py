"""Two tables side by side."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError, LabelMismatchError
from facevoice.scores.table.keys import deepest
from facevoice.scores.table.table import TAUGHT, ScoreTable, StrArray


def join(first: ScoreTable, second: ScoreTable) -> ScoreTable:
    """The branches of two tables side by side, matched by clip id.

    A clip in only one table is kept; the other's branches have no scores for it. Where both
    know its truth, group or split they must agree; an unknown truth (-1), a group that is just the
    clip's id, and an empty split or key give way. Of two keys the one with more folders stays, see
    ``keys.deepest``. A clip that taught either table's models taught what is fused from both. The
    bundle and its tree are kept where both tables have the same.

    Raises:
        LabelMismatchError: the label sets differ.
        InvalidInputError: a branch is in both tables, or a clip's facts contradict each other.
    """
    if first.labels != second.labels:
        raise LabelMismatchError(f"tables over {first.labels} and {second.labels} cannot join")
    shared = set(first.branches) & set(second.branches)
    if shared:
        raise InvalidInputError(f"both tables have the branches {sorted(shared)}: rename or select")
    left, right = _spread(first, second), _spread(second, first)
    order = {str(name): row for row, name in enumerate(right.ids)}
    right = right.rows(np.array([order[str(name)] for name in left.ids], np.intp))
    truth = _agreed("truth", left, right, left.truth < 0, right.truth < 0)
    return replace(
        left,
        branches=(*left.branches, *right.branches),
        scores=np.concatenate([left.scores, right.scores], axis=1),
        missing=np.concatenate([left.missing, right.missing], axis=1),
        truth=truth,
        groups=_agreed("groups", left, right, left.groups == left.ids, right.groups == right.ids),
        splits=_agreed("splits", left, right, left.splits == "", right.splits == ""),
        keys=_keys(left, right, truth),
        taught=taught_either(left, right),
        **first.origin_shared_with(second),
    )


def taught_either(left: ScoreTable, right: ScoreTable) -> StrArray:
    """(N,) of two tables on the same clips, the worse of what both say, see ``TAUGHT``."""
    pairs = zip(left.taught.tolist(), right.taught.tolist(), strict=True)
    return np.array([max(pair, key=TAUGHT.index) for pair in pairs], np.str_)


def _spread(table: ScoreTable, other: ScoreTable) -> ScoreTable:
    """The table with empty rows for the clips that only the other one has."""
    extra = other.rows(~np.isin(other.ids, table.ids))
    shape = (len(extra), len(table.branches))
    silent = replace(
        extra,
        branches=table.branches,
        scores=np.full((*shape, len(table.labels)), np.nan),
        missing=np.full(shape, "", dtype="<U1"),
    )
    return table.append(silent)


def _keys(left: ScoreTable, right: ScoreTable, truth: NDArray[Any]) -> StrArray:
    chosen = np.where(left.keys == "", right.keys, left.keys)
    for row in np.flatnonzero((left.keys != "") & (right.keys != "") & (left.keys != right.keys)):
        label = left.labels[truth[row]] if truth[row] >= 0 else ""
        pair = [str(left.keys[row]), str(right.keys[row])]
        chosen[row] = deepest(pair, str(left.ids[row]), label)
    return chosen


def _agreed(
    name: str,
    left: ScoreTable,
    right: ScoreTable,
    left_unknown: NDArray[np.bool_],
    right_unknown: NDArray[np.bool_],
) -> NDArray[Any]:
    ours, theirs = getattr(left, name), getattr(right, name)
    clash = np.flatnonzero(~left_unknown & ~right_unknown & (ours != theirs))
    if len(clash):
        row = int(clash[0])
        raise InvalidInputError(
            f"clip {str(left.ids[row])!r} has {name} {ours[row]} in one table and {theirs[row]}"
            f" in the other; {len(clash)} such clips"
        )
    chosen: NDArray[Any] = np.where(left_unknown, theirs, ours)
    return chosen
