"""Follow faces through time, causally: who is who, and where to look next.

An extractor feeds ``FaceFollower.step`` with frames (about five a second) in the order of time and
gathers what it returns; ``main_track`` then names the main person.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.faces.detect import (
    Detector,
    RefiningDetector,
    overlap,
    prominence,
    stack_boxes,
)
from facevoice.types import Face, Float32Array, Frame, UInt8Array

_SLACK_SECONDS: Final = 1e-6  # times are multiples of a frame's duration, rounded
_SAME_FACE: Final = 0.5
_CALM_DETECTIONS: Final = 2  # after the first one, which has nobody to compare with
_HISTOGRAM_SIDE: Final = 64
_LEVELS: Final = 4


@dataclass(slots=True)
class _Track:
    number: int
    box: Float32Array
    seen_seconds: float


class FaceTracker:
    """Gives each face a number that stays with the person while the boxes overlap over time.

    Pairs are formed greedily, the greatest overlap first. Numbers count from 0 in the order of
    first sight and are never used again; ended tracks are forgotten, so memory stays bounded.

    least_overlap: intersection over union that two sightings of one person share.
    patience_seconds: how long a person may be out of sight and keep the number.
    """

    def __init__(self, *, least_overlap: float = 0.2, patience_seconds: float = 1.0) -> None:
        self.least_overlap = least_overlap
        self.patience_seconds = patience_seconds
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._now = -np.inf

    def update(self, time_seconds: float, faces: list[Face]) -> list[int]:
        """Number the faces of one instant.

        time_seconds: not before that of the last call (InvalidInputError).
        Returns one number for each face, all different.
        """
        if time_seconds < self._now:
            raise InvalidInputError(
                f"time must not run back: {time_seconds} s after {self._now} s; start a new tracker"
            )
        self._now = time_seconds
        oldest = time_seconds - self.patience_seconds - _SLACK_SECONDS
        self._tracks = [track for track in self._tracks if track.seen_seconds >= oldest]
        known = np.array([track.box for track in self._tracks], np.float32).reshape(-1, 4)
        pairs = self._pairs(overlap(known, stack_boxes(faces)))
        return [self._sight(pairs.get(index), face) for index, face in enumerate(faces)]

    def forget(self) -> None:
        """End all tracks, as a cut in the film does; numbers go on counting."""
        self._tracks = []

    def _pairs(self, overlaps: Float32Array) -> dict[int, _Track]:
        """Tracks by index of the face; overlaps: (tracks, faces)."""
        pairs: dict[int, _Track] = {}
        taken = set()
        for flat in np.argsort(-overlaps, axis=None, kind="stable"):
            row, column = divmod(int(flat), overlaps.shape[1])
            if overlaps[row, column] < self.least_overlap:
                break
            if row not in taken and column not in pairs:
                taken.add(row)
                pairs[column] = self._tracks[row]
        return pairs

    def _sight(self, track: _Track | None, face: Face) -> int:
        if track is None:
            track = _Track(self._next_number, face.box, self._now)
            self._next_number += 1
            self._tracks.append(track)
        track.box, track.seen_seconds = face.box, self._now
        return track.number


class FaceFinder:
    """Finds the faces of a film's frames at little cost, without saying who is who.

    A full detection runs at the first frame, then every ``detect_every_seconds`` (while no face is
    followed: every ``search_every_seconds``), when it is asked for, and when a followed face is
    lost or two become one; in between the faces are only refined where they were, if the detector
    can. Uses the past only.

    detector: any Detector; one without ``refine`` runs in full at every frame.
    calm_seconds: replaces ``detect_every_seconds`` once two full detections in a row have found
        those who were followed and nobody else, until one does not; None: never.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        detect_every_seconds: float = 1.0,
        search_every_seconds: float = 0.4,
        calm_seconds: float | None = None,
    ) -> None:
        self.detector = detector
        self.detect_every_seconds = detect_every_seconds
        self.search_every_seconds = search_every_seconds
        self.calm_seconds = calm_seconds
        self.detections = 0
        self._calm_detections = 0
        self._followed: list[Face] = []
        self._detected_seconds = -np.inf

    def find(self, image: UInt8Array, time_seconds: float, *, afresh: bool) -> list[Face]:
        """The faces of the next frame; afresh: search it in full, as after a cut.

        image: (H, W, 3) uint8 RGB.
        """
        faces = None if afresh or self._is_due(time_seconds) else self._refined(image)
        if faces is None:
            faces = self.detector(image)
            self._calm_detections = self._calm_detections + 1 if self._expected(faces) else 0
            self.detections += 1
            self._detected_seconds = time_seconds
        self._followed = faces
        return faces

    def _is_due(self, time_seconds: float) -> bool:
        spacing = self.detect_every_seconds if self._followed else self.search_every_seconds
        if self.calm_seconds is not None and self._calm_detections >= _CALM_DETECTIONS:
            spacing = self.calm_seconds
        return time_seconds - self._detected_seconds >= spacing - _SLACK_SECONDS

    def _expected(self, faces: list[Face]) -> bool:
        """Whether a detection found those who were followed, at least one, and nobody else."""
        same = overlap(stack_boxes(self._followed), stack_boxes(faces)) > _SAME_FACE
        return 0 < len(self._followed) == len(faces) == int(same.any(axis=0).sum())

    def _refined(self, image: UInt8Array) -> list[Face] | None:
        """The followed faces in this picture; None if it must be searched in full."""
        if not self._followed:
            return []
        if not isinstance(self.detector, RefiningDetector):
            return None
        boxes = stack_boxes(self._followed)
        faces = [face for face in self.detector.refine(image, boxes) if face is not None]
        if len(faces) < len(boxes):
            return None
        together = overlap(stack_boxes(faces), stack_boxes(faces)) > _SAME_FACE
        return faces if together.sum() == len(faces) else None


class FaceFollower:
    """Finds and numbers the faces of a film's frames at little cost: FaceFinder and FaceTracker.

    At a cut the picture is searched in full and all tracks end: the next face at the same place is
    another person. Uses the past only.

    detector, detect_every_seconds, search_every_seconds: see FaceFinder.
    patience_seconds, least_overlap: see FaceTracker.
    cut_difference: share of the picture (0 to 1) whose colours must change between two steps for a
        cut; see ``colour_change``.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        detect_every_seconds: float = 1.0,
        search_every_seconds: float = 0.4,
        patience_seconds: float = 1.0,
        least_overlap: float = 0.2,
        cut_difference: float = 0.5,
    ) -> None:
        self.cut_difference = cut_difference
        self._finder = FaceFinder(
            detector,
            detect_every_seconds=detect_every_seconds,
            search_every_seconds=search_every_seconds,
        )
        self._tracker = FaceTracker(least_overlap=least_overlap, patience_seconds=patience_seconds)
        self._colours: NDArray[np.float64] | None = None

    @property
    def detections(self) -> int:
        """How many frames were searched in full."""
        return self._finder.detections

    def step(self, frame: Frame) -> list[tuple[int, Face]]:
        """The faces of the next frame with their persons' numbers, the most prominent first.

        Frames must come in the order of time (InvalidInputError).
        """
        cut = self._is_cut(frame.image)
        if cut:
            self._tracker.forget()
        faces = self._finder.find(frame.image, frame.time_seconds, afresh=cut)
        numbers = self._tracker.update(frame.time_seconds, faces)
        return sorted(
            zip(numbers, faces, strict=True), key=lambda item: prominence(item[1]), reverse=True
        )

    def _is_cut(self, image: UInt8Array) -> bool:
        before, self._colours = self._colours, colour_histogram(image)
        return before is not None and colour_change(before, self._colours) > self.cut_difference


def colour_histogram(image: UInt8Array) -> NDArray[np.float64]:
    """Shares of 64 coarse colours among some 4,000 pixels of a grid; (64,), sum 1."""
    height, width = image.shape[:2]
    steps = max(1, height // _HISTOGRAM_SIDE), max(1, width // _HISTOGRAM_SIDE)
    levels = image[:: steps[0], :: steps[1]].reshape(-1, 3) // (256 // _LEVELS)
    colours = levels @ np.array([_LEVELS**2, _LEVELS, 1])
    return np.bincount(colours, minlength=_LEVELS**3) / len(colours)


def colour_change(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Share of the pixels whose colour has no counterpart in the other picture: 0 to 1.

    Movement leaves the colours of a scene much as they are; a cut seldom does.
    """
    return float(np.abs(first - second).sum() / 2)


def main_track(seen: Iterable[tuple[int, Face]]) -> int | None:
    """The number of the main person: the greatest sum of prominence over all instants.

    Prominence is the size (square root of the box's area) times confidence, so who is large, clear
    and long in sight wins. Of equals the earlier number wins. None if no face was seen.

    seen: (number, face) pairs of all sampled instants, evenly spaced in time.
    """
    totals: defaultdict[int, float] = defaultdict(float)
    for number, face in seen:
        totals[number] += prominence(face)
    return min(totals, key=lambda number: (-totals[number], number), default=None)
