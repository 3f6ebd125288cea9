"""Splitting a table so that nothing leaks, and finding leaks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.messages import counted
from facevoice.scores.table.table import IntArray, ScoreTable


def grouped_folds(table: ScoreTable, n_folds: int = 5, seed: int = 0) -> IntArray:
    """Split the clips into folds of about equal size and class mix; groups stay whole.

    Groups are assigned from the largest to the smallest (equals in a seeded random order), each to
    the fold whose class counts it evens out best.

    Returns:
        (N,) fold of each clip, 0 ... n_folds - 1.

    Raises:
        InvalidInputError: fewer groups than folds, or fewer than two folds.
    """
    names, member = np.unique(table.groups, return_inverse=True)
    if n_folds < 2 or len(names) < n_folds:
        raise InvalidInputError(
            f"{n_folds} folds need at least two folds and as many groups; the table has"
            f" {counted(len(names), 'group')}"
        )
    classes = len(table.labels) + 1  # the last column holds clips of unknown truth
    counts = np.zeros((len(names), classes))
    np.add.at(counts, (member, table.truth % classes), 1)
    share = counts.sum(axis=0) / n_folds
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    held = np.zeros((n_folds, classes))
    fold_of = np.zeros(len(names), np.int64)
    scale = 1.0 / np.maximum(share, 1.0)
    for group in order:
        before = ((held - share) * scale) ** 2
        after = ((held + counts[group] - share) * scale) ** 2
        size_before = (held.sum(axis=1) - share.sum()) ** 2
        size_after = (held.sum(axis=1) + counts[group].sum() - share.sum()) ** 2
        cost = (after - before).sum(axis=1)
        cost += (size_after - size_before) / max(share.sum(), 1.0) ** 2
        fold = int(np.argmin(cost))
        held[fold] += counts[group]
        fold_of[group] = fold
    return np.asarray(fold_of[member], np.int64)


def deal_splits(table: ScoreTable, splits: Sequence[str], seed: int = 0) -> ScoreTable:
    """Assign whole groups to splits in equal parts of about equal class mix.

    splits: names; one given twice gets two parts.

    Raises:
        InvalidInputError: fewer groups than parts, or fewer than two parts.
    """
    names = np.array(splits, dtype=np.str_)
    return replace(table, splits=names[grouped_folds(table, len(names), seed)])


def shared_groups(table: ScoreTable) -> dict[str, tuple[str, ...]]:
    """Groups that are in more than one split, with those splits: each is a leak."""
    pairs = {
        (str(group), str(split)) for group, split in zip(table.groups, table.splits, strict=True)
    }
    places: dict[str, list[str]] = {}
    for group, split in sorted(pairs):
        places.setdefault(group, []).append(split)
    return {group: tuple(splits) for group, splits in places.items() if len(splits) > 1}


def twins(table: ScoreTable) -> list[tuple[str, ...]]:
    """Clips whose scores are identical to the last bit in every branch that has any.

    They are most likely one clip under several names. Clips without any scores are left out. Scores
    that are coarse by nature (votes of few frames) may coincide.
    """
    seen: dict[bytes, list[str]] = {}
    for row in np.flatnonzero(table.answered):
        key = np.ascontiguousarray(table.scores[row]).tobytes()
        seen.setdefault(key, []).append(str(table.ids[row]))
    return [tuple(names) for names in seen.values() if len(names) > 1]
