"""Exact search of a whole grid of weights, box by box.

A clip is right if its true class leads every other class. With weights that are whole multiples
of the step, a lead is a sum of weight times score difference, so over a box of weights (an
interval for each) its least and greatest value are at corners. Hence every clip is right in the
whole box, wrong in the whole box, or undecided. A box is

* dropped if even with all undecided clips right it falls short of the best count so far,
* counted as a whole if nothing is undecided,
* cut in halves otherwise, with only the undecided clips and leads carried on.

This is interval counting (for fixed other weights a clip is right on an interval of the last one)
in all weights at once. It visits every vector that could be optimal, so the best count, the
number of optimal vectors and the chosen one are those of trying each vector.

Floating-point error plays no part: scores are rounded once to multiples of 2^-40 (1e-12), weights
are counted in steps, and every sum stays below 2^53, so it is exact in float64 in any order, also
with fused multiply-add. Scores within ``TIE_TOLERANCE`` (2^-39) of each other, averaged over the
weights, are equal, and the lowest class index among equals wins; this makes real ties of those that
rounding (0.1 + 0.2 against 0.3) would break at random.
"""

import itertools
import math
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from facevoice.branches.base import SMALLEST_SCORE
from facevoice.branches.blend import Rule
from facevoice.errors import InvalidInputError
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.table import IntArray
from facevoice.types import TIE_TOLERANCE, Float64Array

CountObjective = Literal["war", "uar"]

_UNITS: Final = 2.0**40
_TIE: Final = TIE_TOLERANCE * _UNITS
_LARGEST_SUM: Final = 2.0**53
_POINTS_AT_ONCE: Final = 128
_HALVED_AT_ONCE: Final = 5
_CELLS_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Leads:
    """By how much the truth leads each other class, for every clip that may be right.

    coefficients: (P, B) whole numbers in float64; clip c is right under whole weights w exactly
        if ``coefficients @ w > 0`` in all of its rows.
    clip: (P,) to which clip a row belongs, ascending from 0.
    gains: (C,) what a clip adds to the objective when right.
    unit: the objective is the sum of gains divided by this.
    """

    coefficients: Float64Array
    clip: IntArray
    gains: IntArray
    unit: int

    @classmethod
    def of_table(
        cls, table: ScoreTable, objective: CountObjective, steps: int, rule: Rule = "sum"
    ) -> "Leads":
        """The leads of a table's labelled clips; steps: the largest weight, in steps.

        The product leads where the sum of weighted log scores does: they take the scores' place,
        divided by the largest, so that all lie within 1 of each other.

        Raises:
            InvalidInputError: fewer than two labels, no labelled clip, or too fine a step.
        """
        members = len(table.branches)
        if len(table.labels) < 2 or not table.labelled.any():
            raise InvalidInputError("a weight search needs two labels and a labelled clip")
        if steps * members * (_UNITS + _TIE) >= _LARGEST_SUM:
            finest = int(_LARGEST_SUM / members / (_UNITS + _TIE))
            raise InvalidInputError(
                f"a step of 1/{steps} is too fine for exact sums over {members} members;"
                f" the finest is 1/{finest}"
            )
        gains, unit = _gains(table.truth[table.labelled], objective)
        heard = table.labelled & table.answered
        gains = gains[heard[table.labelled]]
        truth, scores = table.truth[heard], table.scores[heard]
        if rule == "product":
            scores = np.log(np.maximum(scores, SMALLEST_SCORE)) / -np.log(SMALLEST_SCORE)
        units = np.rint(np.nan_to_num(scores, nan=0.0) * _UNITS)
        own = np.take_along_axis(units, truth[:, None, None], axis=2)
        lead = (own - units).transpose(0, 2, 1)  # (N, K, B)
        label = np.arange(len(table.labels))
        tie = np.where(label[None, :] < truth[:, None], -_TIE, _TIE)
        lead = (lead + tie[:, :, None]) * table.present[heard][:, None, :]
        others = label[None, :] != truth[:, None]
        clip = np.repeat(np.arange(len(truth)), len(label) - 1)
        return cls(np.ascontiguousarray(lead[others]), clip, gains, unit)

    def gained(self, vectors: Float64Array) -> IntArray:
        """Sum of gains for each weight vector: (M, B) in steps -> (M,)."""
        result = np.zeros(len(vectors), np.int64)
        if not len(self.gains):
            return result
        starts = _starts(self.clip)
        chunk = max(1, _CELLS_AT_ONCE // len(self.clip))
        for begin in range(0, len(vectors), chunk):
            leads = self.coefficients @ vectors[begin : begin + chunk].T
            right = np.logical_and.reduceat(leads > 0, starts, axis=0)
            result[begin : begin + chunk] = self.gains @ right
        return result


def _gains(truth: IntArray, objective: CountObjective) -> tuple[IntArray, int]:
    """What each clip adds when right, as whole numbers, and what to divide their sum by."""
    if objective == "war":
        return np.ones(len(truth), np.int64), len(truth)
    sizes = np.bincount(truth)
    present = sizes[sizes > 0]
    whole = math.lcm(*(int(size) for size in present))
    if whole * len(present) >= 2**53:  # sizes without common factors: exact to 1e-13
        whole = 2**53 // len(present)
    shares = np.zeros(len(sizes), np.int64)
    shares[sizes > 0] = np.rint(whole / present).astype(np.int64)
    return shares[truth], whole * len(present)


def _starts(clip: IntArray) -> IntArray:
    return np.flatnonzero(np.concatenate([[True], clip[1:] != clip[:-1]])).astype(np.int64)


@dataclass(slots=True)
class Optimum:
    """What a search has found so far; vectors are in steps.

    best: the greatest sum of gains; count: how many vectors reach it.
    chosen: of these the nearest to the upper corner (equal weights of 1), and of equally near
        ones the lexicographically largest. lowest, highest: (B,) range over the optimal vectors.
    boxes: how many boxes were looked at. complete: the search came to its end.
    """

    best: int
    upper: IntArray
    count: int = 0
    distance: int = -1
    chosen: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    lowest: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    highest: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    boxes: int = 0
    complete: bool = True

    def accept(self, low: IntArray, high: IntArray, gained: int) -> None:
        """Record a box whose vectors all give the same sum of gains."""
        if gained < self.best:
            return
        if gained > self.best or not self.count:
            self.best, self.count, self.distance = gained, 0, -1
            self.lowest, self.highest = low.copy(), high.copy()
        self.count += math.prod(int(size) for size in high - low + 1)
        self.lowest, self.highest = np.minimum(self.lowest, low), np.maximum(self.highest, high)
        distance = int(((self.upper - high) ** 2).sum())
        nearer = self.distance < 0 or distance < self.distance
        if nearer or (distance == self.distance and tuple(high) > tuple(self.chosen)):
            self.distance, self.chosen = distance, high.copy()


@dataclass(frozen=True, slots=True)
class _Box:
    """Weights low ... high, both inclusive.

    gained: from clips right in the whole box. bound: with all undecided ones right, too.
    rows: leads that are undecided in it.
    """

    low: IntArray
    high: IntArray
    gained: int
    bound: int
    rows: IntArray


def search_boxes(leads: Leads, low: IntArray, high: IntArray, best: int, max_boxes: int) -> Optimum:
    """Find all optimal weight vectors between low and high (B,), both inclusive.

    best: a sum of gains that some vector in the box reaches (0 always does).
    """
    optimum = Optimum(best, high)
    above, below = np.maximum(leads.coefficients, 0.0), np.minimum(leads.coefficients, 0.0)
    halves = np.hstack([above, below])
    stack = [_Box(low, high, 0, int(leads.gains.sum()), np.arange(len(leads.clip)))]
    while stack:
        if optimum.boxes >= max_boxes:
            optimum.complete = False
            break
        box = stack.pop()
        if box.bound < optimum.best:
            continue
        if not len(box.rows):
            optimum.accept(box.low, box.high, box.gained)
            continue
        lows, highs = _cut(box)
        optimum.boxes += len(lows)
        stack += _undecided(leads, halves, box, lows, highs, optimum)
    return optimum


def _cut(box: _Box) -> tuple[IntArray, IntArray]:
    """A small box into its points, a large one into halves along its widest weights."""
    sizes = box.high - box.low + 1
    if math.prod(int(size) for size in sizes) <= _POINTS_AT_ONCE:
        grid = np.meshgrid(
            *(np.arange(first, last + 1) for first, last in zip(box.low, box.high, strict=True)),
            indexing="ij",
        )
        points = np.stack(grid, axis=-1).reshape(-1, len(sizes))
        return points, points
    widest = np.argsort(-sizes, kind="stable")[:_HALVED_AT_ONCE]
    widest = widest[sizes[widest] > 1]
    sides = np.array(list(itertools.product((0, 1), repeat=len(widest))))
    lows, highs = (np.repeat(end[None], len(sides), axis=0) for end in (box.low, box.high))
    middle = (box.low + box.high) // 2
    for place, weight in enumerate(widest):
        upper = sides[:, place] == 1
        lows[upper, weight] = middle[weight] + 1
        highs[~upper, weight] = middle[weight]
    return lows, highs


def _undecided(
    leads: Leads,
    halves: Float64Array,
    box: _Box,
    lows: IntArray,
    highs: IntArray,
    optimum: Optimum,
) -> list[_Box]:
    """Judge parts of a box; return those to look into, the most promising one last."""
    clip = leads.clip[box.rows]
    starts = _starts(clip)
    gains = leads.gains[clip[starts]]
    rows = halves[box.rows]
    possible = np.logical_and.reduceat(rows @ np.hstack([highs, lows]).T > 0, starts, axis=0)
    bound = box.gained + gains @ possible
    if lows is highs:
        for point in np.flatnonzero(bound >= max(optimum.best, int(bound.max()))):
            optimum.accept(lows[point], highs[point], int(bound[point]))
        return []
    kept = np.flatnonzero(bound >= optimum.best)
    if not len(kept):
        return []
    kept = kept[np.argsort(bound[kept], kind="stable")]
    sure = rows @ np.hstack([lows[kept], highs[kept]]).T > 0
    always = np.logical_and.reduceat(sure, starts, axis=0)
    gained = box.gained + gains @ always
    open_clip = possible[:, kept] & ~always
    open_row = np.repeat(open_clip, np.diff([*starts, len(clip)]), axis=0) & ~sure
    return [
        _Box(
            lows[part],
            highs[part],
            int(gained[place]),
            int(bound[part]),
            box.rows[open_row[:, place]],
        )
        for place, part in enumerate(kept)
    ]


def ascend(leads: Leads, low: IntArray, high: IntArray) -> int:
    """A good sum of gains to start from: coordinate ascent from each corner of one weight.

    Every weight in turn is set to its best value (the largest of equals) until nothing improves.
    """
    best = 0
    starts = [high, *(np.where(np.arange(len(high)) == one, high, low) for one in range(len(high)))]
    for start in starts:
        vector, value = start.copy(), int(leads.gained(start[None].astype(np.float64))[0])
        improved = True
        while improved:
            improved = False
            for weight in range(len(high)):
                line = np.repeat(vector[None], high[weight] - low[weight] + 1, axis=0)
                line[:, weight] = np.arange(high[weight], low[weight] - 1, -1)
                gained = leads.gained(line.astype(np.float64))
                if gained.max() > value:
                    vector, value = line[int(gained.argmax())], int(gained.max())
                    improved = True
        best = max(best, value)
    return best
