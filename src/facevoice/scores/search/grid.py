"""Search of fusion weights on a grid: the paper's way of choosing them, done exactly."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from facevoice.branches.blend import Rule
from facevoice.errors import InvalidInputError
from facevoice.scores.search.boxes import Leads, Optimum, ascend, search_boxes
from facevoice.scores.search.simplex import blend_log_loss
from facevoice.scores.search.tree import WeightTree, weight_tree
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

Objective = Literal["war", "uar", "log_loss"]

MAX_BOXES: Final = 100_000_000
_MOST_LOG_LOSS_VECTORS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class GridResult:
    """The outcome of one search.

    members: names. weights: (B,) chosen, each a whole multiple of the step in 0 ... 1.
    objective, value: what was optimised, and the best value (WAR and UAR 0 to 1; log-loss nats).
    optimal: how many weight vectors reach it. vectors: how many the grid has (all 0 left out).
    lowest, highest: (B,) range of each weight over the optimal vectors: a wide range means that the
    clips do not determine the weight.
    boxes: how many boxes of the grid the exact search looked at.
    name, rule: of the node.
    """

    members: tuple[str, ...]
    weights: Float64Array
    objective: Objective
    value: float
    optimal: int
    vectors: int
    lowest: Float64Array
    highest: Float64Array
    boxes: int
    name: str = "system"
    rule: Rule = "sum"

    @property
    def tree(self) -> WeightTree:
        """The chosen weights as a tree of one node."""
        return WeightTree.of(self.members, self.weights, self.name, self.rule)

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores under the chosen weights."""
        return self.tree.fuse(table)


def search_grid(
    table: ScoreTable,
    members: Sequence[str] | None = None,
    *,
    step: float = 0.02,
    objective: Objective = "war",
    name: str = "system",
    rule: Rule = "sum",
    max_boxes: int = MAX_BOXES,
) -> GridResult:
    """Try every weight vector whose weights are 0, step, 2 step ... 1 (not all 0).

    For WAR and UAR vectors are not tried one by one, yet the result is that of trying all: see
    ``facevoice.scores.search.boxes``. Ties: the lowest class index wins among equal scores. Among
    equally good vectors the one nearest to all ones is chosen (least sum of (1 - w)^2: large and
    similar weights), and among equally near ones the lexicographically largest. A clip on which no
    member of positive weight has scores counts as wrong (for log-loss, as scored uniformly).

    Args:
        table: validation clips; those of unknown truth are left out.
        members: branches to blend; all by default.
        step: 1 / step must be a whole number.
        objective: "war", "uar", or "log_loss", which tries each vector and so needs a coarse grid.
        name: of the node.
        rule: of the blend; see ``branches.Blend``.
        max_boxes: give up after so many; a million take about ten seconds.

    Raises:
        InvalidInputError: no labelled clip, an unusable step, or the search is too long.
    """
    chosen = table.select(members or table.branches)
    steps = _steps(step)
    low = np.zeros(len(chosen.branches), np.int64)
    grid = _Grid(low, low + steps, steps, objective, name, rule)
    return _search(chosen, grid, max_boxes)


def search_coarse_to_fine(
    table: ScoreTable,
    members: Sequence[str] | None = None,
    *,
    step_list: Sequence[float] = (0.1, 0.02),
    objective: Objective = "war",
    name: str = "system",
    rule: Rule = "sum",
    max_boxes: int = MAX_BOXES,
) -> GridResult:
    """Search a coarse grid, then a finer one around its choice, and so on.

    Each finer grid reaches one coarser step to both sides. For many members, where the whole
    fine grid would take too long; the result is a good vector, not always the best of the grid.
    Its ``optimal``, ``lowest`` and ``highest`` are those of the last, small grid only.
    """
    if not step_list or any(fine >= coarse for coarse, fine in itertools.pairwise(step_list)):
        raise InvalidInputError(f"steps must become finer, got {list(step_list)}")
    result = search_grid(
        table, members, step=step_list[0], objective=objective, name=name, rule=rule,
        max_boxes=max_boxes,
    )  # fmt: skip
    chosen = table.select(result.members)
    for reach, step in itertools.pairwise(step_list):
        steps = _steps(step)
        low = np.ceil((result.weights - reach) * steps - 1e-9).clip(0, steps).astype(np.int64)
        high = np.floor((result.weights + reach) * steps + 1e-9).clip(0, steps).astype(np.int64)
        grid = _Grid(low, high, steps, objective, name, rule)
        result = _search(chosen, grid, max_boxes)
    return result


@dataclass(frozen=True, slots=True)
class TreeResult:
    """The outcome of a search node by node: the searches, leaves first, and the whole tree."""

    searches: tuple[GridResult, ...]
    tree: WeightTree

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores of the root."""
        return self.tree.fuse(table)


def by_node(
    table: ScoreTable,
    nodes: Mapping[str, Sequence[str]],
    fit: Callable[[ScoreTable, Sequence[str], str], GridResult | WeightTree],
) -> TreeResult:
    """Fit node by node, the paper's order: each node's weights are frozen before the next.

    nodes: members by node name, e.g. ``{"audio": ("spectrogram", "is09", "is10"), "system":
        ("vggface", "resnet18", "densenet121", "vgg_affectnet", "audio")}``; each after its members.
    fit: from clips, members and a name to a node.
    """
    if not nodes:
        raise InvalidInputError("a tree search needs at least one node")
    found = []
    for name, members in nodes.items():
        found.append(fit(table, members, name))
        table = weight_tree(found[-1]).extend(table)
    searches = tuple(each for each in found if isinstance(each, GridResult))
    return TreeResult(searches, WeightTree(tuple(weight_tree(each).root for each in found)))


def search_tree(
    table: ScoreTable,
    nodes: Mapping[str, Sequence[str]],
    *,
    step: float = 0.02,
    objective: Objective = "war",
    rule: Rule = "sum",
) -> TreeResult:
    """``search_grid`` at every node; see ``by_node``."""
    return by_node(
        table,
        nodes,
        lambda part, members, name: search_grid(
            part, members, step=step, objective=objective, name=name, rule=rule
        ),
    )


def _steps(step: float) -> int:
    if not 0 < step <= 1 or abs(round(1 / step) * step - 1) > 1e-9:
        raise InvalidInputError(f"1 / step must be a whole number, got a step of {step}")
    return round(1 / step)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Weights low ... high, (B,) in steps, both inclusive, and the objective."""

    low: IntArray
    high: IntArray
    steps: int
    objective: Objective
    name: str
    rule: Rule

    @property
    def vectors(self) -> int:
        sizes = self.high - self.low + 1
        return math.prod(int(size) for size in sizes) - int(not self.low.any())


def _search(table: ScoreTable, grid: _Grid, max_boxes: int) -> GridResult:
    low, high = grid.low, grid.high
    if grid.objective == "log_loss":
        optimum, value = _least_log_loss(table, grid)
    elif grid.objective in ("war", "uar"):
        leads = Leads.of_table(table, grid.objective, grid.steps, grid.rule)
        optimum = search_boxes(leads, low, high, ascend(leads, low, high), max_boxes)
        if not optimum.complete:
            raise InvalidInputError(
                f"{grid.vectors} weight vectors are too many for an exact search ({max_boxes} boxes"
                " were not enough): use a larger step, fewer members, or coarse to fine"
            )
        value = optimum.best / leads.unit
        if optimum.best == 0:  # all vectors are equally good; all zeros is not one
            optimum.count -= int(not low.any())
    else:
        raise InvalidInputError(f"unknown objective {grid.objective!r}; known: war, uar, log_loss")
    return GridResult(
        members=table.branches,
        weights=optimum.chosen / grid.steps,
        objective=grid.objective,
        value=value,
        optimal=optimum.count,
        vectors=grid.vectors,
        lowest=optimum.lowest / grid.steps,
        highest=optimum.highest / grid.steps,
        boxes=optimum.boxes,
        name=grid.name,
        rule=grid.rule,
    )


def _least_log_loss(table: ScoreTable, grid: _Grid) -> tuple[Optimum, float]:
    """Try each vector; equal means within 1e-12 nats."""
    labelled = table.rows(table.labelled)
    if not len(labelled):
        raise InvalidInputError("a weight search needs a labelled clip")
    if grid.vectors > _MOST_LOG_LOSS_VECTORS:
        raise InvalidInputError(
            f"{grid.vectors} weight vectors are too many to try for log-loss (at most"
            f" {_MOST_LOG_LOSS_VECTORS}): use a larger step, or the optimum on the simplex"
        )
    chunks = list(_chunks(grid.low, grid.high))
    point = np.concatenate(chunks)
    loss = np.concatenate(
        [blend_log_loss(labelled, chunk.astype(np.float64), grid.rule) for chunk in chunks]
    )
    least = float(loss.min())
    optimum = Optimum(1, grid.high, boxes=len(loss))
    for row in np.flatnonzero(loss <= least + 1e-12):
        optimum.accept(point[row], point[row], 1)
    return optimum, least


def _chunks(low: IntArray, high: IntArray, size: int = 4096) -> Iterator[IntArray]:
    ranges = (range(int(first), int(last) + 1) for first, last in zip(low, high, strict=True))
    every = itertools.product(*ranges)
    while rows := list(itertools.islice(every, size)):
        vectors = np.array(rows, np.int64)
        yield vectors[vectors.any(axis=1)]
