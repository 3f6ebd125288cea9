"""What a face's mesh shows over time, and the model that scores it."""

from dataclasses import astuple, dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import Context, Leaf, Node, face_shares, score_faces
from facevoice.errors import BundleError
from facevoice.faces.blendshapes import BLENDSHAPES, ExpressionReader
from facevoice.faces.mesh import FaceMesh
from facevoice.faces.sample import evenly_spaced
from facevoice.session import Session
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Scores, UInt8Array

LOOK_COUNT = len(BLENDSHAPES) + 3
"""Blendshapes, then yaw, pitch and roll in degrees."""


@dataclass(frozen=True, repr=False, eq=False)
class FaceMeshMoments(Leaf):
    """Mean and deviation of blendshapes and pose over a clip's faces, scored by a model.

    A face counts by its quality.

    session: features (1, 110) float32 -> probabilities (1, K), its last output; the means of the 52
    blendshapes and of yaw, pitch and roll, then their deviations.
    frames: faces taken from a clip, evenly spaced; all of them where it has fewer.
    """

    modality: ClassVar[Modality | None] = "face"
    session: Session
    expressions: ExpressionReader
    frames: int = field(default=16, kw_only=True)

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        if self.frames < 1:
            raise BundleError(f"branch {self.name!r}: frames must be 1 or more, got {self.frames}")

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "FaceMeshMoments":
        """Read a node of kind ``face_mesh``."""
        mesh, layer = FaceMesh(context.session(node["mesh"])), context.session(node["blendshapes"])
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            expressions=ExpressionReader(mesh, layer),
            frames=int(node["frames"]),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's faces; None without faces."""
        return score_faces(self, evidence)

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Evenly spaced faces; see PerFaceBranch."""
        return evenly_spaced(count, self.frames)

    def look(self, images: UInt8Array) -> Float64Array:
        """Blendshapes and pose of each face: (N, 256, 256, 3) uint8 RGB -> (N, 55)."""
        return looks_of(self.expressions, images)

    def of_looks(self, looks: Float64Array, quality: Float32Array) -> Scores:
        """Score the moments of the looks (M, 55) at the chosen faces; see PerFaceBranch."""
        features = moments(looks, quality).astype(np.float32)
        return self.of_probabilities(self.session.run(features[None])[-1])

    def frames_of_looks(self, _looks: Float64Array) -> None:
        """None: one face has no deviation over time."""

    def __repr__(self) -> str:
        return f"FaceMeshMoments({self.name}: {self.frames} faces)"


def looks_of(expressions: ExpressionReader, images: UInt8Array) -> Float64Array:
    """Blendshapes and pose of aligned faces: (N, 256, 256, 3) uint8 RGB -> (N, 55)."""
    looks = np.empty((len(images), LOOK_COUNT))
    for look, image in zip(looks, images, strict=True):
        found = expressions(image)
        look[:] = *found.blendshapes, *astuple(found.pose)
    return looks


def moments(looks: Float64Array, quality: Float32Array) -> Float64Array:
    """Mean and deviation of looks (T, D) over time, (2 D,); a face counts by its quality (T,)."""
    shares = face_shares(quality)
    mean = shares @ looks
    return np.concatenate([mean, np.sqrt(shares @ (looks - mean) ** 2)])
