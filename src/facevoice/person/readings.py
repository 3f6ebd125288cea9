"""What one clip or window says of a person: the log scores of each branch, and their weight."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from facevoice.branches import Branch
from facevoice.branches.base import SMALLEST_SCORE
from facevoice.branches.tree import members_of
from facevoice.types import MODALITIES, Float64Array, Modality, Scores
from facevoice.types.checks import frozen_array, is_finite, require, set_field
from facevoice.types.values import Value

_KNOWN_AGAIN: Final = 100.0
"""Log scores that differ by less than 1 / this are taken for the same in a fingerprint."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading(Value):
    """What one clip, or one window of a film, says of one person.

    log_scores: (K,) float64 natural logarithms of the scores of each leaf branch that has any, by
        its dotted name ("face.expression"); scores count as 1e-12 at least.
    weights: how much evidence each of them rests on, >= 0: seconds of its modality, a face's times
        its quality (see ``Evidence.weight``). 0 for a picture, which has no duration.
    seconds: how long the person was seen or heard, whichever is longer.
    centred: (K,) the same of the second model of the branches that have one.

    Raises InvalidInputError if these do not fit together.
    """

    log_scores: Mapping[str, Float64Array]
    weights: Mapping[str, float]
    seconds: float
    centred: Mapping[str, Float64Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            set(self.log_scores) == set(self.weights),
            f"a Reading weighs each branch: {list(self.log_scores)} and {list(self.weights)}",
        )
        require(
            set(self.centred) <= set(self.log_scores),
            f"centred scores of branches without scores: {list(self.centred)}",
        )
        arrays = {name: np.asarray(each, np.float64) for name, each in self.log_scores.items()}
        second = {name: np.asarray(each, np.float64) for name, each in self.centred.items()}
        every = [*arrays.values(), *second.values()]
        require(
            len({each.shape for each in every}) <= 1
            and all(each.ndim == 1 and np.isfinite(each).all() for each in every),
            "Reading.log_scores and centred must be finite and of one length (K,)",
        )
        numbers = (self.seconds, *self.weights.values())
        require(
            all(is_finite(number) and number >= 0 for number in numbers),
            f"a Reading's seconds and weights must be finite and >= 0, got {numbers}",
        )
        for called, found in (("log_scores", arrays), ("centred", second)):
            frozen = {name: frozen_array(each) for name, each in found.items()}
            set_field(self, called, MappingProxyType(frozen))
        set_field(self, "weights", MappingProxyType(dict(self.weights)))

    @classmethod
    def of(
        cls, tree: Branch, scores: Scores, weights: Mapping[Modality, float], seconds: float
    ) -> "Reading":
        """The reading of one clip or window.

        scores: of the whole tree. weights: of the evidence, by modality.
        """
        found = list(leaf_scores(tree, scores))
        return cls(
            {name: _logs(each.values) for name, _, each in found},
            {name: _weight(branch, weights) for name, branch, _ in found},
            seconds,
            {name: _logs(each.centred) for name, _, each in found if each.centred is not None},
        )

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits by which the same clip is known again.

        Of rounded numbers, since networks differ in the last digits from one machine to another.
        """
        digest = hashlib.sha256(f"{self.seconds:.2f}".encode())
        for name, logs in sorted(self.log_scores.items()):
            digest.update(name.encode())
            digest.update(np.rint(_KNOWN_AGAIN * logs).astype("<i4").tobytes())
        return digest.hexdigest()[:8]

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        return {
            "log_scores": {name: each.tolist() for name, each in self.log_scores.items()},
            "weights": dict(self.weights),
            "seconds": self.seconds,
            "centred": {name: each.tolist() for name, each in self.centred.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Reading":
        """Read what ``to_dict`` returned."""
        arrays, second = (
            {name: np.array(each, float) for name, each in record[key].items()}
            for key in ("log_scores", "centred")
        )
        return cls(arrays, dict(record["weights"]), float(record["seconds"]), second)


def leaf_scores(
    branch: Branch, scores: Scores | None, prefix: str = ""
) -> Iterator[tuple[str, Branch, Scores]]:
    """The leaves that have scores: dotted name (of a lone leaf, its own), branch, scores."""
    if scores is None:
        return
    members = members_of(branch)
    if not members:
        yield prefix.rstrip(".") or branch.name, branch, scores
    for member in members:
        yield from leaf_scores(member, scores.parts.get(member.name), f"{prefix}{member.name}.")


def _logs(scores: Float64Array) -> Float64Array:
    logs: Float64Array = np.log(np.maximum(scores, SMALLEST_SCORE))
    return logs


def _weight(branch: Branch, weights: Mapping[Modality, float]) -> float:
    read = (branch.modality,) if branch.modality else MODALITIES
    return sum(weights[modality] for modality in read)
