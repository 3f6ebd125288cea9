"""Search of fusion weights on a grid: the paper's way of choosing them, done exactly."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.scores.search.boxes import Leads, Optimum, ascend, search_boxes
from facevoice.scores.search.simplex import blend_log_loss
from facevoice.scores.search.tree import Node, WeightTree
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
    lowest, highest: (B,) range of each weight over the optimal vectors: a wide range says that
        the clips do not determine the weight.
    boxes: how many boxes of the grid the exact search looked at.
    name: of the node.
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

    @property
    def tree(self) -> WeightTree:
        """The chosen weights as a tree of one node."""
        return WeightTree.of(self.members, self.weights, self.name)

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
    max_boxes: int = MAX_BOXES,
) -> GridResult:
    """Try every weight vector whose weights are 0, step, 2 step ... 1 (not all 0).

    For WAR and UAR no vector is tried one by one, yet the answer is that of trying all: see
    ``facevoice.scores.search.boxes``. Ties: the lowest class index wins among equal scores. Among
    equally good vectors the one nearest to all ones is chosen (least sum of (1 - w)^2: large
    weights, and alike), and among equally near ones the lexicographically largest. A clip on which
    no member of positive weight speaks counts as wrong (and, for log-loss, as scored uniformly).

    Args:
        table: validation clips; those of unknown truth are left out.
        members: branches to blend; all by default.
        step: 1 / step must be a whole number.
        objective: "war", "uar", or "log_loss", which tries each vector and so needs a coarse grid.
        name: of the node.
        max_boxes: give up beyond; a million take some ten seconds.

    Raises:
        InvalidInputError: no labelled clip, an unusable step, or the search is too long.
    """
    chosen = table.select(members or table.branches)
    steps = _steps(step)
    low = np.zeros(len(chosen.branches), np.int64)
    return _search(chosen, low, low + steps, steps, objective, name, max_boxes)


def search_coarse_to_fine(
    table: ScoreTable,
    members: Sequence[str] | None = None,
    *,
    step_list: Sequence[float] = (0.1, 0.02),
    objective: Objective = "war",
    name: str = "system",
    max_boxes: int = MAX_BOXES,
) -> GridResult:
    """Search a coarse grid, then a finer one around its choice, and so on.

    Each finer grid reaches one coarser step to both sides. For many members, where the whole
    fine grid would take too long; the result is a good vector, not always the best of the grid.
    Its ``optimal``, ``lowest`` and ``highest`` speak of the last, small grid only.
    """
    if not step_list or any(fine >= coarse for coarse, fine in itertools.pairwise(step_list)):
        raise InvalidInputError(f"steps must become finer, got {list(step_list)}")
    result = search_grid(
        table, members, step=step_list[0], objective=objective, name=name, max_boxes=max_boxes
    )
    chosen = table.select(result.members)
    for reach, step in itertools.pairwise(step_list):
        steps = _steps(step)
        low = np.ceil((result.weights - reach) * steps - 1e-9).clip(0, steps).astype(np.int64)
        high = np.floor((result.weights + reach) * steps + 1e-9).clip(0, steps).astype(np.int64)
        result = _search(chosen, low, high, steps, objective, name, max_boxes)
    return result


@dataclass(frozen=True, slots=True)
class TreeResult:
    """The outcome of a search node by node: the searches, leaves first, and the whole tree."""

    searches: tuple[GridResult, ...]
    tree: WeightTree

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores of the root."""
        return self.tree.fuse(table)


def search_tree(
    table: ScoreTable,
    nodes: Mapping[str, Sequence[str]],
    *,
    step: float = 0.02,
    objective: Objective = "war",
    max_boxes: int = MAX_BOXES,
) -> TreeResult:
    """Search node by node, the paper's order: each node's weights are frozen before the next.

    nodes: members by node name, e.g. ``{"audio": ("spectrogram", "is09", "is10"), "system":
    ("vggface", "resnet18", "densenet121", "affectnet", "audio")}``; each after its members.
    """
    if not nodes:
        raise InvalidInputError("a tree search needs at least one node")
    searches: list[GridResult] = []
    for name, members in nodes.items():
        found = search_grid(
            table, members, step=step, objective=objective, name=name, max_boxes=max_boxes
        )
        searches.append(found)
        table = found.tree.extend(table)
    made: list[Node] = [search.tree.root for search in searches]
    return TreeResult(tuple(searches), WeightTree(tuple(made)))


def _steps(step: float) -> int:
    if not 0 < step <= 1 or abs(round(1 / step) * step - 1) > 1e-9:
        raise InvalidInputError(f"1 / step must be a whole number, got a step of {step}")
    return round(1 / step)


def _search(
    table: ScoreTable,
    low: IntArray,
    high: IntArray,
    steps: int,
    objective: Objective,
    name: str,
    max_boxes: int,
) -> GridResult:
    vectors = math.prod(int(size) for size in high - low + 1) - int(not low.any())
    if objective == "log_loss":
        optimum, value = _least_log_loss(table, low, high, vectors)
    elif objective in ("war", "uar"):
        leads = Leads.of_table(table, objective, steps)
        optimum = search_boxes(leads, low, high, ascend(leads, low, high), max_boxes)
        if not optimum.complete:
            raise InvalidInputError(
                f"{vectors} weight vectors are too many for an exact search ({max_boxes} boxes"
                " did not suffice): take a larger step, fewer members, or coarse to fine"
            )
        value = optimum.best / leads.unit
        if optimum.best == 0:  # every vector is as good, all zeros are not one
            optimum.count -= int(not low.any())
    else:
        raise InvalidInputError(f"unknown objective {objective!r}; known: war, uar, log_loss")
    return GridResult(
        members=table.branches,
        weights=optimum.chosen / steps,
        objective=objective,
        value=value,
        optimal=optimum.count,
        vectors=vectors,
        lowest=optimum.lowest / steps,
        highest=optimum.highest / steps,
        boxes=optimum.boxes,
        name=name,
    )


def _least_log_loss(
    table: ScoreTable, low: IntArray, high: IntArray, vectors: int
) -> tuple[Optimum, float]:
    """Try each vector; equal means within 1e-12 nats."""
    labelled = table.rows(table.labelled)
    if not len(labelled):
        raise InvalidInputError("a weight search needs a labelled clip")
    if vectors > _MOST_LOG_LOSS_VECTORS:
        raise InvalidInputError(
            f"{vectors} weight vectors are too many to try for log-loss (at most"
            f" {_MOST_LOG_LOSS_VECTORS}): take a larger step, or the optimum on the simplex"
        )
    losses: list[Float64Array] = []
    points: list[IntArray] = []
    for chunk in _chunks(low, high):
        losses.append(blend_log_loss(labelled, chunk.astype(np.float64)))
        points.append(chunk)
    loss, point = np.concatenate(losses), np.concatenate(points)
    least = float(loss.min())
    optimum = Optimum(1, high, boxes=len(loss))
    for row in np.flatnonzero(loss <= least + 1e-12):
        optimum.accept(point[row], point[row], 1)
    return optimum, least


def _chunks(low: IntArray, high: IntArray, size: int = 4096) -> Iterator[IntArray]:
    ranges = (range(int(first), int(last) + 1) for first, last in zip(low, high, strict=True))
    every = itertools.product(*ranges)
    while rows := list(itertools.islice(every, size)):
        vectors = np.array(rows, np.int64)
        yield vectors[vectors.any(axis=1)]
