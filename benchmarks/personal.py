"""What reading a person against his or her own baseline is worth, on people nobody trained on.

    python benchmarks/personal.py voice FOLDS CENTRED       whole, causal and enrolled, by corpus
    python benchmarks/personal.py mixes FOLDS CENTRED       mostly neutral people, and one emotion
    python benchmarks/personal.py bundle TABLE [--bundle B] javanese_av and the like, fused

FOLDS and CENTRED: folders of `facevoice folds` with recipes/base_speech.toml and
recipes/base_speech_centred.toml, with the same folds. TABLE: of `facevoice score --personal`.
Every clip is scored by models that have not met its speaker; no label is used but to judge.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevoice.bundle.population import table_population
from facevoice.person import BranchPopulation, Population, Reading, Statistics
from facevoice.scores.metrics import paired_permutation
from facevoice.scores.table import read_score_table

ORDERS = 30
REPEATS = 6
VOICE = "speech"
ENROLLED = (1, 3, 10)
NEUTRAL_SHARES = (0.0, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Clips:
    """The clips of all speakers: readings, labels, speakers, corpora, and each one's population."""

    readings: Sequence[Reading]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_]
    populations: Sequence[Population]
    neutral: int


def read(plain: Path, second: Path) -> Clips:
    """Join the held-out tables of the plain and the centred model."""
    table = read_score_table(plain / "held_out.npz")
    other = read_score_table(second / "held_out.npz").rows_named(table.ids)
    centred = {
        fold: np.array(
            json.loads((second / "speech_centred" / fold / "run.json").read_text())["centred"]
        )
        for fold in np.unique(table.splits)
    }
    raise NotImplementedError
