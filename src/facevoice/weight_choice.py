"""Choosing weights by name of the search, and saying what the choice is worth.

The searches themselves stand in ``facevoice.fusion``; here they run at every node of a tree (the
audio node first, then the system, as in the paper), and over folds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from facevoice.calibration import fit_class_offsets, fit_temperature, risk_coverage
from facevoice.errors import InvalidInputError
from facevoice.fusion import (
    Fusion,
    GridResult,
    NestedResult,
    Node,
    StackedRegression,
    TreeResult,
    WeightTree,
    fit_log_loss,
    fit_nested,
    fit_shrunk,
    fit_stacking,
    published_tree,
    search_coarse_to_fine,
    search_tree,
    weight_tree,
)
from facevoice.fusion.grid import Objective
from facevoice.scoretable import ScoreTable
from facevoice.types import Float64Array
from facevoice.weights_file import FitRecord, FittedFusion

Members = Mapping[str, Sequence[str]]
"""Members of each node by its name, each node after its members; the last one is the result."""

COARSE_STEP: Final = 0.1


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What is asked for.

    search: a name of ``SEARCHES``. nodes: see ``Members``.
    objective: of the grid searches. step: of the grid; 1 / step is a whole number.
    folds: over which the search is repeated to see what it is worth on other clips; groups are
        never cut. 0: not at all. seed: of the folds.
    calibrate: fit the temperature of the last node (no decision changes).
    class_offsets: fit offsets for rare classes towards this figure.
    abstain_risk: find the threshold below which to keep silent, so that no more than this share
        of the answers is wrong.
    command: noted with the weights.
    """

    search: str
    nodes: Members
    objective: Objective = "war"
    step: float = 0.02
    folds: int = 0
    seed: int = 0
    calibrate: bool = True
    class_offsets: Literal["war", "uar"] | None = None
    abstain_risk: float | None = None
    command: str = ""

    @property
    def leaves(self) -> tuple[str, ...]:
        """The branches that are read, in order."""
        members = [member for each in self.nodes.values() for member in each]
        return tuple(dict.fromkeys(member for member in members if member not in self.nodes))


@dataclass(frozen=True, slots=True, repr=False)
class Choice:
    """What was found.

    fitted: what goes into weights.json.
    searches: grid results, leaves first; empty for searches without a grid.
    scores: (N, K) fused scores of the clips that the weights were chosen on: flattering.
    held_out: (N, K) each clip fused by what was found without its fold; None without folds.
    """

    fitted: FittedFusion
    searches: tuple[GridResult, ...]
    scores: Float64Array
    held_out: Float64Array | None
    notes: tuple[str, ...] = field(default=())


def nodes_of(
    branches: Sequence[str], inner: Members | None = None, root: str = "system"
) -> dict[str, tuple[str, ...]]:
    """Members by node: those given, then a last node over all that is left.

    branches: of the table. inner: nodes, each after its members.

    Raises:
        InvalidInputError: a node has the name of a branch, or an unknown member.
    """
    nodes: dict[str, tuple[str, ...]] = {}
    for name, members in (inner or {}).items():
        known = [*branches, *nodes]
        unknown = [member for member in members if member not in known]
        if unknown:
            raise InvalidInputError(
                f"node {name!r} has the member {unknown[0]!r}; there are: {', '.join(known)}"
            )
        if name in known:
            raise InvalidInputError(f"node {name!r} has the name of a branch or of another node")
        nodes[name] = tuple(members)
    taken = {member for members in nodes.values() for member in members}
    loose = tuple(name for name in (*branches, *nodes) if name not in taken)
    if len(loose) == 1 and nodes and loose[0] == [*nodes][-1]:
        return nodes
    return nodes | {root: loose}


def choose_weights(table: ScoreTable, plan: SearchPlan) -> Choice:
    """Choose weights on the labelled clips of a table.

    Raises:
        InvalidInputError: an unknown search, a branch is missing, no labelled clip, or the search
            is too long.
    """
    if plan.search not in SEARCHES:
        raise InvalidInputError(f"unknown search {plan.search!r}; known: {', '.join(SEARCHES)}")
    known = table.rows(table.labelled)
    if not len(known):
        raise InvalidInputError("no clip of the table has a known truth: nothing to fit on")
    known.select(plan.leaves)  # a branch that is missing is said before anything long starts
    notes: list[str] = []
    nested = _nested(known, plan, notes)
    found: Fusion
    if plan.search == "nested":
        if nested is None:
            raise InvalidInputError("a nested search needs at least two groups of labelled clips")
        found = nested.mean_tree
    else:
        found = SEARCHES[plan.search](known, plan)
    searches = tuple(getattr(found, "searches", ()))
    fusion = found if isinstance(found, StackedRegression) else weight_tree(found)
    if plan.calibrate and isinstance(fusion, WeightTree):
        fusion = _calibrated(known, fusion)
    fitted = _with_extras(known, plan, fusion, searches, nested)
    held_out = None if nested is None else nested.scores
    return Choice(fitted, searches, fitted.fuse(known), held_out, tuple(notes))


def _nested(known: ScoreTable, plan: SearchPlan, notes: list[str]) -> NestedResult | None:
    wanted = plan.folds or (5 if plan.search == "nested" else 0)
    folds = min(wanted, len(np.unique(known.groups)))
    if wanted and folds < 2:
        notes.append("one group only: nothing can be held out")
        return None
    if wanted > folds:
        notes.append(f"{folds} folds instead of {wanted}: there are no more groups")
    if not folds:
        return None
    inner = SEARCHES["grid" if plan.search == "nested" else plan.search]
    return fit_nested(known, lambda part: inner(part, plan), n_folds=folds, seed=plan.seed)


def _with_extras(
    known: ScoreTable,
    plan: SearchPlan,
    fusion: WeightTree | StackedRegression,
    searches: tuple[GridResult, ...],
    nested: NestedResult | None,
) -> FittedFusion:
    fitted = FittedFusion(fusion, search=_told(plan, searches, nested))
    if plan.search not in ("equal", "published") or plan.calibrate:
        fitted = replace(fitted, fitted_on=FitRecord.of_table(known, plan.leaves))
    if plan.class_offsets is not None:
        offsets = fit_class_offsets(fitted.fuse(known), known.truth, plan.class_offsets)
        fitted = replace(fitted, class_offsets=offsets)
    if plan.abstain_risk is not None:
        curve = risk_coverage(fitted.fuse(known), known.truth)
        threshold = curve.threshold_for_risk(plan.abstain_risk)
        fitted = replace(fitted, abstain_below=threshold)
    return fitted


def _told(
    plan: SearchPlan, searches: tuple[GridResult, ...], nested: NestedResult | None
) -> dict[str, Any]:
    """What weights.json says about the search."""
    told: dict[str, Any] = {"search": plan.search}
    if plan.command:
        told["command"] = plan.command
    if plan.search in ("grid", "nested", "coarse", "shrunk"):
        told |= {"objective": plan.objective, "step": plan.step}
    if searches:
        told["nodes"] = [
            {
                "name": each.name,
                "value": each.value,
                "vectors": each.vectors,
                "optimal": each.optimal,
                "lowest": each.lowest.tolist(),
                "highest": each.highest.tolist(),
            }
            for each in searches
        ]
    if nested is not None:
        told |= {"folds": len(nested.fitted), "seed": plan.seed}
        if plan.search != "stacking":
            told["fold_weights"] = {
                name: nested.weights(name)[1].round(6).tolist() for name in plan.nodes
            }
    return told


def _calibrated(known: ScoreTable, tree: WeightTree) -> WeightTree:
    """The tree with the temperature of its last node fitted, on clips where several speak."""
    extended = tree.extend(known.select(tree.leaves))
    members = extended.select(tree.root.members).present & (np.array(tree.root.weights) > 0)
    several = members.sum(axis=1) > 1
    if not several.any():
        return tree
    bare = replace(tree.root, temperature=1.0)
    temperature = fit_temperature(bare.fuse(extended)[several], known.truth[several])
    return WeightTree((*tree.nodes[:-1], replace(bare, temperature=temperature)))


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
