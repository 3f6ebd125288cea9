"""What scores of FER2013 pictures are worth against the label and against the raters' votes.

    facevoice score prepared/fer2013 --split test --nodes --bundle BUNDLE -o SCORES
    python benchmarks/face_votes.py SCORES prepared/fer2013/votes.npz

Prints for each branch and fusion node WAR and UAR against FER2013's labels, and the temperature at
which its scores fit the votes of FER+ best: the least mean log loss over the raters, whether they
agree or not. That is the temperature of the face in recipes/base_tree.toml, because the pictures of
the test part taught it nothing.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.branches.base import tempered
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.scores.table import read_score_table
from facevoice.types import Float64Array

TEMPERATURES: Final = np.geomspace(0.25, 4, 161)


def main() -> None:
    """Read both tables and print a line for each column."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scores", type=Path, help="score table of FER2013's test part")
    parser.add_argument("votes", type=Path, help="votes.npz of the prepared folder")
    options = parser.parse_args()
    table, votes = read_score_table(options.scores), read_score_table(options.votes)
    places = {name: place for place, name in enumerate(votes.ids.tolist())}
    at = np.array([places.get(name, -1) for name in table.ids.tolist()])
    voted = at >= 0
    shares = votes.scores[at[voted], 0]
    print(f"{len(table)} pictures, {int(voted.sum())} with votes")
    for name in table.branches:
        scores = table.column(name)
        matrix = ConfusionMatrix.of_scores(scores, table.truth, table.labels)
        found = best_temperature(scores[voted], shares)
        print(f"{name:30} WAR {matrix.war:.3f}  UAR {matrix.uar:.3f}  temperature {found:.2f}")


def best_temperature(scores: Float64Array, shares: Float64Array) -> float:
    """The temperature of scores (N, K) with the least log loss on the raters' shares (N, K)."""
    losses = [
        -float((shares * np.log(np.maximum(tempered(scores, each), 1e-12))).sum(axis=1).mean())
        for each in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


if __name__ == "__main__":
    main()
