"""The figures of a model card: every node of a score table, by class and by the speakers' sex.

Score tables come from ``facevoice evaluate ... -o TABLE.npz`` and ``facevoice folds``. Where the
groups are speakers of RAVDESS, EMO-DB or javanese_av, their sex is known.
Run: ``python benchmarks/base_figures.py TABLE.npz [--nodes fused,face,voice]``.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevoice.bundle.measured import FIGURES
from facevoice.scores.metrics import evaluate
from facevoice.scores.table import ScoreTable, read_score_table

FEMALE = {
    *(f"RAV{number:02}" for number in range(2, 25, 2)),
    *("ED08", "ED09", "ED13", "ED14", "ED16"),
    *("JV01", "JV02", "JV03"),
}
_KNOWN = re.compile(r"(RAV|ED|JV)\d\d")


def sexes(table: ScoreTable) -> NDArray[np.str_]:
    """(N,) "female", "male", or "" where the speaker is of no corpus known here."""
    groups = table.groups.tolist()
    return np.array(
        [
            ("female" if group in FEMALE else "male") if _KNOWN.fullmatch(group) else ""
            for group in groups
        ]
    )


def lines(table: ScoreTable, nodes: Sequence[str]) -> list[str]:
    """Markdown: a row for each node, for all clips and for each sex."""
    shown = [label for index, label in enumerate(table.labels) if (table.truth == index).any()]
    head = ["", "clips", "WAR", "95 %", "UAR", "ECE (perfect)", "log-loss", "Brier", *shown]
    told = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    of = sexes(table)
    for node in nodes:
        for who in ("", "female", "male"):
            rows = np.flatnonzero(of == who) if who else np.arange(len(table))
            if not len(rows) or (who and len(set(of.tolist())) == 1):
                continue
            part = table.rows(rows)
            found = evaluate(part, node).rounded(*FIGURES)
            cells = [
                f"{node}, {who}" if who else node,
                str(len(part)),
                f"{found['war']:.3f}",
                f"{found['war_low']:.3f}-{found['war_high']:.3f}",
                f"{found['uar']:.3f}",
                f"{found['ece']:.3f} ({found['ece_if_perfect']:.3f})",
                f"{found['log_loss']:.2f}",
                f"{found['brier']:.2f}",
                *(f"{found['recall'].get(label, float('nan')):.2f}" for label in shown),
            ]
            told.append("| " + " | ".join(cells) + " |")
    return told


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("table", type=Path)
    options.add_argument("--nodes", help="only these, with commas between (default: all)")
    chosen = options.parse_args()
    table = read_score_table(chosen.table)
    spoken = [name for name in table.branches if np.isfinite(table.column(name)).any()]
    print("\n".join(lines(table, chosen.nodes.split(",") if chosen.nodes else spoken)))


if __name__ == "__main__":
    main()
