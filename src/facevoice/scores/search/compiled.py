"""The search of ``boxes`` as compiled code; imported only where numba is installed.

The same answers, some ten to a hundred times sooner: for searches that numpy finds hard (many
members, or branches so weak that nothing can be dropped early).
"""

import importlib
from typing import Any

import numpy as np

from facevoice.scores.search.boxes import Leads, Optimum
from facevoice.scores.table.table import IntArray
from facevoice.types import Float64Array

_njit: Any = importlib.import_module("numba").njit


def _judge(
    coefficients: Float64Array,
    clip: IntArray,
    gains: IntArray,
    rows: IntArray,
    kept: IntArray,
    low: IntArray,
    high: IntArray,
) -> tuple[int, int, int]:
    """Over a box: sum of gains of clips right all over, of undecided clips, undecided rows.

    rows: leads undecided in the box around this one; the undecided ones are written to kept.
    """
    sure = 0
    maybe = 0
    count = 0
    place = 0
    while place < len(rows):
        owner = clip[rows[place]]
        first = count
        possible = True
        while place < len(rows) and clip[rows[place]] == owner:
            row = rows[place]
            least = 0.0
            most = 0.0
            for member in range(len(low)):
                factor = coefficients[row, member]
                if factor > 0:
                    least += factor * low[member]
                    most += factor * high[member]
                else:
                    least += factor * high[member]
                    most += factor * low[member]
            if most <= 0:
                possible = False
            elif least <= 0:
                kept[count] = row
                count += 1
            place += 1
        if not possible:
            count = first
        elif count == first:
            sure += gains[owner]
        else:
            maybe += gains[owner]
    return sure, maybe, count


def _prefer(upper: IntArray, candidate: IntArray, chosen: IntArray, distance: int) -> int:
    """Replace chosen by candidate if it is nearer to upper (or as near, and larger)."""
    squared = 0
    for member in range(len(upper)):
        squared += (upper[member] - candidate[member]) ** 2
    better = distance < 0 or squared < distance
    if squared == distance:
        for member in range(len(upper)):
            if candidate[member] != chosen[member]:
                better = candidate[member] > chosen[member]
                break
    if better:
        chosen[:] = candidate
        return squared
    return distance


_judge_fast: Any = _njit(cache=True, nogil=True)(_judge)
_prefer_fast: Any = _njit(cache=True, nogil=True)(_prefer)


def _search(
    coefficients: Float64Array,
    clip: IntArray,
    gains: IntArray,
    ends: IntArray,
    found: IntArray,
    best: int,
    max_boxes: int,
    depth_limit: int,
) -> tuple[int, int, int]:
    """Depth first, halving the widest weight; one set of arrays a level.

    ends: (2, B) low and high. found: (3, B), filled with chosen, lowest and highest.
    Returns the best sum of gains, the number of optimal vectors, and the boxes looked at (-1 if
    max_boxes did not suffice).
    """
    rows = np.empty((depth_limit, len(clip)), np.int64)
    sizes, gained = np.zeros(depth_limit, np.int64), np.zeros(depth_limit, np.int64)
    low = np.empty((depth_limit, ends.shape[1]), np.int64)
    high = np.empty((depth_limit, ends.shape[1]), np.int64)
    rows[0] = np.arange(len(clip))
    sizes[0] = len(clip)
    pending = np.zeros((depth_limit, 2, ends.shape[1]), np.int64)  # the other half, to do later
    waiting = np.zeros(depth_limit, np.bool_)
    low[1], high[1] = ends[0], ends[1]
    level, count, boxes, distance = 1, 0, 0, -1
    while level > 0:
        if boxes >= max_boxes:
            return best, count, -1
        boxes += 1
        around = rows[level - 1, : sizes[level - 1]]
        sure, maybe, sizes[level] = _judge_fast(
            coefficients, clip, gains, around, rows[level], low[level], high[level]
        )
        gained[level] = gained[level - 1] + sure
        if gained[level] + maybe >= best:
            if sizes[level] == 0:
                if gained[level] > best or count == 0:
                    best, count, distance = gained[level], 0, -1
                    found[1], found[2] = low[level], high[level]
                count += np.prod(high[level] - low[level] + 1)
                distance = _prefer_fast(ends[1], high[level], found[0], distance)
                found[1] = np.minimum(found[1], low[level])
                found[2] = np.maximum(found[2], high[level])
            else:
                widest = np.argmax(high[level] - low[level])
                middle = (low[level, widest] + high[level, widest]) // 2
                low[level + 1], high[level + 1] = low[level], high[level]
                pending[level + 1, 0], pending[level + 1, 1] = low[level], high[level]
                low[level + 1, widest] = middle + 1
                pending[level + 1, 1, widest] = middle
                level += 1
                waiting[level] = True
                continue
        while level > 0 and not waiting[level]:
            level -= 1
        if level > 0:
            low[level], high[level] = pending[level, 0], pending[level, 1]
            waiting[level] = False
    return best, count, boxes


_search_fast: Any = _njit(cache=True, nogil=True)(_search)


def search_boxes(leads: Leads, low: IntArray, high: IntArray, best: int, max_boxes: int) -> Optimum:
    """As ``boxes.search_boxes``."""
    found = np.zeros((3, len(low)), np.int64)
    halvings = sum(int(size).bit_length() for size in high - low + 1)
    best, count, boxes = _search_fast(
        leads.coefficients,
        leads.clip,
        leads.gains,
        np.stack([low, high]).astype(np.int64),
        found,
        best,
        max_boxes,
        halvings + 3,
    )
    return Optimum(
        int(best),
        high,
        int(count),
        chosen=found[0],
        lowest=found[1],
        highest=found[2],
        boxes=max_boxes if boxes < 0 else int(boxes),
        complete=boxes >= 0,
    )
