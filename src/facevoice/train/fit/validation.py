"""Scores of prepared samples, pooled as the finished branch will pool them."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from facevoice.train.fit.samples import Indices
from facevoice.train.fit.sources import Inputs, Source

_BATCH: Final = 256


@torch.no_grad()
def score_rows(module: nn.Module, source: Source, rows: Indices) -> NDArray[np.float64]:
    """(R, K) float64: the softmax of each row's inputs, pooled as the source says."""
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
    return np.stack([source.pooled(each[owner == row]) for row in rows])


def placed(inputs: Inputs, device: torch.device) -> Inputs:
    """The inputs on the device, pictures with their channels last."""
    return tuple(
        item.to(device, memory_format=torch.channels_last) if item.ndim == 4 else item.to(device)
        for item in inputs
    )
