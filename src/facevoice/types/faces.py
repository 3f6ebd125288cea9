"""A detected face, and one person's aligned faces over time."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.types.checks import (
    Float32Array,
    Float64Array,
    UInt8Array,
    freeze_array,
    require,
    set_field,
)
from facevoice.types.values import Value

PictureSize = tuple[int, int]
"""Width and height in pixels of an upright picture."""

_UNKNOWN_LANDMARKS: Final = np.zeros((0, 5, 2), np.float32)

ALIGNED_SIZE: Final = 256
"""Side of an aligned face picture in pixels (the paper, face stream, step 1)."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Face(Value):
    """One detected face.

    box: (4,) float32, left, top, right, bottom in pixels; may reach beyond the picture.
    landmarks: (5, 2) float32, x and y in pixels: left eye, right eye, nose, left and right mouth
        corner, where left is the viewer's left.
    confidence: 0 to 1.
    picture: width and height in pixels of the picture that box and landmarks refer to; None if
        that is unknown.
    """

    box: Float32Array
    landmarks: Float32Array
    confidence: float
    picture: PictureSize | None = None

    def __post_init__(self) -> None:
        for name, shape in (("box", (4,)), ("landmarks", (5, 2))):
            set_field(self, name, np.asarray(getattr(self, name), np.float32))
            freeze_array(self, name, shape, f"{shape}")
        ordered = (self.box[2:] > self.box[:2]).all()
        require(ordered, f"Face.box must be left, top, right, bottom, got {self.box.tolist()}")

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    def on(self, picture: PictureSize | None) -> "Face":
        """The same face where it lies in a picture of another width and height.

        Pictures of two sizes in one film show the same scene.
        """
        if picture is None or self.picture is None or picture == self.picture:
            return self
        factor = np.array(picture, np.float32) / np.array(self.picture, np.float32)
        box = np.asarray(self.box * np.tile(factor, 2), np.float32)
        landmarks = np.asarray(self.landmarks * factor, np.float32)
        return Face(box, landmarks, self.confidence, picture)

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return f"Face(box=({box}), confidence={self.confidence:.3f})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FaceTrack(Value):
    """One person's aligned faces over time, at the sampled instants where the face was visible.

    images: (T, 256, 256, 3) uint8 RGB, aligned by five landmarks; T >= 1.
    times_seconds: (T,) float64, strictly increasing.
    boxes: (T, 4) float32, left, top, right, bottom in pixels of the upright picture.
    quality: (T,) float32, the detector's confidence, 0 to 1.
    landmarks: (T, 5, 2) float32, x and y in pixels of the upright picture, in the order of
        ``Face.landmarks``; NaN where they are unknown.
    track_id: identifies the person; unique within one file.
    seconds: how long the face was visible (sampled instants times their spacing).
    picture: width and height in pixels of the picture that boxes and landmarks refer to; None if
        that is unknown.
    """

    images: UInt8Array
    times_seconds: Float64Array
    boxes: Float32Array
    quality: Float32Array
    landmarks: Float32Array = field(default_factory=lambda: _UNKNOWN_LANDMARKS)
    track_id: int = 0
    seconds: float = 0.0
    picture: PictureSize | None = None

    def __post_init__(self) -> None:
        side = ALIGNED_SIZE
        wanted = f"(T, {side}, {side}, 3) uint8 RGB"
        freeze_array(self, "images", (None, side, side, 3), wanted, np.uint8)
        count = len(self.images)
        require(count >= 1, "FaceTrack.images must hold at least one picture")
        if self.landmarks is _UNKNOWN_LANDMARKS:
            set_field(self, "landmarks", np.full((count, 5, 2), np.nan, np.float32))
        for name, each in (
            ("times_seconds", ()),
            ("boxes", (4,)),
            ("quality", ()),
            ("landmarks", (5, 2)),
        ):
            shape = (count, *each)
            freeze_array(self, name, shape, f"{shape} to match the images")
        increasing = (np.diff(self.times_seconds) > 0).all()
        require(increasing, "FaceTrack.times_seconds must increase strictly")

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def median_box(self) -> tuple[float, float, float, float]:
        """Median of left, top, right and bottom over time, in pixels of the upright picture."""
        left, top, right, bottom = (float(value) for value in np.median(self.boxes, axis=0))
        return left, top, right, bottom

    @property
    def different(self) -> int:
        """How many pictures there are, if those that equal the one before do not count."""
        return 1 + sum(not np.array_equal(*two) for two in pairwise(self.images))

    def take(self, indices: NDArray[np.intp]) -> "FaceTrack":
        """The same person at selected instants; indices: (M,), increasing."""
        return replace(
            self,
            images=self.images[indices],
            times_seconds=self.times_seconds[indices],
            boxes=self.boxes[indices],
            quality=self.quality[indices],
            landmarks=self.landmarks[indices],
        )

    @classmethod
    def of_images(cls, images: UInt8Array) -> "FaceTrack":
        """A track of face pictures that are already aligned: (T, 256, 256, 3) uint8 RGB.

        Times are the indices, boxes cover the picture, quality is 1, landmarks are unknown.
        """
        count = images.shape[0]
        whole = np.array([0, 0, ALIGNED_SIZE, ALIGNED_SIZE], np.float32)
        return cls(
            images=images,
            times_seconds=np.arange(count, dtype=np.float64),
            boxes=np.tile(whole, (count, 1)),
            quality=np.ones(count, np.float32),
            seconds=float(count),
            picture=(ALIGNED_SIZE, ALIGNED_SIZE),
        )

    def __repr__(self) -> str:
        first, last = self.times_seconds[0], self.times_seconds[-1]
        return f"FaceTrack(#{self.track_id}, {len(self)} faces, {first:.3f}-{last:.3f} s)"
