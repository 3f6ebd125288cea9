"""Each frame by itself: the paper's VGG-16 on AffectNet, whose frames vote."""

from typing import Literal

import numpy as np

from facevoice.branches.base import check_classes, check_temperature, softmax, tempered
from facevoice.branches.face_input import FaceInput
from facevoice.errors import BundleError
from facevoice.faces.sample import Box
from facevoice.session import Session
from facevoice.types import Evidence, FaceTrack, Float64Array, Modality, Scores

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
        found = self.frame_scores(evidence)
        if found is None:
            return None
        _, each = found
        if self._pooling == "mean":
            values = each.mean(axis=0)
        else:
            votes = np.bincount(each.argmax(axis=1), minlength=len(self.labels))
            values = tempered(votes / len(each), self.temperature)
        return Scores(self.labels, values)

    def frame_scores(self, evidence: Evidence) -> tuple[Float64Array, Float64Array] | None:
        """Times (T,) and calibrated scores (T, K) of the selected faces; None without faces."""
        if evidence.faces is None:
            return None
        track = self._input.select(evidence.faces)
        each = self._distributions(track)
        # votes count arg-maxes, which no temperature moves: there it belongs to the frequencies
        return track.times_seconds, tempered(each, self._frame_temperature)

    @property
    def _frame_temperature(self) -> float:
        return self.temperature if self._pooling == "mean" else 1.0

    def _distributions(self, track: FaceTrack) -> Float64Array:
        pictures = self._input.pictures(track)
        if self._mirror:
            pictures = np.concatenate([pictures, pictures[..., ::-1]])
        (logits,) = self._session.run(np.ascontiguousarray(pictures))
        check_classes(self.name, logits.shape[1], self.labels)
        each = softmax(logits)
        if self._mirror:
            each = (each[: len(track)] + each[len(track) :]) / 2
        return each

    def __repr__(self) -> str:
        return f"FaceVote({self.name}: {self._pooling} of {self._input.frames} faces)"
