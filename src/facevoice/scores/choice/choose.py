"""The search that a plan names, over folds where asked for, calibrated, ready for weights.json."""

from dataclasses import replace
from typing import Any

import numpy as np

from facevoice.branches.adjustment import UNCHANGED
from facevoice.errors import InvalidInputError
from facevoice.scores.calibration import risk_coverage
from facevoice.scores.choice.adjust import adjusted
from facevoice.scores.choice.plan import Choice, SearchPlan
from facevoice.scores.choice.searches import SEARCHES, joint_search
from facevoice.scores.search import (
    Fusion,
    GridResult,
    NestedResult,
    StackedRegression,
    fit_nested,
    weight_tree,
)
from facevoice.scores.table import OVERRATED, ScoreTable, refuse, taught_in
from facevoice.scores.weights_file import FitRecord, FittedFusion


def choose_weights(table: ScoreTable, plan: SearchPlan) -> Choice:
    """Choose weights on the labelled clips of a table.

    Raises:
        InvalidInputError: an unknown search, a branch is missing, no labelled clip, or the search
            is too long.
        DatasetError: clips taught what scored them, and the plan does not allow that.
    """
    if plan.search not in SEARCHES:
        raise InvalidInputError(f"unknown search {plan.search!r}; known: {', '.join(SEARCHES)}")
    known = table.rows(table.labelled)
    if not len(known):
        raise InvalidInputError("no clip of the table has a known truth: nothing to fit on")
    # clips that only validated a bundle may set its weights
    trained = replace(known, taught=np.where(known.taught == "yes", "yes", "no"))
    refuse(taught_in(trained), OVERRATED, allowed=plan.allow_trained)
    known.select(plan.leaves)  # a missing branch is an error before anything long starts
    notes: list[str] = []
    nested = _nested(known, plan, notes)
    found: Fusion
    if plan.search == "nested":
        if nested is None:
            raise InvalidInputError("a nested search needs at least two groups of labelled clips")
        found = nested.mean_tree
    else:
        found = SEARCHES[plan.search](known, plan)
    searches: tuple[GridResult, ...] = getattr(found, "searches", ())
    joint = joint_search(known, plan) if plan.joint else None
    facts = _search_facts(plan, searches, nested, joint)
    fusion = found if isinstance(found, StackedRegression) else weight_tree(found)
    if not isinstance(fusion, StackedRegression):
        fusion, offsets = adjusted(known, fusion, plan, nested, notes)
        facts |= {"class_offsets": offsets} if offsets else {}
    fitted = FittedFusion(fusion, search=facts)
    if plan.abstain_risk is not None:
        curve = risk_coverage(fitted.fuse(known), known.truth)
        fitted = replace(fitted, abstain_below=curve.threshold_for_risk(plan.abstain_risk))
    if searches or plan.search not in ("equal", "published") or _fitted_extras(fitted):
        fitted = replace(fitted, fitted_on=FitRecord.of_table(known, plan.leaves))
    held_out = None if nested is None else nested.scores
    return Choice(fitted, searches, fitted.fuse(known), held_out, joint, tuple(notes))


def _fitted_extras(fitted: FittedFusion) -> bool:
    """Whether anything but the weights was fitted."""
    return fitted.adjustment != UNCHANGED or fitted.abstain_below is not None


def _nested(known: ScoreTable, plan: SearchPlan, notes: list[str]) -> NestedResult | None:
    wanted = plan.folds or (5 if plan.search == "nested" else 0)
    folds = min(wanted, len(np.unique(known.groups)))
    if wanted and folds < 2:
        notes.append("only one group: nothing can be held out")
        return None
    if wanted > folds:
        notes.append(f"{folds} folds instead of {wanted}: there are no more groups")
    if not folds:
        return None
    inner = SEARCHES["grid" if plan.search == "nested" else plan.search]
    return fit_nested(known, lambda part: inner(part, plan), n_folds=folds, seed=plan.seed)


def _search_facts(
    plan: SearchPlan,
    searches: tuple[GridResult, ...],
    nested: NestedResult | None,
    joint: GridResult | None,
) -> dict[str, Any]:
    """What weights.json records about the search."""
    facts: dict[str, Any] = {"search": plan.search}
    if plan.command:
        facts["command"] = plan.command
    if plan.rule != "sum":
        facts["rule"] = plan.rule
    if plan.search in ("grid", "nested", "coarse", "shrunk"):
        facts |= {"objective": plan.objective, "step": plan.step}
    if searches:
        facts["nodes"] = [_grid_facts(each) for each in searches]
    if joint is not None:
        facts["joint"] = _grid_facts(joint) | {
            "objective": joint.objective,
            "members": list(joint.members),
            "weights": joint.weights.tolist(),
        }
    if nested is not None:
        facts |= {"folds": len(nested.fitted), "seed": plan.seed}
        if plan.search != "stacking":
            facts["fold_weights"] = {
                name: nested.weights(name)[1].round(6).tolist() for name in plan.nodes
            }
    return facts


def _grid_facts(found: GridResult) -> dict[str, Any]:
    return {
        "name": found.name,
        "value": found.value,
        "vectors": found.vectors,
        "optimal": found.optimal,
        "lowest": found.lowest.tolist(),
        "highest": found.highest.tolist(),
    }
