"""Faces over time: a CNN for each frame, then a two-layer BLSTM (the paper, steps 3-4)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import Context, Leaf, Node, score_faces, softmax, tempered
from facevoice.branches.face_input import FaceInput, run_pictures
from facevoice.session import Session
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Scores, UInt8Array


@dataclass(frozen=True, repr=False, eq=False)
class FaceSequence(Leaf):
    """The paper's VGG-Face, ResNet-18 and DenseNet-121 branches.

    cnn: (N, C, H, W) float32 -> features (N, D).
    blstm: (1, T, D) float32 -> logits (1, K); any T from 1 up.
    """

    modality: ClassVar[Modality | None] = "face"
    cnn: Session
    blstm: Session
    face_input: FaceInput

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "FaceSequence":
        """Read a node of kind ``face_sequence``."""
        return cls.read(
            node,
            context,
            cnn=context.session(node["cnn"]),
            blstm=context.session(node["blstm"]),
            face_input=FaceInput.from_dict(node["input"]),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's faces as a sequence; None without faces."""
        return score_faces(self, evidence)

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Evenly spaced faces; see PerFaceBranch."""
        return self.face_input.indices(count)

    def look(self, images: UInt8Array) -> Float64Array:
        """The CNN's features of each face: (N, 256, 256, 3) uint8 RGB -> (N, D)."""
        features = run_pictures(self.cnn, self.face_input.pictures(images))
        return features.astype(np.float64)

    def of_looks(self, looks: Float64Array, quality: Float32Array) -> Scores:  # noqa: ARG002
        """Score the features (M, D) of the chosen faces as a sequence; see PerFaceBranch."""
        (logits,) = self.blstm.run(looks.astype(np.float32)[None])
        self.check_outputs(logits.shape[1])
        return Scores(self.labels, tempered(softmax(logits[0]), self.temperature))

    def frames_of_looks(self, looks: Float64Array) -> None:  # noqa: ARG002
        """None: it needs a sequence."""
        return

    def __repr__(self) -> str:
        return f"FaceSequence({self.name}: {self.face_input.frames} faces)"
