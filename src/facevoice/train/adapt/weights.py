"""Weights and temperatures of an adapted bundle's nodes, from out-of-fold scores of few clips."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from facevoice.branches import Adjustment
from facevoice.branches import leaves as leaves_of
from facevoice.branches.blend import Rule
from facevoice.branches.tree import nodes as all_nodes
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import log_loss
from facevoice.scores.search import (
    Fusion,
    Node,
    WeightTree,
    fit_log_loss,
    fit_nested,
    fit_shrunk,
    search_grid,
)
from facevoice.scores.table import ScoreTable
from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.heads import FOLDS
from facevoice.train.adapt.refit import Refit, adapted_name
from facevoice.types import MODALITIES, Modality

_LEAST_SHARE: Final = 0.01  # a branch that weighs less in its node is not worth its computing
_LEAST_GAIN: Final = 0.005  # nats: a new branch costs time in every prediction
_MOST_ON_GRID: Final = 4


def weighed(
    table: ScoreTable,
    leaves: Sequence[LeafFeatures],
    refits: Mapping[str, Refit],
    root: str,
    rules: Mapping[str, Rule] = MappingProxyType({}),
) -> WeightTree:
    """Weights and temperatures of a node for each modality, and of the root over them.

    Of a branch and its refitted form the one of less log-loss counts: both together did worse on
    speakers held out than the better one (docs/adapt.md). A branch that the bundle lacks is added
    if that lowers the log-loss on held-out groups. Weights of least log-loss, shrunk to equal ones
    as far as does best on held-out groups. A modality that no clip has keeps equal weights.

    rules: how the nodes blend, by modality and for the "root"; by default they add.
    """
    nodes: list[Node] = []
    for modality in MODALITIES:
        own = [leaf for leaf in leaves if leaf.modality == modality]
        old = [_better(table, leaf.name, refits) for leaf in own if not leaf.added]
        new = [adapted_name(leaf.name) for leaf in own if leaf.added]
        if old:
            name = modality if modality not in table.branches else f"all_{modality}"
            rule = rules.get(modality, "sum")
            nodes.append(_grown(table, old, [each for each in new if each in refits], name, rule))
            table = table.with_branch(name, nodes[-1].fuse(table))
    if len(nodes) == 1:
        return WeightTree((replace(nodes[0], name=root),))
    rule = rules.get("root", "sum")
    return WeightTree((*nodes, _node(table, [node.name for node in nodes], root, rule)))


def rules_of(tree: Mapping[str, Any], modality_of: Mapping[str, Modality]) -> dict[str, Rule]:
    """The rules of a bundle's tree: at its root, and where branches of one modality are blended.

    modality_of: by the name of a leaf in the tree.
    """
    root: Rule = tree.get("rule", "sum")
    rules: dict[str, Rule] = dict.fromkeys(("root", *MODALITIES), root)
    for _, node in reversed(list(all_nodes(tree))):  # the node nearest the root counts
        read = {modality_of.get(str(leaf["name"])) for leaf in leaves_of(node)}
        if node.get("members") and len(read) == 1 and None not in read:
            rules[str(read.pop())] = node.get("rule", "sum")
    return rules


def _grown(
    table: ScoreTable, old: Sequence[str], new: Sequence[str], name: str, rule: Rule
) -> Node:
    """A node of the old members, and of those new ones that help on held-out groups."""
    members, best = list(old), _held_out_loss(table, old, name, rule) if new else 0.0
    for each in new:
        loss = _held_out_loss(table, [*members, each], name, rule)
        if loss < best - _LEAST_GAIN:
            members, best = [*members, each], loss
    return _node(table, members, name, rule)


def _held_out_loss(table: ScoreTable, members: Sequence[str], name: str, rule: Rule) -> float:
    """Log-loss of a node on groups that its weights were not fitted on; infinite without two."""
    own = table.select(members)
    own = own.rows(own.answered)
    folds = min(FOLDS, len(np.unique(own.groups)))
    if folds < 2:
        return math.inf

    def fit(part: ScoreTable) -> WeightTree:
        return WeightTree((_node(part, members, name, rule),))

    return log_loss(fit_nested(own, fit, n_folds=folds).scores, own.truth)


def _better(table: ScoreTable, name: str, refits: Mapping[str, Refit]) -> str:
    """The branch, or its refitted form."""
    new = adapted_name(name)
    if new not in refits:
        return name
    losses = [log_loss(table.column(each), table.truth) for each in (name, new)]
    return new if losses[1] < losses[0] else name


def _of_least_loss(table: ScoreTable, rule: Rule) -> Fusion:
    """Few clips know no weight better than to a fifth, and the optimum itself takes long."""
    if len(table.branches) > _MOST_ON_GRID:
        return fit_log_loss(table, rule=rule)
    return search_grid(table, step=0.2, objective="log_loss", rule=rule)


def _node(table: ScoreTable, members: Sequence[str], name: str, rule: Rule) -> Node:
    own = table.select(members)
    own = own.rows(own.answered)
    groups = len(np.unique(own.groups))
    speaking = own.present.any(axis=0).all()
    if len(members) == 1 or groups < 2 or not speaking:
        node = WeightTree.equal(members, name, rule).root
    else:
        fit = partial(_of_least_loss, rule=rule)
        found = fit_shrunk(own, fit, n_folds=min(FOLDS, groups))
        shares = np.array(found.tree.root.weights)
        shares[shares < _LEAST_SHARE * shares.sum()] = 0.0
        weights = tuple(float(share) for share in (shares / shares.sum()).round(4))
        node = Node(name, tuple(members), weights, rule=rule)
    several = node.several(own)
    if not several.any():
        return node
    temperature = fit_temperature(node.fuse(own)[several], own.truth[several])
    return replace(node, adjustment=Adjustment(temperature=round(temperature, 4)))
