"""Faces over time: a CNN for each frame, then a two-layer BLSTM (the paper, steps 3-4)."""

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import check_classes, check_temperature, softmax, tempered
from facevoice.branches.face_input import FaceInput
from facevoice.faces.sample import Box
from facevoice.session import Session
from facevoice.types import Evidence, Float64Array, Modality, Scores, UInt8Array


class FaceSequence:
    """The paper's VGG-Face, ResNet-18 and DenseNet-121 branches.

    cnn: (N, C, H, W) float32 -> features (N, D).
    blstm: (1, T, D) float32 -> logits (1, K); any T from 1 up.
    """

    modality: Modality | None = "face"

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...],
        cnn: Session,
        blstm: Session,
        face_input: FaceInput,
        *,
        temperature: float = 1.0,
    ) -> None:
        check_temperature(name, temperature)
        self.name = name
        self.labels = labels
        self.temperature = temperature
        self._cnn = cnn
        self._blstm = blstm
        self._input = face_input

    @property
    def crop(self) -> Box:
        """What it cuts out of an aligned picture."""
        return self._input.crop

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's faces as a sequence; None without faces."""
        if evidence.faces is None:
            return None
        return self.of_looks(self.look(self._input.select(evidence.faces).images))

    def look(self, images: UInt8Array) -> Float64Array:
        """The CNN's features of each face: (N, 256, 256, 3) uint8 RGB -> (N, D)."""
        (features,) = self._cnn.run(self._input.pictures_of(images))
        return features.astype(np.float64)

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Evenly spaced faces; see PerFaceBranch."""
        return self._input.indices(count)

    def of_looks(self, looks: Float64Array) -> Scores:
        """Score features (T, D) that ``look`` gave as a sequence; see PerFaceBranch."""
        chosen = looks.astype(np.float32)
        (logits,) = self._blstm.run(chosen[None])
        check_classes(self.name, logits.shape[1], self.labels)
        return Scores(self.labels, tempered(softmax(logits[0]), self.temperature))

    def frames_of_looks(self, looks: Float64Array) -> None:  # noqa: ARG002
        """None: it takes a sequence."""
        return

    def __repr__(self) -> str:
        return f"FaceSequence({self.name}: {self._input.frames} faces)"
