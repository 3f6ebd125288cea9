"""The searches by name, each at every node of a tree: the audio node first, then the system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.choice.plan import SearchPlan
from facevoice.scores.search import (
    Fusion,
    GridResult,
    TreeResult,
    WeightTree,
    by_node,
    fit_log_loss,
    fit_shrunk,
    fit_stacking,
    published_tree,
    search_coarse_to_fine,
    search_grid,
    search_tree,
)
from facevoice.scores.table import ScoreTable

COARSE_STEP: Final = 0.1


def _grid(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return search_tree(table, plan.nodes, step=plan.step, objective=plan.objective, rule=plan.rule)


def _coarse(table: ScoreTable, plan: SearchPlan) -> TreeResult:
    steps = (COARSE_STEP, plan.step) if plan.step < COARSE_STEP else (plan.step,)
    return by_node(
        table,
        plan.nodes,
        lambda part, members, name: search_coarse_to_fine(
            part, members, step_list=steps, objective=plan.objective, name=name, rule=plan.rule
        ),
    )


def _log_loss(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return by_node(
        table,
        plan.nodes,
        lambda part, members, name: fit_log_loss(part, members, name, plan.rule),
    )


def _equal(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return by_node(
        table, plan.nodes, lambda _, members, name: WeightTree.equal(members, name, plan.rule)
    )


def _shrunk(table: ScoreTable, plan: SearchPlan) -> Fusion:
    def fit(part: ScoreTable, members: Sequence[str], name: str) -> WeightTree:
        inner = replace(plan, nodes={name: tuple(members)})
        return fit_shrunk(
            part.select(members),
            lambda clips: _grid(clips, inner),
            objective=plan.objective,
            n_folds=min(5, len(np.unique(part.groups))),
        ).tree

    return by_node(table, plan.nodes, fit)


def _published(table: ScoreTable, plan: SearchPlan) -> Fusion:
    """The paper's system weights. It does not give the audio node's: those are searched."""
    root = [*plan.nodes][-1]
    published = published_tree(root)
    if set(plan.nodes[root]) != set(published.leaves):
        raise InvalidInputError(
            f"the published weights are for {', '.join(published.leaves)}; the last node has"
            f" {', '.join(plan.nodes[root])}: name the members of the audio node with --tree"
        )

    def fit(part: ScoreTable, members: Sequence[str], name: str) -> GridResult | WeightTree:
        if name == root:
            return published
        return search_grid(part, members, step=plan.step, objective=plan.objective, name=name)

    return by_node(table, plan.nodes, fit)


def _stacking(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return fit_stacking(table, plan.leaves, name=[*plan.nodes][-1])


SEARCHES: Final[Mapping[str, Callable[[ScoreTable, SearchPlan], Fusion]]] = {
    "grid": _grid,
    "nested": _grid,
    "coarse": _coarse,
    "log-loss": _log_loss,
    "shrunk": _shrunk,
    "stacking": _stacking,
    "equal": _equal,
    "published": _published,
}
"""Searches by name; nested is a grid search in each of several folds, its weights averaged."""


def joint_search(table: ScoreTable, plan: SearchPlan) -> GridResult:
    """All branches of the plan in one node, coarse to fine."""
    joint = replace(plan, nodes={"joint": plan.leaves})
    return _coarse(table.rows(table.labelled), joint).searches[0]
