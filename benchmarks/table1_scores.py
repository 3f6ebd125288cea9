"""Seeded score tables that look like the paper's Table 1: its accuracies, correlated errors.

The clips are AFEW's 383 validation clips by class. Every branch is right on as many clips as
Table 1 says (to the nearest clip); its errors share most of their noise with the other branches',
so fusing gains little, as in the paper. ``vgg_affectnet`` votes over 16 frames, so its scores are
multiples of 1/16 and hold ties.
"""

from typing import Final, Literal

import numpy as np

from facevoice.scores.table import ScoreTable
from facevoice.types import EMOTIONS, Float64Array

CLASS_SIZES: Final = (64, 40, 46, 63, 63, 61, 46)
"""AFEW's validation clips in the order of EMOTIONS: 383."""

ACCURACIES: Final = {
    "vggface": 0.5391,
    "resnet18": 0.4334,
    "densenet121": 0.4935,
    "vgg_affectnet": 0.4178,
    "audio": 0.2559,
}
"""The paper, Table 1, validation."""

Rounding = Literal["votes", "none", "decimals"]


def table1_scores(
    seed: int,
    *,
    copies: int = 1,
    shared: float = 0.8,
    rounding: Rounding = "votes",
    absent: float = 0.0,
) -> ScoreTable:
    """A score table of 383 x copies clips, 5 branches and 7 labels.

    Args:
        seed: the same seed gives the same table.
        copies: how many times 383 clips (each with noise of its own).
        shared: share of the noise's variance that all branches have in common, 0 to 1.
        rounding: "votes" makes vgg_affectnet votes of 16 frames; "none" keeps it smooth; "decimals"
            also rounds every score to two decimals, which makes many ties.
        absent: share of clips without a face, and (others) without a voice.
    """
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(EMOTIONS)), np.array(CLASS_SIZES) * copies)
    common = rng.normal(size=(len(truth), len(EMOTIONS)))
    columns = []
    for name, accuracy in ACCURACIES.items():
        own = rng.normal(size=common.shape)
        noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        scores = _scores(noise, truth, round(accuracy * len(truth)))
        if name == "vgg_affectnet" and rounding != "none":
            scores = _votes(scores, frames=16)
        columns.append(_decimals(scores) if rounding == "decimals" else scores)
    table = np.stack(columns, axis=1)
    where = rng.random(len(truth))
    table[where < absent, :4] = np.nan
    table[where > 1 - absent, 4] = np.nan
    groups = [f"film {number}" for number in rng.integers(0, 40, len(truth))]
    return ScoreTable.of_arrays(
        table, truth, branches=tuple(ACCURACIES), groups=groups, splits="val"
    )


def _scores(noise: Float64Array, truth: np.ndarray, right: int) -> Float64Array:
    """Softmax scores with just as many right decisions as asked for: a bonus for the truth."""
    rows = np.arange(len(truth))
    others = noise.copy()
    others[rows, truth] = -np.inf
    needed = np.sort(others.max(axis=1) - noise[rows, truth])
    logits = noise.copy()
    logits[rows, truth] += (needed[right - 1] + needed[right]) / 2
    powered = np.exp(1.5 * (logits - logits.max(axis=1, keepdims=True)))
    scores: Float64Array = powered / powered.sum(axis=1, keepdims=True)
    return scores


def _votes(scores: Float64Array, frames: int) -> Float64Array:
    """Shares of whole votes, by largest remainder."""
    return _largest_remainder(scores, frames) / frames


def _decimals(scores: Float64Array) -> Float64Array:
    return _largest_remainder(scores, 100) / 100


def _largest_remainder(scores: Float64Array, total: int) -> Float64Array:
    whole = np.floor(scores * total)
    short = (total - whole.sum(axis=1)).astype(int)
    rank = np.argsort(np.argsort(-(scores * total - whole), axis=1), axis=1)
    seats: Float64Array = whole + (rank < short[:, None])
    return seats
