import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facevoice.errors import InvalidInputError
from facevoice.faces.sample import (
    crop_and_resize,
    evenly_spaced,
    padded_crop,
    place_crops,
)

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), np.uint8)


def test_middles_of_equal_bins() -> None:
    assert evenly_spaced(100, 4).tolist() == [12, 37, 62, 87]
    assert evenly_spaced(5, 1).tolist() == [2]
    assert evenly_spaced(32, 16).tolist() == list(range(1, 32, 2))


def test_each_item_is_taken_once_if_there_are_too_few() -> None:
    assert evenly_spaced(3, 16).tolist() == [0, 1, 2]
    assert evenly_spaced(0, 16).tolist() == []


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(1, 64))
def test_indices_increase_and_are_in_range(available: int, wanted: int) -> None:
    indices = evenly_spaced(available, wanted)
    assert indices.dtype == np.intp
    assert len(indices) == min(available, wanted)
    assert (np.diff(indices) > 0).all()
    assert all(0 <= index < available for index in indices)
    if available >= wanted:  # neither end is favoured by more than the rounding
        assert abs(indices[0] - (available - 1 - indices[-1])) <= 1


@pytest.mark.parametrize(("available", "wanted"), [(-1, 4), (4, 0)])
def test_impossible_counts_are_refused(available: int, wanted: int) -> None:
    with pytest.raises(InvalidInputError):
        evenly_spaced(available, wanted)


def test_padded_crop_repeats_the_edge() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)
    assert (padded_crop(picture, np.array([3, 4]), np.array([9, 8])) == picture[4:8, 3:9]).all()
    around = padded_crop(picture, np.array([-2, -1]), np.array([85, 63]))
    assert (around == np.pad(picture, [(1, 2), (2, 2), (0, 0)], mode="edge")).all()
    outside = padded_crop(picture, np.array([90, -9]), np.array([94, -4]))
    assert outside.shape == (5, 4, 3)
    assert (outside == picture[0, -1]).all()


def test_a_crop_without_resizing_copies() -> None:
    assert (crop_and_resize(PICTURES, (10, 20, 110, 120), 100) == PICTURES[:, 20:120, 10:110]).all()


def test_crop_shrinks_without_aliasing() -> None:
    stripes = np.zeros((1, 256, 256, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = crop_and_resize(stripes, (0.5, 0, 250.5, 250), 48)
    assert small.shape == (1, 48, 48, 3)
    assert np.abs(small.astype(int) - 127).max() < 8


def test_crop_beyond_the_picture_repeats_the_edge() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (1, 256, 256, 3))
    crop = crop_and_resize(ramp, (2, -18, 252, 232), 250)[0]
    assert (crop[:18] == 0).all()
    assert (crop[18:, 0, 0] == np.arange(232)).all()
    assert crop_and_resize(ramp, (200, 200, 300, 300), 10)[0, -1, -1, 0] == 255


def test_no_pictures() -> None:
    assert crop_and_resize(PICTURES[:0], (0, 0, 256, 256), 64).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("box", [(10, 10, 10, 20), (0, 0, np.nan, 5), (5, 0, 0, 5)])
def test_empty_boxes_are_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInputError, match="left, top, right, bottom"):
        crop_and_resize(PICTURES, box, 48)
    with pytest.raises(InvalidInputError, match="uint8 RGB"):
        crop_and_resize(PICTURES[0], (0, 0, 1, 1), 48)


@pytest.mark.parametrize("shape", [(2, 48, 48), (2, 48, 48, 3)])
def test_placed_crops_are_cropped_again_nearly_unchanged(shape):
    smooth = np.random.default_rng(0).integers(0, 256, (*shape[:1], 6, 6, *shape[3:]), np.uint8)
    crops = np.stack([np.asarray(Image.fromarray(item).resize((48, 48))) for item in smooth])
    box = (2, 2, 252, 252)
    placed = place_crops(crops, box)
    assert placed.shape == (2, 256, 256, 3)
    again = crop_and_resize(placed, box, 48).astype(int)
    colour = crops if crops.ndim == 4 else np.repeat(crops[..., None], 3, axis=3)
    assert np.abs(again - colour).mean() < 2
