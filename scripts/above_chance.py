"""Has a run learnt? Its loss must fall, and held-out samples be told better than by chance.

    python scripts/above_chance.py RUN...

Prints a line for each run: first and last loss of each stage, WAR and UAR of the held-out samples
and the probability of so many right ones by always naming the commonest label. Held out are the
test samples, and the validation samples where nothing was chosen by them (patience = 0). Ends with
1 if a loss rises or that probability is 0.05 or more.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

from facevoice.scores.metrics import ConfusionMatrix
from facevoice.train.fit.run_folder import read_log


def chance(right: int, total: int, share: float) -> float:
    """Probability of ``right`` or more of ``total`` when each is right with probability share."""
    counts = np.arange(right, total + 1)
    lgamma = math.lgamma
    ways = [lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1) for k in counts]
    logs = np.array(ways) + counts * math.log(share) + (total - counts) * math.log1p(-share)
    return min(1.0, float(np.exp(logs).sum()))


def judge(run: Path) -> bool:
    """Print how a run went; whether it has learnt."""
    log = [line for line in read_log(run) if "loss" in line]
    falls, told = True, []
    for stage in dict.fromkeys(line["stage"] for line in log):
        losses = [line["loss"] for line in log if line["stage"] == stage]
        falls &= losses[-1] < losses[0]
        told.append(f"{stage} {losses[0]:.3f} -> {losses[-1]:.3f}")
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    parts = ["test"] if facts["recipe"]["patience"] else ["val", "test"]
    stored = [np.load(run / f"scores_{part}.npz") for part in parts]
    scores, y = (np.concatenate([each[key] for each in stored]) for key in ("scores", "y"))
    matrix = ConfusionMatrix.of_scores(scores, y, facts["labels"])
    share = float(np.bincount(y).max() / len(y))
    right = round(matrix.war * matrix.total)
    probability = chance(right, matrix.total, share)
    print(
        f"{run.name:16} loss {', '.join(told)}; {right} of {matrix.total} held-out samples right:"
        f" WAR {matrix.war:.3f}, UAR {matrix.uar:.3f}, by chance p = {probability:.2g}"
    )
    return falls and probability < 0.05


def main() -> None:
    """Judge all runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("runs", nargs="+", type=Path)
    learnt = [judge(run) for run in parser.parse_args().runs]
    sys.exit(0 if all(learnt) else 1)


if __name__ == "__main__":
    main()
