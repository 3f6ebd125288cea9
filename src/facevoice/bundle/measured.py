"""The figures that a bundle's card records, and whether a new measurement agrees.

``bundle.json`` holds a row under ``measured`` for each set of labelled clips that the bundle was
judged on. A set is recognised by its samples (see ``scores.table.keys``), not by its location.
Under ``left_out`` it holds what its way of training is worth on whole corpora left out of it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.bundle import read_card
from facevoice.bundle.write import write_card
from facevoice.errors import BundleError
from facevoice.scores.metrics import evaluate
from facevoice.scores.table import ScoreTable
from facevoice.scores.table.keys import keys_of

TOLERANCE: Final = 0.005
"""How far a share may differ when it is measured again on another machine: half a point."""
FIGURES: Final = (
    "war", "war_low", "war_high", "uar", "ece", "ece_if_perfect", "log_loss", "brier", "recall",
)  # fmt: skip
"""The figures of each node in a row of the card, see ``Figures.rounded``."""
_DIGEST_LETTERS: Final = 16

Row = Mapping[str, Any]


def row_of(table: ScoreTable, name: str) -> Row:
    """A row for the card: figures of every node that has scores, on the clips of a table.

    Clips without scores count as wrong. name: the set's name, for readers.

    Raises:
        BundleError: no clip has a truth.
    """
    return {"name": name, "data": _digest(table), "clips": len(table), "nodes": _nodes(table)}


def row_for(card: Mapping[str, Any], table: ScoreTable) -> Row | None:
    """The card's row of just these clips; None if it was never measured on them."""
    digest = _digest(table)
    return next((row for row in card.get("measured", ()) if row["data"] == digest), None)


def differences(row: Row, table: ScoreTable) -> list[str]:
    """How a new measurement differs from the card's row, in words; [] if it agrees."""
    found = _nodes(table)
    changes = []
    for node in sorted({*row["nodes"], *found}):
        before, now = row["nodes"].get(node), found.get(node)
        if before is None or now is None:
            changes.append(f"{node}: {'not in the card' if before is None else 'not measured'}")
            continue
        changes += [
            f"{node}: {key.upper()} {now[key]:.4f}, the card says {before[key]:.4f}"
            for key in ("war", "uar", "ece")
            if abs(now[key] - before[key]) > TOLERANCE
        ]
    return changes


def record(folder: Path, row: Row) -> None:
    """Put a row into a bundle's card, in place of an older one of its name or its clips.

    Raises:
        BundleError: there is no bundle in the folder.
        OutputError: the card cannot be written.
    """
    card = read_card(folder)
    for old in card.get("measured", ()):
        same = all(old.get(key) == row.get(key) for key in ("name", "data", "nodes"))
        if same and "personal" in old and "personal" not in row:  # measured again without it
            row = {**row, "personal": old["personal"]}
    kept = [
        old
        for old in card.get("measured", ())
        if old["name"] != row["name"] and old["data"] != row["data"]
    ]
    write_card(folder, card | {"measured": [*kept, row]})


def record_left_out(folder: Path, found: Mapping[str, Mapping[str, Row]]) -> None:
    """Put the figures of ``folds --leave corpus`` into a bundle's card, in place of older ones.

    found: corpus -> branch -> figures, by networks trained like the bundle's without that corpus.

    Raises:
        BundleError: there is no bundle in the folder.
        OutputError: the card cannot be written.
    """
    write_card(folder, read_card(folder) | {"left_out": found})


def _digest(table: ScoreTable) -> str:
    keys = np.sort(keys_of(table.ids.tolist(), _truth_names(table)))
    return hashlib.sha256(keys.astype("<u8").tobytes()).hexdigest()[:_DIGEST_LETTERS]


def _truth_names(table: ScoreTable) -> Sequence[str]:
    """The label of each clip by name, "" where it is unknown."""
    return [table.labels[index] if index >= 0 else "" for index in table.truth]


def _nodes(table: ScoreTable) -> dict[str, dict[str, Any]]:
    if not table.labelled.any():
        raise BundleError("no clip has a label")
    return {
        name: evaluate(table, name).rounded(*FIGURES)
        for name, coverage in table.coverage().items()
        if coverage > 0
    }
