"""What a branch is, what the kinds share, and the arithmetic of distributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError, LabelMismatchError
from facevoice.session import Session
from facevoice.types import (
    Evidence,
    Float32Array,
    Float64Array,
    Modality,
    Scores,
    UInt8Array,
    Waveform,
)
from facevoice.types.checks import set_field

Node = Mapping[str, Any]
"""A node of the tree in bundle.json."""

SMALLEST_SCORE: Final = 1e-12
"""The floor of a score before its logarithm is taken."""


@runtime_checkable
class Branch(Protocol):
    """Anything that turns a clip's evidence into scores.

    name: its name in the tree; ``Scores.parts`` shows its scores under it.
    labels: what it scores.
    modality: "face" or "voice"; None for a branch that reads both, such as a fusion of branches.
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
class PerFaceBranch(Branch, Protocol):
    """A face branch whose network sees each face on its own.

    It is optional and saves time where windows overlap: a face that several share is evaluated
    once. ``score`` of T faces equals ``of_looks(look(images[chosen]), quality[chosen])`` exactly,
    where ``chosen = branch.chosen(T)``.
    """

    def chosen(self, count: int) -> NDArray[np.intp]:
        """Which of a clip's ``count`` faces it reads: (M,), increasing."""
        ...

    def look(self, images: UInt8Array) -> Float64Array:
        """What the network finds in each face: (N, 256, 256, 3) uint8 RGB -> (N, D)."""
        ...

    def of_looks(self, looks: Float64Array, quality: Float32Array) -> Scores:
        """The clip's scores, from the looks (M, D) at its chosen faces in order of time.

        quality: (M,) of these faces, see ``FaceTrack``; a branch that pools faces weighs them by it
            (``face_shares``).
        """
        ...

    def frames_of_looks(self, looks: Float64Array) -> Float64Array | None:
        """Each face's own calibrated scores (T, K); None if the branch needs a sequence."""
        ...


@runtime_checkable
class PiecewiseBranch(Branch, Protocol):
    """A voice branch whose network reads speech before it pools over time.

    It is optional and saves time where windows overlap: speech that several share is read once.
    ``score`` of speech equals ``of_heard(hear(speech, 0))`` exactly.
    """

    @property
    def in_pieces(self) -> bool:
        """Whether its scores hold as well where the network has read the speech in pieces."""
        ...

    def hear(self, speech: Waveform, first: int) -> Sequence[Float32Array]:
        """What the network finds from a sample on: for each layer (steps, D), evenly spaced.

        The level and the like are those of the whole speech.
        """
        ...

    def of_heard(self, states: Sequence[Float32Array]) -> Scores:
        """The clip's scores, from each layer's states in all its pieces, in order of time."""
        ...


class Context(Protocol):
    """What a branch is built from besides its own node: the bundle around it."""

    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102

    def session(self, file: str) -> Session:
        """The model in a file of the bundle."""
        ...

    def branch(self, node: Node) -> Branch:
        """The branch that a node describes, such as a member of a fusion."""
        ...


@dataclass(frozen=True, repr=False, eq=False)
class Leaf:
    """The fields that all kinds with a model of their own share.

    name: in the tree. labels: one for each output of the model.
    temperature: > 0; divides the logits (Guo et al. 2017).

    Raises BundleError if the temperature is not positive.
    """

    name: str
    labels: tuple[str, ...]
    temperature: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise BundleError(
                f"branch {self.name!r}: temperature must be positive, got {self.temperature}"
            )

    @classmethod
    def read(cls, node: Node, context: Context, **fields: Any) -> Self:
        """Build a kind from a node: the shared fields from its keys, the others as given."""
        return cls(
            name=node["name"],
            labels=tuple(node.get("labels", context.labels)),
            temperature=float(node.get("temperature", 1.0)),
            **fields,
        )

    def check_outputs(self, count: int) -> None:
        """Raise BundleError unless the model gives one value for each label."""
        if count != len(self.labels):
            raise BundleError(
                f"branch {self.name!r}: the model gives {count} values,"
                f" the bundle has {len(self.labels)} labels"
            )

    def of_probabilities(self, probabilities: NDArray[Any]) -> Scores:
        """The scores of what a model gives: (1, K), >= 0, scaled here to sum 1."""
        self.check_outputs(probabilities.shape[1])
        values = np.asarray(probabilities[0], np.float64)
        return Scores(self.labels, tempered(values / values.sum(), self.temperature))


def score_faces(branch: PerFaceBranch, evidence: Evidence) -> Scores | None:
    """The scores of a branch that looks at faces one by one; None without faces."""
    if evidence.faces is None:
        return None
    images = evidence.faces.images
    chosen = branch.chosen(len(images))
    return branch.of_looks(branch.look(images[chosen]), evidence.faces.quality[chosen])


def face_shares(quality: Float32Array) -> Float64Array:
    """How much each of several faces counts: (M,), sum 1, in proportion to its quality (M,)."""
    weights = np.maximum(np.asarray(quality, np.float64), SMALLEST_SCORE)
    shares: Float64Array = weights / weights.sum()
    return shares


@dataclass(frozen=True, repr=False, eq=False)
class FusionBranch:
    """A branch that computes its scores from those of other branches; a kind defines ``fused``.

    members: branches with one label set and different names.

    Raises:
        BundleError: there is no member, or two share a name.
        LabelMismatchError: their labels differ.
    """

    modality: ClassVar[Modality | None] = None
    name: str
    members: Sequence[Branch]

    def __post_init__(self) -> None:
        members, names = self.members, [member.name for member in self.members]
        if not members or len(set(names)) != len(names):
            raise BundleError(
                f"{self.name!r} needs members of different names;"
                f" it has {len(names)} members: {names}"
            )
        for member in members[1:]:
            if member.labels != self.labels:
                raise LabelMismatchError(
                    f"{self.name!r} cannot mix {names[0]!r}, which scores {self.labels},"
                    f" with {member.name!r}, which scores {member.labels}"
                )
        set_field(self, "members", tuple(members))

    @property
    def labels(self) -> tuple[str, ...]:
        """The members' labels."""
        return self.members[0].labels

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the members and fuse them; None if no member that counts has scores."""
        return self.combine({member.name: member.score(evidence) for member in self.members})

    def combine(self, parts: Mapping[str, Scores | None]) -> Scores | None:
        """Fuse scores by member name; None marks a member that lacks its modality."""
        rows = np.full((len(self.members), len(self.labels)), np.nan)
        for row, member in zip(rows, self.members, strict=True):
            scores = parts.get(member.name)
            if scores is not None:
                row[:] = scores.values
        values = self.fused(rows)
        if np.isnan(values[0]):
            return None
        present = {name: scores for name, scores in parts.items() if scores is not None}
        return Scores(self.labels, values, present)

    def fused(self, rows: Float64Array) -> Float64Array:
        """(B, K) scores of the members, NaN where absent -> (K,); NaN if nothing counts."""
        raise NotImplementedError


def softmax(logits: NDArray[Any]) -> Float64Array:
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
