"""Scores of prepared samples, pooled as the finished branch will pool them."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from facevoice.train.fit.samples import Indices
from facevoice.train.fit.sources import Inputs, Source
from facevoice.train.recipe import Recipe

_BATCH: Final = 256


@torch.no_grad()
def score_rows(
    module: nn.Module, source: Source, rows: Indices, recipe: Recipe
) -> NDArray[np.float64]:
    """(R, K) float64: the mean of the softmax over each row's inputs, or the inputs' votes."""
    module.eval()
    device = next(module.parameters()).device
    owners, looks = [], []
    for batch_owners, inputs in source.evaluation(rows, _BATCH):
        logits = module(*placed(inputs, device)).float()
        owners.append(batch_owners)
        looks.append(functional.softmax(logits, dim=1).double().cpu().numpy())
    if not looks:
        return np.zeros((0, 0))
    owner, each = np.concatenate(owners), np.concatenate(looks)
    return np.stack([_pooled(each[owner == row], recipe) for row in rows])


def _pooled(looks: NDArray[np.float64], recipe: Recipe) -> NDArray[np.float64]:
    """(K,) of the looks (T, K) at one row; see ``FaceVote``."""
    if recipe.branch == "face_vote" and recipe.pooling == "votes":
        if recipe.mirror:  # the mirror images come after the faces
            looks = looks.reshape(2, -1, looks.shape[1]).mean(axis=0)
        return np.bincount(looks.argmax(axis=1), minlength=looks.shape[1]) / len(looks)
    mean: NDArray[np.float64] = looks.mean(axis=0)
    return mean


def placed(inputs: Inputs, device: torch.device) -> Inputs:
    """The inputs on the device, pictures with their channels last."""
    return tuple(
        item.to(device, memory_format=torch.channels_last) if item.ndim == 4 else item.to(device)
        for item in inputs
    )
