"""Each frame by itself: the paper's VGG-16 on AffectNet, whose frames vote."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import check_classes, check_temperature, softmax, tempered
from facevoice.branches.face_input import FaceInput
from facevoice.errors import BundleError
from facevoice.faces.sample import Box
from facevoice.session import Session
from facevoice.types import Evidence, Float64Array, Modality, Scores, UInt8Array

Pooling = Literal["votes", "mean"]


class FaceVote:
    """A static network looks at each face; the clip's scores pool what it sees.

    pooling "votes": each frame votes for its arg-max, the clip's scores are the normalised
    frequencies (the paper, face stream, VGG-AffectNet). "mean": the mean of the frames' softmax.

    session: (N, C, H, W) float32 -> logits (N, K).
    mirror: average the softmax of a face and of its mirror image.
    """

    modality: Modality | None = "face"

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...],
        session: Session,
        face_input: FaceInput,
        *,
        pooling: Pooling = "votes",
        mirror: bool = False,
        temperature: float = 1.0,
    ) -> None:
        if pooling not in {"votes", "mean"}:
            raise BundleError(f"branch {name!r}: pooling must be votes or mean, got {pooling!r}")
        check_temperature(name, temperature)
        self.name = name
        self.labels = labels
        self.temperature = temperature
        self._session = session
        self._input = face_input
        self._pooling = pooling
        self._mirror = mirror

    @property
    def crop(self) -> Box:
        """What it cuts out of an aligned picture."""
        return self._input.crop

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's faces; None without faces."""
        if evidence.faces is None:
            return None
        return self.of_looks(self.look(self._input.select(evidence.faces).images))

    def frame_scores(self, evidence: Evidence) -> tuple[Float64Array, Float64Array] | None:
        """Times (T,) and calibrated scores (T, K) of the selected faces; None without faces."""
        if evidence.faces is None:
            return None
        track = self._input.select(evidence.faces)
        return track.times_seconds, self.frames_of_looks(self.look(track.images))

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Evenly spaced faces; see PerFaceBranch."""
        return self._input.indices(count)

    def of_looks(self, looks: Float64Array) -> Scores:
        """Pool the selected ones of distributions (T, K) that ``look`` gave; see PerFaceBranch."""
        each = looks
        if self._pooling == "mean":
            return Scores(self.labels, tempered(each, self.temperature).mean(axis=0))
        votes = np.bincount(each.argmax(axis=1), minlength=len(self.labels))
        return Scores(self.labels, tempered(votes / len(each), self.temperature))

    def frames_of_looks(self, looks: Float64Array) -> Float64Array:
        """Calibrated scores (T, K) of each face."""
        # votes count arg-maxes, which no temperature moves: there it belongs to the frequencies
        return tempered(looks, self.temperature if self._pooling == "mean" else 1.0)

    def look(self, images: UInt8Array) -> Float64Array:
        """The network's distribution for each face: (N, 256, 256, 3) uint8 RGB -> (N, K)."""
        pictures = self._input.pictures_of(images)
        if self._mirror:
            pictures = np.concatenate([pictures, pictures[..., ::-1]])
        (logits,) = self._session.run(np.ascontiguousarray(pictures))
        check_classes(self.name, logits.shape[1], self.labels)
        each = softmax(logits)
        if self._mirror:
            each = (each[: len(images)] + each[len(images) :]) / 2
        return each

    def __repr__(self) -> str:
        return f"FaceVote({self.name}: {self._pooling} of {self._input.frames} faces)"
