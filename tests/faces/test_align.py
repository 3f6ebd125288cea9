from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import transform

from facevoice.errors import InvalidInputError
from facevoice.faces.align import TEMPLATE, align, align_light, similarity
from facevoice.types import Float64Array
from support.detector_contract import astronaut

skimage: Any = transform  # has no type information


def turned(
    points: Float64Array,
    scale: float,
    degrees: float,
    shift: float | tuple[float, float] | Float64Array,
) -> Float64Array:
    angle = np.deg2rad(degrees)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ rotation.T + shift


@settings(deadline=None)
@given(st.floats(0.05, 20), st.floats(-180, 180), st.floats(-500, 500), st.integers(0, 2**31))
def test_similarity_equals_skimage(scale: float, degrees: float, shift: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 5, (5, 2))
    source = turned(TEMPLATE + noise, scale, degrees, shift)
    ours = similarity(source, TEMPLATE)
    theirs = skimage.SimilarityTransform.from_estimate(source, TEMPLATE)
    assert np.abs(ours - theirs.params[:2]).max() < 1e-9 * max(1, np.abs(ours).max())


def test_similarity_never_mirrors() -> None:
    mirrored = TEMPLATE * (-1, 1)
    assert np.linalg.det(similarity(mirrored, TEMPLATE)[:, :2]) > 0


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((5, 3))])
def test_similarity_refuses_degenerate_points(points: Float64Array) -> None:
    with pytest.raises(InvalidInputError):
        similarity(points, TEMPLATE[:, : points.shape[1]])


@pytest.mark.parametrize(
    ("scale", "degrees"), [(0.3, 0), (0.8, 20), (1, 0), (1.7, -35), (3.2, 10), (5, 90)]
)
def test_landmarks_are_mapped_to_the_template(scale: float, degrees: float) -> None:
    centre = turned(np.array([[128.0, 128.0]]), scale, degrees, 0)[0]
    points = turned(TEMPLATE, scale, degrees, 700 - centre)
    rows, columns = np.mgrid[:1400, :1400] + 0.5  # the centres of the pixels
    picture = np.zeros((1400, 1400, 3), np.uint8)
    radius = max(1.5, 4 * scale)
    for x, y in points:
        inside = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
        picture = np.maximum(picture, (255 * inside[..., None]).astype(np.uint8))
    aligned = align(picture, points)[..., 0].astype(float)
    rows, columns = np.mgrid[:256, :256] + 0.5
    for x, y in TEMPLATE:
        near = aligned * (np.hypot(columns - x, rows - y) < 20)
        found = (near * columns).sum() / near.sum(), (near * rows).sum() / near.sum()
        assert np.hypot(found[0] - x, found[1] - y) < 0.15


def test_equals_skimage_without_shrinking() -> None:
    picture = astronaut()
    points = turned(TEMPLATE, 0.6, 12, (110.0, 70.0))
    half = skimage.AffineTransform(
        translation=(0.5, 0.5)
    ).params  # skimage counts from pixel centres
    inverse = (
        np.linalg.inv(half)
        @ np.linalg.inv(np.vstack([similarity(points, TEMPLATE), [0, 0, 1]]))
        @ half
    )
    expected = 255 * skimage.warp(picture, inverse, output_shape=(256, 256), order=1, mode="edge")
    assert np.abs(align(picture, points) - expected).max() <= 1.5


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((1600, 1600, 3), np.uint8)
    stripes[:, ::2] = 255
    aligned = align(stripes, turned(TEMPLATE, 5, 3, (100, 100)))
    assert np.abs(aligned.astype(int) - 127).max() < 30  # nearest or plain bilinear: 127


def test_the_edge_is_repeated_beyond_the_picture() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    assert (align(picture, turned(TEMPLATE, 0.5, 30, (-20, -30))) == 200).all()
    assert (align(np.full((1, 1, 3), 7, np.uint8), TEMPLATE) == 7).all()


def test_size_scales_the_template() -> None:
    points = turned(TEMPLATE, 0.7, 5, (140, 40))
    small = align(astronaut(), points, 64).astype(float)
    large = Image.fromarray(align(astronaut(), points)).reduce(4)
    assert small.shape == (64, 64, 3)
    assert np.abs(small - np.asarray(large)).mean() < 4


@pytest.mark.parametrize("scale", [0.3, 1.9])  # magnified, and averaged over blocks first
def test_a_part_is_cut_from_the_whole_face(scale: float) -> None:
    points = turned(TEMPLATE, scale, 12, (-30.0, 20.0))
    grey = np.ascontiguousarray(astronaut()[..., 1])
    whole = align(np.stack([grey] * 3, axis=2), points, 64)
    part = align_light(grey, points, 64, (10, 8, 54, 62))
    assert part.shape == (54, 44)
    assert (part[..., None] == whole[8:62, 10:54]).all()


def test_landmarks_too_far_apart_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="too far apart"):
        align(astronaut(), TEMPLATE * 1000)
