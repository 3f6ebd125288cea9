"""The interface of face detectors, and box arithmetic for detectors and trackers.

A box is (left, top, right, bottom) in pixels; arrays of boxes are (N, 4). Coordinates are
continuous: pixel i covers [i, i + 1), so its centre lies at i + 0.5.
"""

import math
from typing import Any, Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facevoice.types import Face, Float32Array, PictureSize, UInt8Array, require

Boxes = NDArray[np.floating[Any]]

_RIVALS: Final = 128  # boxes that are compared with each other at once: bounds the memory


@runtime_checkable
class Detector(Protocol):
    """Finds faces in a picture."""

    def __call__(self, image: UInt8Array) -> list[Face]:
        """Find all faces, the most prominent first.

        image: (H, W, 3) uint8 RGB, any H and W from 1 up.
        """


@runtime_checkable
class RefiningDetector(Detector, Protocol):
    """A detector that can also search only where a face was shortly before, much more cheaply."""

    def refine(self, image: UInt8Array, boxes: Boxes) -> list[Face | None]:
        """Find each face again near its earlier box; None where it is lost.

        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4), left, top, right, bottom in pixels.
        """


def check_picture(image: UInt8Array) -> None:
    """Raise InvalidInputError unless image is (H, W, 3) uint8 with H and W at least 1."""
    require(
        image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size != 0,
        f"a picture must be (H, W, 3) uint8 RGB and not empty, got {image.shape} {image.dtype}",
    )


def prominence(face: Face) -> float:
    """How prominent a face is: its size (square root of the box area) times its confidence.

    The size is relative to that of the picture, if that is known.
    """
    return face.confidence * math.sqrt(face.area / area_of(face.picture))


def area_of(picture: PictureSize | None) -> float:
    """Area of a picture in square pixels; 1 if its size is unknown."""
    return 1.0 if picture is None else float(picture[0] * picture[1])


def stack_boxes(faces: list[Face]) -> Float32Array:
    """The boxes of faces: (N, 4) float32, also if N is 0."""
    return np.array([face.box for face in faces], np.float32).reshape(-1, 4)


def overlap(first: Boxes, second: Boxes) -> Float32Array:
    """Intersection over union of every box in one array with every box in the other.

    first: (N, 4); second: (M, 4). Returns (N, M), 0 to 1.
    """
    shared = _intersection(first[:, None], second[None])
    union = _area(first)[:, None] + _area(second)[None] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def suppress(
    boxes: Boxes,
    scores: NDArray[np.floating[Any]],
    threshold: float,
    *,
    measure: Literal["union", "smaller"] = "union",
    pixel: float = 0.0,
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    A box is dropped if its overlap with a kept box of a higher score exceeds the threshold.

    boxes: (N, 4); scores: (N,).
    measure: divide the intersection by the union, or by the smaller of the two areas.
    pixel: added to every width and height (1 counts both border pixels, as MTCNN's last step does).
    Returns the kept indices, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    areas = _area(ranked, pixel)
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), _RIVALS):
        block = np.arange(start, min(start + _RIVALS, len(order)))
        rivals = np.concatenate([kept, block])
        shared = _intersection(ranked[rivals, None], ranked[None, block], pixel)
        first, second = areas[rivals, None], areas[block]
        whole = first + second - shared if measure == "union" else np.minimum(first, second)
        drops = shared > threshold * whole
        left = np.asarray(~drops[: len(kept)].any(axis=0))
        for index, dropped in enumerate(drops[len(kept) :]):
            if left[index]:
                left[index + 1 :] &= ~dropped[index + 1 :]
        kept = np.concatenate([kept, block[left]])
    return order[kept]


def _area(boxes: Boxes, pixel: float = 0.0) -> Boxes:
    width = boxes[..., 2] - boxes[..., 0] + pixel
    height = boxes[..., 3] - boxes[..., 1] + pixel
    return width * height


def _intersection(first: Boxes, second: Boxes, pixel: float = 0.0) -> Boxes:
    """Areas shared by boxes that broadcast against each other: (..., 4) and (..., 4)."""
    # a side at a time: arrays whose last axis has two elements are slow
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    more = np.float32(pixel)
    shared: Boxes = np.maximum(width + more, 0) * np.maximum(height + more, 0)
    return shared
