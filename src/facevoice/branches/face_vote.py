"""Each frame on its own: the paper's VGG-16 on AffectNet, whose frames vote."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import Context, Leaf, Node, face_shares, score_faces, softmax, tempered
from facevoice.branches.face_input import FaceInput, run_pictures
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Scores, UInt8Array

Pooling = Literal["votes", "mean"]


@dataclass(frozen=True, repr=False, eq=False)
class FaceVote(Leaf):
    """A static network scores each face; these scores are pooled into those of the clip.

    pooling "votes": each frame votes for its arg-max, the clip's scores are the normalised
    frequencies (the paper, face stream, VGG-AffectNet). "mean": the mean of the frames' softmax.
    In both, a face counts by its quality, so that a poor one decides nothing.

    session: (N, C, H, W) float32 -> logits (N, K).
    mirror: average the softmax of a face and of its mirror image.
    """

    modality: ClassVar[Modality | None] = "face"
    session: Session
    face_input: FaceInput
    pooling: Pooling = field(default="votes", kw_only=True)
    mirror: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        if self.pooling not in {"votes", "mean"}:
            raise BundleError(
                f"branch {self.name!r}: pooling must be votes or mean, got {self.pooling!r}"
            )

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "FaceVote":
        """Read a node of kind ``face_vote``."""
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            face_input=FaceInput.from_dict(node["input"]),
            pooling=node["pooling"],
            mirror=bool(node["mirror"]),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's faces; None without faces."""
        return score_faces(self, evidence)

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Evenly spaced faces; see PerFaceBranch."""
        return self.face_input.indices(count)

    def look(self, images: UInt8Array) -> Float64Array:
        """The network's distribution for each face: (N, 256, 256, 3) uint8 RGB -> (N, K)."""
        pictures = self.face_input.pictures(images)
        if self.mirror:
            pictures = np.concatenate([pictures, pictures[..., ::-1]])
        logits = run_pictures(self.session, np.ascontiguousarray(pictures))
        self.check_outputs(logits.shape[1])
        each = softmax(logits)
        return (each[: len(images)] + each[len(images) :]) / 2 if self.mirror else each

    def of_looks(self, looks: Float64Array, quality: Float32Array) -> Scores:
        """Pool the distributions (M, K) of the chosen faces; see PerFaceBranch."""
        shares = face_shares(quality)
        if self.pooling == "mean":
            return Scores(self.labels, shares @ tempered(looks, self.temperature))
        votes = shares @ np.eye(len(self.labels))[looks.argmax(axis=1)]
        return Scores(self.labels, tempered(votes, self.temperature))

    def frames_of_looks(self, looks: Float64Array) -> Float64Array:
        """Calibrated scores (T, K) of each face."""
        # no temperature changes an arg-max: with votes it applies to the frequencies
        return tempered(looks, self.temperature if self.pooling == "mean" else 1.0)

    def __repr__(self) -> str:
        return f"FaceVote({self.name}: {self.pooling} of {self.face_input.frames} faces)"
