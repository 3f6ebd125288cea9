"""The exact weight search against vectorised brute force: the same answer, and how much sooner.

    python benchmarks/weight_search.py [--tables 10] [--copies 1 2 4]

Prints, for seeded tables as in Table 1 (5 branches, 383 clips, 7 labels): whether best count,
number of optimal vectors and chosen vector equal those of trying every vector at step 0.1; time
and memory of the whole grid at step 0.02 (345 million vectors); the ratio to brute force, timed
in the same run on the sub-grid of step 0.1; and the time by number of clips.
"""

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np
from table1_scores import Rounding, table1_scores

from facevoice.scores.search import GridResult, search_grid
from facevoice.scores.table import ScoreTable
from facevoice.types import TIE_TOLERANCE, Float64Array


def brute_force(
    table: ScoreTable, steps: int, chunk: int = 200
) -> tuple[int, int, tuple[float, ...], int]:
    """Try every vector in float64; return best count, optimal vectors, chosen vector, vectors.

    Scores are blended as they are (the weights in steps, so that 3 x 0.1 is 0.3), divided by the
    sum of weights, and decided as everywhere: the lowest class index among scores that
    are equal within TIE_TOLERANCE.
    """
    counts, vectors = [], []
    labels, clips = len(table.labels), len(table)
    columns = table.scores.transpose(1, 2, 0).reshape(len(table.branches), -1)
    lower = np.arange(labels)[:, None] < table.truth
    own = table.truth * clips + np.arange(clips)
    for points in grid_points(steps, len(table.branches), chunk):
        blended = (points / points.sum(axis=1, keepdims=True)) @ columns
        scores = blended.reshape(-1, labels, clips)
        equal = scores >= (scores.max(axis=1) - TIE_TOLERANCE)[:, None]
        right = equal.reshape(len(points), -1)[:, own] & ~(equal & lower).any(axis=1)
        counts.append(right.sum(axis=1))
        vectors.append(points)
    count, vector = np.concatenate(counts), np.concatenate(vectors)
    optimal = vector[count == count.max()]
    order = [*(-optimal[:, member] for member in range(optimal.shape[1] - 1, -1, -1))]
    first = np.lexsort([*order, ((steps - optimal) ** 2).sum(axis=1)])[0]
    return int(count.max()), len(optimal), tuple(optimal[first] / steps), len(vector)


def grid_points(steps: int, members: int, chunk: int) -> Iterator[Float64Array]:
    """All weight vectors in steps, without the one of zeros, (M, B) at a time."""
    total = (steps + 1) ** members
    places = (steps + 1) ** np.arange(members)[::-1]
    for start in range(1, total, chunk):
        number = np.arange(start, min(start + chunk, total))
        yield (number[:, None] // places % (steps + 1)).astype(np.float64)


def timed(table: ScoreTable, step: float) -> tuple[float, GridResult]:
    """Seconds of wall clock, and the result."""
    start = time.perf_counter()
    result = search_grid(table, step=step)
    return time.perf_counter() - start, result


def check(seed: int, rounding: Rounding) -> float:
    """Compare with brute force at step 0.1, print a line, and return its seconds a vector."""
    table = table1_scores(seed, rounding=rounding)
    start = time.perf_counter()
    best, optimal, chosen, vectors = brute_force(table, 10)
    brute_seconds = time.perf_counter() - start
    _, coarse = timed(table, 0.1)
    found = round(coarse.value * len(table)), coarse.optimal, tuple(coarse.weights)
    same = found == (best, optimal, chosen)
    seconds, fine = timed(table, 0.02)
    speedup = brute_seconds / vectors * fine.vectors / seconds
    print(
        f"seed {seed} {rounding:9s} step 0.1: best {best}, {optimal} optimal, same: {same}"
        f" | step 0.02: best {round(fine.value * len(table))}, {fine.optimal} optimal,"
        f" chosen {fine.weights.tolist()}, {fine.boxes} boxes, {seconds:.2f} s,"
        f" {speedup:,.0f} x brute force"
    )
    assert same, (found, (best, optimal, chosen))
    return seconds


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tables", type=int, default=10)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    kinds: tuple[Rounding, ...] = ("votes", "decimals", "none")
    slowest = max(check(seed, kinds[seed % 3]) for seed in range(options.tables))
    for copies in options.copies:
        runs = [timed(table1_scores(seed, copies=copies), 0.02) for seed in range(3)]
        seconds = [run[0] for run in runs]
        boxes = [run[1].boxes for run in runs]
        clips = 383 * copies
        print(
            f"{clips} clips: {np.mean(seconds):.2f} s mean of 3 tables"
            f" ({1e3 * np.mean(seconds) / clips:.2f} ms a clip), boxes {boxes}"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"slowest search at step 0.02: {slowest:.2f} s; peak memory of this run {memory:.2f} GiB")


if __name__ == "__main__":
    main()
