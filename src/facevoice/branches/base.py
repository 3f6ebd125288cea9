"""What a branch is, and the arithmetic that all of them share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.faces.sample import Box
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Scores, UInt8Array

WindowScores = tuple[Mapping[Modality, float], Scores | None]
"""What a window holds: seconds of evidence by modality, and a branch's scores of it."""

SMALLEST_SCORE: Final = 1e-12
"""What a score of 0 counts as where a logarithm is taken."""


@runtime_checkable
class Branch(Protocol):
    """Anything that turns a clip's evidence into scores.

    name: its name in the tree; ``Scores.parts`` shows its scores under it.
    labels: what it scores.
    modality: "face" or "voice" for a leaf; None for a blend, which reads what its members read.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def modality(self) -> Modality | None: ...  # noqa: D102

    def score(self, evidence: Evidence) -> Scores | None:
        """Score evidence; None if it lacks this branch's modality."""
        ...


@runtime_checkable
class FrameBranch(Branch, Protocol):
    """A branch that can also say what each face shows by itself."""

    def frame_scores(self, evidence: Evidence) -> tuple[Float64Array, Float64Array] | None:
        """Times (T,) in seconds and a distribution for each (T, K); None without faces."""
        ...


@runtime_checkable
class CroppingBranch(Branch, Protocol):
    """A branch that cuts one box out of every aligned picture."""

    @property
    def crop(self) -> Box:
        """Left, top, right, bottom in the 256x256 picture."""
        ...


@runtime_checkable
class PerFaceBranch(Branch, Protocol):
    """A face branch whose network sees each face alone.

    So a face that several windows share need be looked at once only: ``of_looks(look(images))``
    equals ``score`` of a track of these images.
    """

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Which of a clip's ``count`` faces it reads: (M,), increasing."""
        ...

    def look(self, images: UInt8Array) -> Float64Array:
        """What the network says to each face: (N, 256, 256, 3) uint8 RGB -> (N, D)."""
        ...

    def of_looks(self, looks: Float64Array) -> Scores:
        """The clip's scores of its faces, in the order of time: (T, D), T >= 1."""
        ...

    def frames_of_looks(self, looks: Float64Array) -> Float64Array | None:
        """Each face's own calibrated scores (T, K); None if the branch needs more than one."""
        ...


def softmax(logits: Float32Array) -> Float64Array:
    """Softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    normalised: Float64Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return normalised


def tempered(values: Float64Array, temperature: float) -> Float64Array:
    """Flatten (temperature > 1) or sharpen (< 1) a distribution (Guo et al. 2017).

    values: (..., K), each >= 0 and summing to 1 over the last axis. The order stays as it is.
    """
    if temperature == 1.0:
        return values
    powered = np.maximum(values, SMALLEST_SCORE) ** (1.0 / temperature)
    normalised: Float64Array = powered / powered.sum(axis=-1, keepdims=True)
    return normalised


def check_temperature(name: str, temperature: float) -> None:
    """Raise BundleError unless the temperature is a positive number."""
    if not (np.isfinite(temperature) and temperature > 0):
        raise BundleError(f"branch {name!r}: temperature must be positive, got {temperature}")


def check_classes(name: str, count: int, labels: Sequence[str]) -> None:
    """Raise BundleError if a model's output does not have one value a label."""
    if count != len(labels):
        raise BundleError(
            f"branch {name!r}: the model gives {count} values, the bundle has {len(labels)} labels"
        )


def leaves(branch: Branch) -> Iterator[Branch]:
    """All branches of a tree that are no blends, in order."""
    members: Sequence[Branch] = getattr(branch, "members", ())
    if not members:
        yield branch
    for member in members:
        yield from leaves(member)


def average_leaf(branch: Branch, windows: Sequence[WindowScores]) -> Scores | None:
    """One leaf's scores over several windows, averaged by its modality's seconds of evidence.

    windows: each window's seconds by modality and this leaf's own scores.
    Returns None if no window has the leaf's modality.
    """
    modality = branch.modality
    present = [
        (seconds[modality], scores)
        for seconds, scores in windows
        if modality is not None and scores is not None
    ]
    if not present:
        return None
    weights = np.array([seconds for seconds, _ in present])
    if weights.sum() <= 0:  # a single picture lasts no time
        weights = np.ones(len(present))
    stacked = np.stack([scores.values for _, scores in present])
    return Scores(branch.labels, weights @ stacked / weights.sum())
