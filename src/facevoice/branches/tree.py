"""Walking a tree of branches, and scoring one from the scores of its leaves."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from facevoice.branches.base import Branch, FusionBranch
from facevoice.types import MODALITIES, Float64Array, Modality, Scores

Tree = TypeVar("Tree")
"""A branch, or a node of bundle.json: both are walked alike."""

WindowScores = tuple[Mapping[Modality, float], Scores | None]
"""One window: the weight of its evidence by modality, and a branch's scores of the window."""


def members_of(tree: Tree) -> Sequence[Tree]:
    """The members of a fusion, in order; empty for a leaf."""
    if isinstance(tree, FusionBranch):
        return cast("Sequence[Tree]", tree.members)
    return tree.get("members", ()) if isinstance(tree, Mapping) else ()


def nodes(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Tree]]:
    """All nodes below the top with their dotted names ("face.expression"), depth first."""
    for member in members_of(tree):
        each: Any = member
        name = f"{prefix}{each['name'] if isinstance(each, Mapping) else each.name}"
        yield name, member
        yield from nodes(member, f"{name}.")


def leaves(tree: Tree) -> Iterator[Tree]:
    """All nodes without members, in order; the tree itself if it has none."""
    members = members_of(tree)
    if not members:
        yield tree
    for member in members:
        yield from leaves(member)


def dotted_leaves(tree: Tree) -> dict[str, Tree]:
    """All leaves by their dotted names, in order; a tree that is a leaf by its own name."""
    found = {name: node for name, node in nodes(tree) if not members_of(node)}
    each: Any = tree
    return found or {each["name"] if isinstance(each, Mapping) else each.name: tree}


def short_names(dotted: Sequence[str]) -> dict[str, str]:
    """Dotted name -> its last part, where no other has the same; else the dotted name."""
    last = {name: name.rsplit(".", 1)[-1] for name in dotted}
    times = Counter(last.values())
    return {name: short if times[short] == 1 else name for name, short in last.items()}


def named_leaves(tree: Tree) -> dict[str, Tree]:
    """The leaves below the top by the names that score tables and weights use, in order."""
    dotted = {name: node for name, node in nodes(tree) if not members_of(node)}
    short = short_names(list(dotted))
    return {short[name]: node for name, node in dotted.items()}


def score_tree(branch: Branch, leaf_score: Callable[[Branch], Scores | None]) -> Scores | None:
    """The scores of a tree whose leaves are scored by ``leaf_score``."""
    if not isinstance(branch, FusionBranch):
        return leaf_score(branch)
    return branch.combine(
        {member.name: score_tree(member, leaf_score) for member in branch.members}
    )


def average(branch: Branch, windows: Sequence[WindowScores]) -> Scores | None:
    """One result for consecutive windows of a long clip; None if no window has scores.

    Each leaf is averaged over the windows, weighted by the evidence of its modality (by all of it
    if it reads both): see ``Evidence.weight``. Fusions are formed from these averages, so that each
    still follows from its parts.

    windows: the weight of each window by modality, and this branch's scores of it.
    """
    if isinstance(branch, FusionBranch):
        parts = {
            member.name: average(
                member,
                [(weights, each and each.parts.get(member.name)) for weights, each in windows],
            )
            for member in branch.members
        }
        return branch.combine(parts)
    read: tuple[Modality, ...] = (branch.modality,) if branch.modality else MODALITIES
    present = [
        (sum(weights[modality] for modality in read), scores)
        for weights, scores in windows
        if scores is not None
    ]
    if not present:
        return None
    shares = np.array([weight for weight, _ in present])
    if shares.sum() <= 0:  # a single picture has no duration
        shares = np.ones(len(present))

    def mean(values: list[Float64Array]) -> Float64Array:
        averaged: Float64Array = shares @ np.stack(values) / shares.sum()
        return averaged

    second = [scores.centred for _, scores in present if scores.centred is not None]
    centred = mean(second) if len(second) == len(present) else None
    return Scores(branch.labels, mean([each.values for _, each in present]), centred=centred)
