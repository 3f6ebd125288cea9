"""Finds faces in the pictures of a film at low cost; ``evidence`` determines their identity."""

from dataclasses import replace
from typing import Final

import numpy as np

from facevoice.faces.detect import Detector, RefiningDetector, overlap, stack_boxes
from facevoice.types import Face, UInt8Array

_SLACK_SECONDS: Final = 1e-6  # times are rounded multiples of the duration of a frame
_SAME_FACE: Final = 0.5
_CALM_DETECTIONS: Final = 2  # after the first one, which has no face to compare with


class FaceFinder:
    """Finds the faces in the frames of a film at low cost, without identifying them.

    A full detection runs on the first frame, then every ``detect_every_seconds`` (while no face is
    followed: every ``search_every_seconds``), on request, and when a followed face is lost or two
    faces become one. In between, faces are only refined where they were, if the detector can do
    that. Uses past frames only.

    detector: any Detector; one without ``refine`` runs in full on every frame.
    calm_seconds: replaces ``detect_every_seconds`` once two full detections in a row have found
        exactly the followed faces, until one does not; None: never.
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
        self._searched = False

    def find(self, image: UInt8Array, time_seconds: float, *, afresh: bool) -> list[Face]:
        """The faces in the next frame; afresh: search it in full, as after a cut.

        image: (H, W, 3) uint8 RGB.
        """
        picture = (image.shape[1], image.shape[0])
        self._followed = [face.on(picture) for face in self._followed]
        faces = None if afresh or self._is_due(time_seconds) else self._refined(image)
        self._searched = faces is None
        if faces is None:
            faces = self.detector(image)
            self._calm_detections = self._calm_detections + 1 if self._expected(faces) else 0
            self.detections += 1
            self._detected_seconds = time_seconds
        self._followed = [replace(face, picture=picture) for face in faces]
        return self._followed

    def find_again(self, image: UInt8Array, time_seconds: float) -> list[Face]:
        """The faces in the last frame, which still stands; searched in full once, when due."""
        if self._searched or not self._is_due(time_seconds):
            return self._followed
        return self.find(image, time_seconds, afresh=True)

    def _is_due(self, time_seconds: float) -> bool:
        spacing = self.detect_every_seconds if self._followed else self.search_every_seconds
        if self.calm_seconds is not None and self._calm_detections >= _CALM_DETECTIONS:
            spacing = self.calm_seconds
        return time_seconds - self._detected_seconds >= spacing - _SLACK_SECONDS

    def _expected(self, faces: list[Face]) -> bool:
        """Whether a detection found exactly the followed faces, at least one."""
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
