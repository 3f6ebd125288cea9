"""MTCNN face detector with five landmarks on onnxruntime.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks, IEEE Signal Processing Letters 2016. Weights and arithmetic (pyramid, area
resizing, rounding, order of suppression) follow facenet-pytorch 2.5.3 and give its results, with
one repair: where a crop reaches beyond the picture, that package stretches the rest of it, which
displaces the landmarks of faces at the border; here they are measured again with the edge repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.faces.crop_batches import run_on_crops
from facevoice.faces.detect import Boxes, check_picture, overlap, prominence, suppress
from facevoice.faces.integral_image import IntegralImage
from facevoice.faces.sample import padded_crop
from facevoice.session import Device, Session, shipped_model
from facevoice.types import Face, Float32Array, UInt8Array, require

MODELS: Final = Path(__file__).parent / "models"
NETWORKS: Final = ("pnet.onnx", "rnet.onnx", "onet.onnx")

_CELL: Final = 12  # side of the P-Net's window
_STRIDE: Final = 2
_PYRAMID_FACTOR: Final = 0.709
_SMALLEST_FACE: Final = 20
_LARGEST_RATIO: Final = 12
_REDUCED_FACE: Final = 64  # pictures are halved if the smallest face has twice as many pixels
_SURE: Final = 0.95  # probability at which a face that is followed needs no search around it
_LITTLE: Final = 0.6  # least overlap with its earlier box, likewise
_Passed = tuple[Float32Array, Float32Array, Float32Array]

# where refine searches for a face, in sides of its earlier square box: shifts (x, y) and growth
_CANDIDATES: Final = np.array(
    [(0, 0, 1.0), (0, 0, 1.2), (-0.15, 0, 1.0), (0.15, 0, 1.0), (0, -0.15, 1.0), (0, 0.15, 1.0)],
    np.float32,
)


def smallest_face(height: int, width: int) -> int:
    """Side of the smallest face searched for by default: a twelfth of the short side, >= 20 px."""
    return max(_SMALLEST_FACE, min(height, width) // _LARGEST_RATIO)


class Mtcnn:
    """Finds faces with three networks: proposals in a pyramid, refinement, output with landmarks.

    min_face_pixels: smallest face searched for; None: ``smallest_face`` of the picture. Time falls
        with its square. From 128 up, the picture is first reduced by a whole factor so that the
        smallest face keeps 64 pixels (the last network reads 48).
    thresholds: lowest probability of a face that each of the three networks passes on.
    repair_border: measure faces at the border again (see above); False gives the results of
        facenet-pytorch.
    device, threads: see ``Session``.
    """

    def __init__(
        self,
        *,
        min_face_pixels: int | None = None,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        repair_border: bool = True,
        device: Device = "cpu",
        threads: int | None = None,
    ) -> None:
        require(
            min_face_pixels is None or min_face_pixels >= _CELL,
            f"min_face_pixels must be {_CELL} or more, got {min_face_pixels}",
        )
        self.min_face_pixels = min_face_pixels
        self.thresholds = thresholds
        self.repair_border = repair_border
        self._propose, self._refine, self._output = (
            Session(shipped_model(MODELS, name), device=device, threads=threads)
            for name in NETWORKS
        )

    def __call__(self, image: UInt8Array) -> list[Face]:
        """Find all faces, the most prominent (size times confidence) first.

        image: (H, W, 3) uint8 RGB. Boxes may reach beyond the picture.
        """
        check_picture(image)
        smallest = self.min_face_pixels or smallest_face(*image.shape[:2])
        reduction = max(1, smallest // _REDUCED_FACE)
        sums = IntegralImage(_reduced(image, reduction))
        boxes = self._search(sums, smallest / reduction)
        ((boxes, scores, offsets),) = self._narrow([(sums, boxes)])
        kept = suppress(boxes, scores, 0.7)
        boxes = _square(_shift(boxes[kept], offsets[kept]))
        ((boxes, scores, points),) = self._conclude([(sums, boxes)])
        # reversed: scores often tie at 1.0, and facenet-pytorch prefers the last of equals here
        boxes, scores, points = boxes[::-1], scores[::-1], points[::-1]
        kept = suppress(boxes, scores, 0.7, measure="smaller", pixel=1)
        found = (_face(boxes[i], points[i], scores[i], reduction) for i in kept)
        faces = [face for face in found if face]
        if self.repair_border:
            faces = [self._repaired(image, face) for face in faces]
        return sorted(faces, key=prominence, reverse=True)

    def refine(self, image: UInt8Array, boxes: Boxes) -> list[Face | None]:
        """Find each face again near its earlier box, without a search; None where it is lost.

        The last two networks read the earlier box itself. Where they are not sure, or the face has
        moved, the refinement network reads crops at and around the box, and the output network the
        best of them: a face may have moved by about a third of its size.

        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4), left, top, right, bottom in pixels, as found shortly before.
        Raises InvalidInputError for boxes of another shape.
        """
        check_picture(image)
        require(boxes.ndim == 2 and boxes.shape[1] == 4, f"boxes must be (N, 4), got {boxes.shape}")
        boxes = np.asarray(boxes, np.float32)
        found = self._in_place(image, boxes)
        left = [index for index, face in enumerate(found) if face is None]
        places = ((index, _surroundings(image, boxes[index])) for index in left)
        near = {index: place for index, place in places if place is not None}
        # all faces go through each network together
        narrowed = self._narrow([(place.sums, place.candidates) for place in near.values()])
        best = {}
        for index, (candidates, scores, offsets) in zip(near, narrowed, strict=True):
            if len(candidates):
                top = np.argmax(scores, keepdims=True)
                best[index] = _square(_shift(candidates[top], offsets[top]))
        concluded = self._conclude([(near[index].sums, box) for index, box in best.items()])
        for index, (box, scores, points) in zip(best, concluded, strict=True):
            if len(box):
                shift, reduction = near[index].shift, near[index].reduction
                found[index] = _face(
                    box[0] + np.tile(shift, 2), points[0] + shift, scores[0], reduction
                )
        return found

    def _in_place(self, image: UInt8Array, boxes: Float32Array) -> list[Face | None]:
        """The faces that are surely where they were; None for the others."""
        found: list[Face | None] = [None] * len(boxes)
        squares = _square(boxes)
        left, crops = _crops_in(image, squares, np.arange(len(boxes)), 24)
        if not len(left):
            return found
        _, offsets = self._refine.run(crops)
        squares[left] = _square(_shift(squares[left], offsets))
        left, crops = _crops_in(image, squares, left, 48)
        if not len(left):
            return found
        for index, face, offset, shares in zip(left, *self._output.run(crops), strict=True):
            square = squares[index]
            side = square[2:] - square[:2] + 1
            box = square + offset * np.tile(side, 2)
            same = overlap(box[None], boxes[index][None])[0, 0]
            if face[0] > _SURE and same > _LITTLE:
                points = side * shares.reshape(2, 5).T + square[:2] - 1
                found[index] = Face(box, points, float(face[0]))
        return found

    def _repaired(self, image: UInt8Array, face: Face) -> Face:
        """The face, its landmarks measured again if its crop reached beyond the picture."""
        height, width = image.shape[:2]
        around = _square(face.box[None])[0]
        if (around[:2] >= 0).all() and around[2] <= width and around[3] <= height:
            return face
        (again,) = self.refine(image, face.box[None])
        return face if again is None else Face(face.box, again.landmarks, face.confidence)

    def _search(self, sums: IntegralImage, smallest: float) -> Float32Array:
        """Scan the pyramid with the P-Net: square boxes (N, 4) that may hold a face."""
        found = [np.empty((0, 9), np.float32)]
        scale = _CELL / smallest
        side = min(sums.height, sums.width) * scale
        while side >= _CELL:
            level = sums.resize(int(sums.height * scale + 1), int(sums.width * scale + 1))
            face, offsets = self._propose.run(level)
            proposals = _proposals(face[0, 0], offsets[0], scale, self.thresholds[0])
            found.append(proposals[suppress(proposals[:, :4], proposals[:, 4], 0.5)])
            scale, side = scale * _PYRAMID_FACTOR, side * _PYRAMID_FACTOR
        every = np.concatenate(found)
        every = every[suppress(every[:, :4], every[:, 4], 0.7)]
        boxes, offsets = every[:, :4], every[:, 5:]
        size = boxes[:, 2:] - boxes[:, :2]
        return _square(boxes + offsets * np.tile(size, 2))

    def _narrow(self, regions: Sequence[tuple[IntegralImage, Float32Array]]) -> list[_Passed]:
        """Run the R-Net on regions of the picture, each with square boxes (N, 4).

        Returns for each region the boxes that pass (M, 4), scores (M,) and offsets (M, 4).
        """
        narrowed = []
        for boxes, face, offsets in run_on_crops(self._refine, regions, 24):
            passed = face[:, 0] > self.thresholds[1]
            narrowed.append((boxes[passed], face[passed, 0], offsets[passed]))
        return narrowed

    def _conclude(self, regions: Sequence[tuple[IntegralImage, Float32Array]]) -> list[_Passed]:
        """Run the O-Net on square boxes, as ``_narrow`` runs the R-Net.

        Returns for each region the final boxes (M, 4), scores (M,) and points (M, 5, 2).
        """
        concluded = []
        for boxes, face, offsets, landmarks in run_on_crops(self._output, regions, 48):
            passed = face[:, 0] > self.thresholds[2]
            kept = boxes[passed]
            fractions = landmarks[passed].reshape(-1, 2, 5).transpose(0, 2, 1)
            size = kept[:, 2:] - kept[:, :2] + 1
            points = size[:, None] * fractions + kept[:, None, :2] - 1
            concluded.append((_shift(kept, offsets[passed]), face[passed, 0], points))
        return concluded


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Where to search for a face again.

    sums: of the region around it; shift: (2,) corner of the region in the picture.
    candidates: (6, 4) square boxes in the region.
    reduction: whole factor by which all three are smaller than in the picture.
    """

    sums: IntegralImage
    shift: Float32Array
    candidates: Float32Array
    reduction: int


def _surroundings(image: UInt8Array, box: Float32Array) -> _Surroundings | None:
    """The surroundings of an earlier box (4,); None if it is outside the picture or too large."""
    height, width = image.shape[:2]
    seen = np.minimum(box[2:], (width, height)) - np.maximum(box[:2], 0)
    if not (seen > 0).all() or (box[2:] - box[:2]).max() > 4 * max(height, width):
        return None
    around = _square(box[None])
    side = around[:, 2:3] - around[:, :1]
    middle = (around[:, :2] + around[:, 2:]) / 2 + _CANDIDATES[:, :2] * side
    half = side * _CANDIDATES[:, 2:] / 2
    candidates = np.concatenate([middle - half, middle + half], axis=1)
    margin = side[0, 0] / 2  # for boxes that refinement moves and squares
    start = np.floor(candidates[:, :2].min(axis=0) - margin).astype(np.intp)
    stop = np.ceil(candidates[:, 2:].max(axis=0) + margin).astype(np.intp)
    reduction = max(1, int(side[0, 0]) // _REDUCED_FACE)
    region = padded_crop(image, start, stop + (start - stop) % reduction)
    shift = start.astype(np.float32) / reduction
    candidates = candidates / reduction - np.tile(shift, 2)
    sums = IntegralImage(_reduced(region, reduction))
    return _Surroundings(sums, shift, candidates, reduction)


def _crops_in(
    image: UInt8Array, squares: Float32Array, chosen: NDArray[np.intp], side: int
) -> tuple[NDArray[np.intp], Float32Array]:
    """Crops (M, 3, side, side) of the chosen squares that lie in the picture, and which these are.

    They are measured by Pillow, which for few crops is faster than sums of the whole region, and
    differ from the search's by rounding at their pixels' edges.
    """
    height, width = image.shape[:2]
    kept, crops = [], []
    for index in chosen.tolist():
        left, top, right, bottom = np.trunc(squares[index]).astype(int).tolist()
        left, top = left - 1, top - 1  # as in run_on_crops
        if left < 0 or top < 0 or right > width or bottom > height or right - left < _CELL:
            continue
        part = Image.fromarray(image[top:bottom, left:right])
        small = part.resize((side, side), Image.Resampling.BOX, reducing_gap=2.0)
        kept.append(index)
        crops.append(np.asarray(small, np.float32).transpose(2, 0, 1))
    stacked = np.stack(crops) if crops else np.zeros((0, 3, side, side), np.float32)
    return np.array(kept, np.intp), stacked


def _reduced(image: UInt8Array, factor: int) -> UInt8Array:
    """The means of square blocks of ``factor`` pixels a side."""
    return np.asarray(Image.fromarray(image).reduce(factor)) if factor > 1 else image


def _proposals(
    face: Float32Array, offsets: Float32Array, scale: float, threshold: float
) -> Float32Array:
    """The cells of one level that may hold a face, as (N, 9): box, score, four offsets.

    face: (h, w) probabilities; offsets: (4, h, w), in sides of the box.
    """
    rows, columns = np.nonzero(face >= threshold)
    corner = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE
    start = np.floor((corner + 1) / np.float32(scale))
    stop = np.floor((corner + _CELL) / np.float32(scale))
    score = face[rows, columns, None]
    return np.concatenate([start, stop, score, offsets[:, rows, columns].T], axis=1)


def _shift(boxes: Float32Array, offsets: Float32Array) -> Float32Array:
    """Move the edges of boxes (N, 4) by offsets (N, 4) in sides of the box."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _square(boxes: Float32Array) -> Float32Array:
    """The squares (N, 4) around the centres of boxes (N, 4), as large as their longer sides."""
    size = boxes[:, 2:] - boxes[:, :2]
    longer = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([corner, corner + longer], axis=1)


def _face(box: Float32Array, points: Float32Array, score: float, reduction: int) -> Face | None:
    """A Face in pixels of the full picture; None if the networks turned its box inside out."""
    if not (box[2:] > box[:2]).all():
        return None
    scale = np.float32(reduction)
    return Face(box * scale, points * scale, float(score))
