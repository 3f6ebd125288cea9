from typing import Any

import numpy as np
import pytest

from facevoice.faces.integral_image import IntegralImage
from facevoice.types import UInt8Array

PICTURE = np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)


def pooled(image: UInt8Array, height: int, width: int) -> Any:
    torch = pytest.importorskip("torch")
    planar = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    return torch.nn.functional.interpolate(planar, size=(height, width), mode="area").numpy()


@pytest.mark.parametrize("size", [(61, 83), (30, 41), (13, 12), (1, 1), (70, 200)])
def test_resize_equals_torch(size: tuple[int, int]) -> None:
    ours = IntegralImage(PICTURE).resize(*size)
    assert ours.dtype == np.float32
    assert np.abs(ours - pooled(PICTURE, *size)).max() < 1e-4


def test_crops_equal_torch() -> None:
    boxes = np.array([(0, 0, 83, 61), (5, 7, 6, 8), (40, 20, 80, 60), (10, 0, 30, 61)])
    crops = IntegralImage(PICTURE).crops(boxes, 24)
    assert crops.shape == (4, 3, 24, 24)
    for crop, (left, top, right, bottom) in zip(crops, boxes, strict=True):
        assert np.abs(crop - pooled(PICTURE[top:bottom, left:right], 24, 24)[0]).max() < 1e-4


def test_no_crops() -> None:
    assert IntegralImage(PICTURE).crops(np.zeros((0, 4), np.intp), 24).shape == (0, 3, 24, 24)


def test_sums_may_wrap_around() -> None:
    bright = np.full((4200, 4200, 3), 255, np.uint8)  # the total exceeds 2**32
    assert (IntegralImage(bright).resize(3, 3) == 255).all()
