"""The last node's adjustment: class offsets and calibration, fitted after the weights.

Both are fitted on the clips on which several members have scores, since the scores of a single
member pass unchanged.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.scores.calibration import (
    fit_class_offsets,
    fit_temperature,
    fit_vector_scaling,
    nested_class_offsets,
)
from facevoice.scores.choice.plan import SearchPlan
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.scores.search import NestedResult, WeightTree
from facevoice.scores.table import ScoreTable, grouped_folds
from facevoice.types import Float64Array

_FOLDS = 5


@dataclass(frozen=True, slots=True, repr=False)
class _Blended:
    """Clips on which several members have scores, with the last node's blend before adjustment.

    scores: (M, K). held_out: (M, K) blended with weights found without the clip's fold, if there
    are any.
    """

    clips: ScoreTable
    scores: Float64Array
    held_out: Float64Array | None


def adjusted(
    known: ScoreTable,
    tree: WeightTree,
    plan: SearchPlan,
    nested: NestedResult | None,
    notes: list[str],
) -> tuple[WeightTree, dict[str, Any]]:
    """The tree with the adjustment that the plan asks for, and what weights.json records about it.

    known: labelled clips. notes: receives what could not be done.
    """
    blended = _blended(known, tree.adjusted(UNCHANGED), nested)
    if not len(blended.clips):
        if plan.calibration != "none" or plan.class_offsets is not None:
            notes.append("no clip has scores of several branches: nothing to calibrate")
        return tree, {}
    adjustment = UNCHANGED
    facts: dict[str, Any] = {}
    if plan.class_offsets is not None:
        adjustment, facts = _offsets(blended, plan, notes)
    scores, truth = adjustment.apply(blended.scores), blended.clips.truth
    if plan.calibration == "temperature":
        adjustment = replace(adjustment, temperature=fit_temperature(scores, truth))
    elif plan.calibration == "vector":
        adjustment = fit_vector_scaling(scores, truth)
    return tree.adjusted(adjustment), facts


def _blended(known: ScoreTable, bare: WeightTree, nested: NestedResult | None) -> _Blended:
    extended = bare.extend(known.select(bare.leaves))
    several = bare.root.several(extended)
    return _Blended(
        known.rows(several),
        extended.column(bare.root.name)[several],
        None if nested is None else nested.scores[several],
    )


def _offsets(
    blended: _Blended, plan: SearchPlan, notes: list[str]
) -> tuple[Adjustment, dict[str, Any]]:
    """The mean of the offsets fitted without each fold of groups, and their held-out effect.

    Where the search was repeated over folds, its held-out scores are what offsets are fitted on:
    neither weights nor offsets have then seen the clips that judge them.
    """
    clips, goal = blended.clips, plan.class_offsets or "uar"
    folds = min(plan.folds or _FOLDS, len(np.unique(clips.groups)))
    if folds < 2:
        notes.append("only one group: class offsets could not be tried on others")
        return fit_class_offsets(blended.scores, clips.truth, goal), {}
    scores = blended.scores if blended.held_out is None else blended.held_out
    fold_of = grouped_folds(clips, folds, plan.seed)
    moved, found = nested_class_offsets(scores, clips.truth, fold_of, goal)
    offsets = np.mean([each.class_offsets for each in found], axis=0)
    before, after = (
        ConfusionMatrix.of_scores(each, clips.truth, clips.labels) for each in (scores, moved)
    )
    facts = {
        "goal": goal,
        "folds": folds,
        "fold_offsets": [list(each.class_offsets) for each in found],
        "held_out": {
            "clips": len(clips),
            "war": [before.war, after.war],
            "uar": [before.uar, after.uar],
            "recall": {
                label: [float(one), float(two)]
                for label, one, two in zip(clips.labels, before.recall, after.recall, strict=True)
                if np.isfinite(one)
            },
        },
    }
    return Adjustment(class_offsets=tuple(offsets.tolist())), facts
