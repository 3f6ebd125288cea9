"""Branches refitted on some clips and weighed again, with out-of-fold scores of all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from facevoice.bundle import Bundle
from facevoice.errors import RecipeError
from facevoice.scores.search import WeightTree, fit_nested
from facevoice.scores.table import ScoreTable
from facevoice.train.adapt.features import LeafFeatures, Progress
from facevoice.train.adapt.heads import Clips, Rows
from facevoice.train.adapt.refit import Refit, Temporal, adapted_name, kinds, refit
from facevoice.train.adapt.weights import rules_of, weighed
from facevoice.types import Float64Array

FEWEST_GROUPS: Final = 2
"""One of them can be held out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may choose.

    views: copies of each clip that heads learn from, the first one unchanged. seed: of views,
        folds and fits. temporal: the part that reads faces over time, or a choice among both.
    """

    views: int = 4
    seed: int = 0
    temporal: Temporal = "choose"

    def __post_init__(self) -> None:
        if self.views < 1 or self.seed < 0:
            raise RecipeError(
                f"views must be at least 1 and seed at least 0, got {self.views} and {self.seed}"
            )


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was fitted on some clips.

    refits: by the name of the refitted branch. tree: weights over original or refitted branches.
    held_out: out-of-fold scores of all branches. fused: (R, K) out-of-fold scores of the tree.
    notes: what could not be done, and why.
    """

    refits: Mapping[str, Refit]
    tree: WeightTree
    held_out: ScoreTable
    fused: Float64Array
    notes: tuple[str, ...] = ()

    def table(self, leaves: Sequence[LeafFeatures], clips: Clips, rows: Rows) -> ScoreTable:
        """The scores of original and refitted branches on any clips, for ``tree`` to fuse."""
        return _table(leaves, self.refits, clips, rows, self.held_out.labels)


def fit(
    leaves: Sequence[LeafFeatures],
    clips: Clips,
    rows: Rows,
    bundle: Bundle,
    temporal: Temporal = "choose",
    progress: Progress | None = None,
) -> Adapted:
    """Refit the branches of a bundle on some clips, and weigh what is better, old or new.

    progress: told how many steps are done: a branch or weights, fitted without a fold or on all.

    Raises:
        RecipeError: no branch of the bundle can be adapted on these clips.
    """
    notes: list[str] = []
    plans = {}
    for leaf in leaves:
        tried = kinds(leaf, temporal)
        heard = rows[leaf.speaks[rows]]
        if leaf.added and not (tried and _enough(clips, heard)):
            continue
        if not tried:
            notes.append(f"{leaf.name} stays as it is: {leaf.reason}")
        elif not _enough(clips, heard):
            notes.append(f"{leaf.name} stays as it is: too few {leaf.modality} clips")
        else:
            plans[leaf.name] = leaf, tried
    if not plans:
        raise RecipeError("no branch of the bundle can be adapted: " + "; ".join(notes))
    held_out = _table(leaves, {}, clips, rows, bundle.labels)
    folds = clips.folds(rows)
    steps = _Steps((len(plans) + 1) * (len(np.unique(folds)) + 1), progress)
    refits = {}
    for name, (leaf, tried) in plans.items():
        scores = np.full((len(rows), clips.size), np.nan)
        for fold in np.unique(folds):
            part = refit(leaf, clips, rows[folds != fold], tried)
            scores[folds == fold] = part.scores(leaf, rows[folds == fold])
            steps.count()
        held_out = held_out.with_branch(adapted_name(name), scores)
        refits[adapted_name(name)] = refit(leaf, clips, rows, tried)
        steps.count()
    tree = bundle.card["tree"]
    root = str(tree["name"]) if tree["name"] not in held_out.branches else "system"
    rules = rules_of(tree, {str(leaf.node["name"]): leaf.modality for leaf in leaves})

    def weigh(table: ScoreTable) -> WeightTree:
        found = weighed(table, leaves, refits, root, rules)
        steps.count()
        return found

    nested = fit_nested(held_out, weigh, folds=folds)
    return Adapted(refits, weigh(held_out), held_out, nested.scores, tuple(notes))


@dataclass(slots=True)
class _Steps:
    total: int
    progress: Progress | None
    done: int = -1

    def __post_init__(self) -> None:
        self.count()  # the first step may take long

    def count(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _enough(clips: Clips, rows: Rows) -> bool:
    """Whether two groups and two labels are left, wherever one group is held out."""
    groups = np.unique(clips.groups[rows])
    rest = [clips.y[rows[clips.groups[rows] != group]] for group in groups]
    return len(groups) >= FEWEST_GROUPS and all(len(np.unique(part)) > 1 for part in rest)


def _table(
    leaves: Sequence[LeafFeatures],
    refits: Mapping[str, Refit],
    clips: Clips,
    rows: Rows,
    labels: Sequence[str],
) -> ScoreTable:
    own = [leaf for leaf in leaves if not leaf.added]
    table = ScoreTable.of_arrays(
        np.stack([leaf.scores[rows] for leaf in own], axis=1),
        clips.y[rows],
        branches=[leaf.name for leaf in own],
        labels=labels,
        groups=clips.groups[rows],
    )
    for leaf in leaves:
        name = adapted_name(leaf.name)
        if name in refits:
            table = table.with_branch(name, refits[name].scores(leaf, rows))
    return table
