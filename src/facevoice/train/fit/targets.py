"""What a network is to learn: labels, mixed with the soft labels of raters or of a teacher."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facevoice.errors import RecipeError
from facevoice.scores.table import read_score_table
from facevoice.train.fit.samples import soft_targets
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import NetRecipe
from facevoice.types import Float64Array


def targets_of(recipe: NetRecipe, data: Prepared) -> Tensor:
    """(N, K) float32: a distribution over the labels for each row of the data.

    Its label, smoothed, and the soft labels by their shares; a row without those learns its label
    instead.

    Raises:
        RecipeError: the shares are not positive or exceed 1 together, or a table has other labels
            or none of the samples.
        MediaNotFoundError, InvalidInputError: a table is absent or unsound.
    """
    shares = recipe.soft_labels
    if not all(share > 0 for share in shares.values()) or sum(shares.values()) > 1:
        raise RecipeError(
            "recipe key soft_labels: the shares must be positive and together at most 1, got"
            f" {dict(shares)}"
        )
    targets = soft_targets(data.y, len(data.labels), recipe.label_smoothing)
    labels = targets.clone()
    for path, share in shares.items():
        scores, known = _soft_labels(Path(path), data)
        difference = torch.from_numpy(scores).float() - labels
        targets += share * torch.from_numpy(known).float()[:, None] * difference
    return targets


def _soft_labels(path: Path, data: Prepared) -> tuple[Float64Array, NDArray[np.bool_]]:
    """The mean (N, K) of a table's branches for each row, zeros without; and which rows have it."""
    table = read_score_table(path)
    if table.labels != data.labels:
        raise RecipeError(
            f"recipe key soft_labels: {path} has the labels {', '.join(table.labels)}, the data"
            f" {', '.join(data.labels)}"
        )
    places = {name: place for place, name in enumerate(table.ids.tolist())}
    at = np.array([places.get(name, -1) for name in data.ids])
    known = (at >= 0) & table.answered[at]
    if not known.any():
        raise RecipeError(f"recipe key soft_labels: {path} has scores for none of the samples")
    scores = np.zeros((len(at), len(data.labels)))
    scores[known] = np.nanmean(table.scores[at[known]], axis=1)
    return scores, known
