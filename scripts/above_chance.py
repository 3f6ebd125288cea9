"""Check that training runs learned something: the loss falls and held-out WAR is above chance.

    python scripts/above_chance.py RUN...

Prints one line per run: the first and last loss of each stage, WAR and UAR of the held-out samples,
and the probability of at least as many correct samples if the commonest label is always predicted.
Held out are the test samples, and the validation samples if nothing was chosen on them
(patience = 0). The exit status is 1 if a loss rises or that probability is 0.05 or more.
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
    """Probability that at least ``right`` of ``total`` are correct, each with probability share."""
    counts = np.arange(right, total + 1)
    lgamma = math.lgamma
    ways = [lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1) for k in counts]
    logs = np.array(ways) + counts * math.log(share) + (total - counts) * math.log1p(-share)
    return min(1.0, float(np.exp(logs).sum()))


def judge(run: Path) -> bool:
    """Print the figures of a run; return whether it learned something."""
    log = [line for line in read_log(run) if "loss" in line]
    falls, stages = True, []
    for stage in dict.fromkeys(line["stage"] for line in log):
        losses = [line["loss"] for line in log if line["stage"] == stage]
        falls &= losses[-1] < losses[0]
        stages.append(f"{stage} {losses[0]:.3f} -> {losses[-1]:.3f}")
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    parts = ["test"] if facts["recipe"]["patience"] else ["val", "test"]
    stored = [np.load(run / f"scores_{part}.npz") for part in parts]
    scores, y = (np.concatenate([each[key] for each in stored]) for key in ("scores", "y"))
    matrix = ConfusionMatrix.of_scores(scores, y, facts["labels"])
    share = float(np.bincount(y).max() / len(y))
    right = round(matrix.war * matrix.total)
    probability = chance(right, matrix.total, share)
    print(
        f"{run.name:16} loss {', '.join(stages)}; {right} of {matrix.total} held-out correct:"
        f" WAR {matrix.war:.3f}, UAR {matrix.uar:.3f}, p = {probability:.2g} against chance"
    )
    return falls and probability < 0.05


def main() -> None:
    """Judge every run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("runs", nargs="+", type=Path)
    learned = [judge(run) for run in parser.parse_args().runs]
    sys.exit(0 if all(learned) else 1)


if __name__ == "__main__":
    main()
