"""The temperature of a branch from clips that it has not learnt from: a score table with truth.

A run's validation rows come from the corpora that it learnt from; how sure its scores should be
elsewhere, they cannot say. ``calibrate = "TABLE"`` at a node of a tree file names a table that can:
the output of ``facevoice folds`` (every clip scored by a network that was trained without
its group or corpus) or of ``facevoice evaluate ... -o`` (scored by the branch itself, on clips of
none of its corpora).

The scores in a table are at the temperature that validation rows ask for, as both commands write
them. The table asks for a further factor, which multiplies that temperature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches import Adjustment
from facevoice.branches.base import tempered
from facevoice.branches.blend import blend
from facevoice.branches.tree import leaves, members_of
from facevoice.bundle.trained_on import read_lessons
from facevoice.errors import RecipeError
from facevoice.messages import counted
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import log_loss
from facevoice.scores.table import ScoreTable, read_score_table
from facevoice.scores.table.keys import are_among
from facevoice.session import hash_of
from facevoice.train.export.onnx_files import Run
from facevoice.types import Float64Array

CALIBRATE: Final = "calibrate"
_DIGITS: Final = 4

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Fits the temperatures of a tree's nodes, and keeps what was found.

    labels: of the bundle. runs: of leaves, by the leaf's name.
    factors: of the leaves calibrated so far, by name. facts: for the provenance, by node.
    """

    labels: tuple[str, ...]
    runs: dict[str, Run] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def calibrated(self, node: Node, table_file: str) -> dict[str, Any]:
        """The node at a temperature that a table asks for; a fusion after its members.

        Raises:
            RecipeError: the table lacks a branch of the node or has other labels, no clip has a
                truth and scores, or a clip was scored by a network that had learnt from it.
        """
        path = Path(table_file)
        table = read_score_table(path)
        if table.labels != self.labels:
            raise RecipeError(
                f"{path} scores {', '.join(table.labels)}, the bundle {', '.join(self.labels)}"
            )
        for leaf in leaves(node):
            if leaf["name"] in self.runs:
                _refuse_learnt(table, path, self.runs[leaf["name"]])
        scores, several = self._scores(node, table, path)
        counted = several & table.labelled & np.isfinite(scores).all(axis=1)
        if not counted.any():
            raise RecipeError(f"{path}: no clip has a truth and scores of {node['name']}")
        scores, truth = scores[counted], table.truth[counted]
        factor = float(fit_temperature(scores, truth))
        before = float(node.get("temperature", 1.0))
        found = round(before * factor, _DIGITS)
        if not members_of(node):
            self.factors[node["name"]] = factor
        self.facts[node["name"]] = {
            "table": table_file,
            "sha256": hash_of(path),
            "clips": int(counted.sum()),
            "groups": len(set(table.groups[counted].tolist())),
            "temperature": [before, found],
            "log_loss": [
                round(log_loss(each, truth), _DIGITS) for each in (scores, tempered(scores, factor))
            ],
        }
        return {**node, "temperature": found}

    def _scores(
        self, node: Node, table: ScoreTable, path: Path
    ) -> tuple[Float64Array, NDArray[np.bool_]]:
        """(N, K) scores of a node before a new temperature; (N,) the clips it would apply to."""
        members = members_of(node)
        if not members:
            scores = table.column(self.column(node["name"], table, path))
            scores = tempered(scores, self.factors.get(node["name"], 1.0))
            return scores, np.ones(len(table), bool)
        if node["kind"] != "blend":
            raise RecipeError(f"{node['name']} is a {node['kind']}: it has no temperature")
        stacked = np.stack([self._scores(each, table, path)[0] for each in members], axis=1)
        weights = np.array([float(each.get("weight", 1.0)) for each in members])
        several = (np.isfinite(stacked[:, :, 0]) & (weights > 0)).sum(axis=1) > 1
        rule = node.get("rule", "sum")
        return blend(stacked, weights, rule, Adjustment.of_dict(node)), several

    def column(self, name: str, table: ScoreTable, path: Path) -> str:
        """A leaf's column: by its name, its recipe's, or the last part of a dotted name."""
        run = self.runs.get(name)
        names = {name} if run is None else {name, run.recipe.name}
        for column in table.branches:
            if column.rsplit(".", 1)[-1] in names:
                return column
        raise RecipeError(f"{path} has no scores of {name}; it has {', '.join(table.branches)}")


def _refuse_learnt(table: ScoreTable, path: Path, run: Run) -> None:
    """Each split's clips must be new to the network that scored them.

    That is the run of a fold where there is one in the table's folder, else the branch's own run.
    """
    truth = np.array([*table.labels, ""])[table.truth]
    for split in np.unique(table.splits).tolist():
        fold = path.parent / run.recipe.name / split
        scorer = fold if split and fold.is_dir() else run.folder
        lessons = read_lessons(scorer)
        if lessons is None:
            raise RecipeError(f"{scorer} does not say which samples it learnt from")
        rows = table.splits == split
        known = int(are_among(table.ids[rows].tolist(), truth[rows].tolist(), lessons.every).sum())
        if known:
            raise RecipeError(
                f"{path}: {counted(known, 'clip')} of those that {scorer} learnt from; a"
                " temperature needs clips that are new to the branch"
            )
