"""Small score tables of branches with known skill."""

from dataclasses import replace

import numpy as np

from facevoice.scores.table import ScoreTable

LABELS = ("a", "b", "c", "d")
BRANCHES = ("strong", "middling", "blind")


def skilled(
    seed: int = 0,
    count: int = 160,
    skills: tuple[float, ...] = (1.6, 1.2, 0.0),
    speakers: int = 16,
    split: str = "val",
) -> ScoreTable:
    """Branches of known skill that no clip has taught; ids and groups carry the seed."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(LABELS), count)
    logits = rng.normal(size=(count, len(skills), len(LABELS)))
    logits += np.array(skills)[None, :, None] * np.eye(len(LABELS))[truth][:, None]
    powered = np.exp(logits)
    table = ScoreTable.of_arrays(
        powered / powered.sum(axis=2, keepdims=True),
        truth,
        branches=BRANCHES[: len(skills)],
        labels=LABELS,
        ids=[f"{seed}-{index}" for index in range(count)],
        groups=[f"speaker {seed}-{index % speakers}" for index in range(count)],
        splits=split,
    )
    return replace(table, taught=np.full(count, "no"))


def renamed(table: ScoreTable, prefix: str) -> ScoreTable:
    """The same clips under other names."""
    return replace(table, ids=np.array([f"{prefix}{name}" for name in table.ids]))
