"""Weights and temperatures of an adapted bundle's nodes, from out-of-fold scores of few clips."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from facevoice.branches import Adjustment
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import log_loss
from facevoice.scores.search import Fusion, Node, WeightTree, fit_log_loss, fit_shrunk, search_grid
from facevoice.scores.table import ScoreTable
from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.heads import FOLDS
from facevoice.train.adapt.refit import Refit, adapted_name
from facevoice.types import MODALITIES

_LEAST_SHARE: Final = 0.01  # a branch that weighs less in its node is not worth its computing
_MOST_ON_GRID: Final = 4


def weighed(
    table: ScoreTable,
    leaves: Sequence[LeafFeatures],
    refits: Mapping[str, Refit],
    root: str,
) -> WeightTree:
    """Weights and temperatures of a node for each modality, and of the root over them.

    Of a branch and its refitted form the one of less log-loss counts: both together did worse on
    speakers held out than the better one (docs/adapt.md). Weights of least log-loss, shrunk to
    equal ones as far as does best on held-out groups. A modality that no clip has keeps equal
    weights.
    """
    nodes: list[Node] = []
    for modality in MODALITIES:
        own = [_better(table, leaf.name, refits) for leaf in leaves if leaf.modality == modality]
        if own:
            name = modality if modality not in table.branches else f"all_{modality}"
            nodes.append(_node(table, own, name))
            table = table.with_branch(name, nodes[-1].fuse(table))
    if len(nodes) == 1:
        return WeightTree((replace(nodes[0], name=root),))
    return WeightTree((*nodes, _node(table, [node.name for node in nodes], root)))


def _better(table: ScoreTable, name: str, refits: Mapping[str, Refit]) -> str:
    """The branch, or its refitted form."""
    new = adapted_name(name)
    if new not in refits:
        return name
    losses = [log_loss(table.column(each), table.truth) for each in (name, new)]
    return new if losses[1] < losses[0] else name


def _of_least_loss(table: ScoreTable) -> Fusion:
    """Few clips know no weight better than to a fifth, and the optimum itself takes long."""
    if len(table.branches) > _MOST_ON_GRID:
        return fit_log_loss(table)
    return search_grid(table, step=0.2, objective="log_loss")


def _node(table: ScoreTable, members: Sequence[str], name: str) -> Node:
    own = table.select(members)
    own = own.rows(own.answered)
    groups = len(np.unique(own.groups))
    speaking = own.present.any(axis=0).all()
    if len(members) == 1 or groups < 2 or not speaking:
        node = WeightTree.equal(members, name).root
    else:
        found = fit_shrunk(own, _of_least_loss, n_folds=min(FOLDS, groups))
        shares = np.array(found.tree.root.weights)
        shares[shares < _LEAST_SHARE * shares.sum()] = 0.0
        weights = tuple(float(share) for share in (shares / shares.sum()).round(4))
        node = Node(name, tuple(members), weights)
    several = node.several(own)
    if not several.any():
        return node
    temperature = fit_temperature(node.fuse(own)[several], own.truth[several])
    return replace(node, adjustment=Adjustment(temperature=round(temperature, 4)))
