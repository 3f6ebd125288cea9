"""The searches by name, each at every node of a tree: the audio node first, then the system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.choice.plan import Members, SearchPlan
from facevoice.scores.search import (
    Fusion,
    GridResult,
    Node,
    TreeResult,
    WeightTree,
    fit_log_loss,
    fit_shrunk,
    fit_stacking,
    published_tree,
    search_coarse_to_fine,
    search_tree,
)
from facevoice.scores.table import ScoreTable

COARSE_STEP: Final = 0.1


def _grid(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return search_tree(table, plan.nodes, step=plan.step, objective=plan.objective)


def _coarse(table: ScoreTable, plan: SearchPlan) -> Fusion:
    steps = (COARSE_STEP, plan.step) if plan.step < COARSE_STEP else (plan.step,)
    searches: list[GridResult] = []
    for name, members in plan.nodes.items():
        found = search_coarse_to_fine(
            table, members, step_list=steps, objective=plan.objective, name=name
        )
        searches.append(found)
        table = found.tree.extend(table)
    roots = tuple(each.tree.root for each in searches)
    return TreeResult(tuple(searches), WeightTree(roots))


def _by_node(
    table: ScoreTable, nodes: Members, fit: Callable[[ScoreTable, Sequence[str], str], Node]
) -> WeightTree:
    made = []
    for name, members in nodes.items():
        made.append(fit(table, members, name))
        table = table.with_branch(name, made[-1].fuse(table))
    return WeightTree(tuple(made))


def _log_loss(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return _by_node(
        table, plan.nodes, lambda part, members, name: fit_log_loss(part, members, name).root
    )


def _equal(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return _by_node(
        table, plan.nodes, lambda _, members, name: WeightTree.equal(members, name).root
    )


def _shrunk(table: ScoreTable, plan: SearchPlan) -> Fusion:
    def fit(part: ScoreTable, members: Sequence[str], name: str) -> Node:
        inner = {name: tuple(members)}
        found = fit_shrunk(
            part.select(members),
            lambda clips: search_tree(clips, inner, step=plan.step, objective=plan.objective),
            objective=plan.objective,
            n_folds=min(5, len(np.unique(part.groups))),
        )
        return replace(found.tree.root, name=name)

    return _by_node(table, plan.nodes, fit)


def _published(table: ScoreTable, plan: SearchPlan) -> Fusion:
    """The paper's system weights; it says nothing of the audio node's: those are searched."""
    root = [*plan.nodes][-1]
    published = published_tree(root)
    if set(plan.nodes[root]) != set(published.leaves):
        raise InvalidInputError(
            f"the published weights are for {', '.join(published.leaves)}; the last node has"
            f" {', '.join(plan.nodes[root])}"
        )
    inner = {name: members for name, members in plan.nodes.items() if name != root}
    if not inner:
        return published
    found = search_tree(table, inner, step=plan.step, objective=plan.objective)
    return TreeResult(found.searches, WeightTree((*found.tree.nodes, published.root)))


def _stacking(table: ScoreTable, plan: SearchPlan) -> Fusion:
    return fit_stacking(table, plan.leaves)


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
    nodes = {"joint": plan.leaves}
    found = _coarse(table.rows(table.labelled), replace(plan, nodes=nodes))
    searches: tuple[GridResult, ...] = getattr(found, "searches", ())
    return searches[0]
