"""How sure of faces a bundle should be where people talk: the temperature that their clips ask for.

    facevoice evaluate ravdess_av/labels.csv -o talking.npz
    python benchmarks/talking_faces.py talking.npz --node face

The node has a temperature already, which pictures asked for that were not taken of people who talk.
What is printed is the further one, with a 95 % interval by bootstrap over clips. In a product of
face and voice with weights w and 1 - w, where the voice needs no further temperature, a further
temperature T of the face comes to w = 1 / (1 + T).
"""

import argparse
from pathlib import Path

import numpy as np

from facevoice.scores.calibration import fit_temperature
from facevoice.scores.table import read_score_table

_RESAMPLES = 500


def main() -> None:
    """Fit the temperature on all clips, and on resampled ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--node", default="face")
    options = parser.parse_args()
    table = read_score_table(options.table)
    scores = table.column(options.node)
    answered = np.flatnonzero(~np.isnan(scores[:, 0]))
    scores, y = scores[answered], table.truth[answered]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(y), size=(_RESAMPLES, len(y)))
    found = [fit_temperature(scores[draw], y[draw]) for draw in draws]
    low, high = np.quantile(found, (0.025, 0.975))
    whole = fit_temperature(scores, y)
    print(f"{options.node}, {len(y)} clips: WAR {(scores.argmax(axis=1) == y).mean():.3f}")
    print(f"further temperature {whole:.2f} ({low:.2f}-{high:.2f}); weight {1 / (1 + whole):.2f}")


if __name__ == "__main__":
    main()
