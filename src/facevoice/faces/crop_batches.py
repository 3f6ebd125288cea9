"""Runs a network on square crops from one or many regions of a picture, in large batches."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.faces.integral_image import IntegralImage
from facevoice.session import Session
from facevoice.types import Float32Array

_BATCH: Final = 32  # more take more memory, and are no faster


def run_on_crops(
    session: Session, regions: Sequence[tuple[IntegralImage, Float32Array]], side: int
) -> list[tuple[Float32Array, ...]]:
    """Run a network on the crops that the boxes cut from all regions, in common batches.

    regions: each with its boxes (N, 4); boxes wholly outside their region are dropped.
    Returns for each region the remaining boxes and the network's outputs for them.
    """
    if not regions:
        return []
    kept, crops = [], []
    for region, boxes in regions:
        # MTCNN counts pixels from 1, so its left edge 1 is the picture's first pixel
        whole = np.trunc(boxes).astype(np.intp) - (1, 1, 0, 0)
        whole[:, :2] = np.maximum(whole[:, :2], 0)
        whole[:, 2:] = np.minimum(whole[:, 2:], (region.width, region.height))
        inside = (whole[:, 2:] > whole[:, :2]).all(axis=1)
        kept.append(boxes[inside])
        crops.append((region, whole[inside]))
    outputs = _outputs(session, crops, side)
    edges = np.cumsum([len(boxes) for boxes in kept])[:-1]
    parts = zip(*(np.split(output, edges) for output in outputs), strict=True)
    return [(boxes, *part) for boxes, part in zip(kept, parts, strict=True)]


def _outputs(
    session: Session, crops: Sequence[tuple[IntegralImage, NDArray[np.intp]]], side: int
) -> list[Float32Array]:
    """The network's outputs for all crops, in order; about 32 crops are in memory at a time."""
    batches, waiting, count = [], [], 0
    for region, boxes in crops:
        for start in range(0, max(len(boxes), 1), _BATCH):
            waiting.append(region.crops(boxes[start : start + _BATCH], side))
            count += len(waiting[-1])
            if count >= _BATCH:
                batches.append(session.run(np.concatenate(waiting)))
                waiting, count = [], 0
    if waiting:
        batches.append(session.run(np.concatenate(waiting)))
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
