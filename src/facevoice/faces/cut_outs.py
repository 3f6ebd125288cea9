"""Run a network on square cut-outs of one or many regions of a picture, all together."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.faces.area_sums import AreaSums
from facevoice.session import Session
from facevoice.types import Float32Array

_BATCH: Final = 256


def judge(
    session: Session, places: Sequence[tuple[AreaSums, Float32Array]], side: int
) -> list[tuple[Float32Array, ...]]:
    """Run a network on what the boxes of all places show, together.

    Boxes wholly outside their region are dropped. Returns for each place the remaining boxes and
    the network's outputs for them.
    """
    if not places:
        return []
    kept, crops = [], []
    for area, boxes in places:
        # MTCNN counts pixels from 1, so its left edge 1 is the picture's first pixel
        whole = np.trunc(boxes).astype(np.intp) - (1, 1, 0, 0)
        whole[:, :2] = np.maximum(whole[:, :2], 0)
        whole[:, 2:] = np.minimum(whole[:, 2:], (area.width, area.height))
        inside = (whole[:, 2:] > whole[:, :2]).all(axis=1)
        kept.append(boxes[inside])
        crops.append((area, whole[inside]))
    outputs = _outputs(session, crops, side)
    edges = np.cumsum([len(boxes) for boxes in kept])[:-1]
    parts = zip(*(np.split(output, edges) for output in outputs), strict=True)
    return [(boxes, *part) for boxes, part in zip(kept, parts, strict=True)]


def _outputs(
    session: Session, crops: Sequence[tuple[AreaSums, NDArray[np.intp]]], side: int
) -> list[Float32Array]:
    """A network's outputs for all crops, in order; at most some 256 are held at a time."""
    batches, waiting, count = [], [], 0
    for area, boxes in crops:
        for start in range(0, max(len(boxes), 1), _BATCH):
            waiting.append(area.crops(boxes[start : start + _BATCH], side))
            count += len(waiting[-1])
            if count >= _BATCH:
                batches.append(session.run(np.concatenate(waiting)))
                waiting, count = [], 0
    if waiting:
        batches.append(session.run(np.concatenate(waiting)))
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
