"""A distribution over labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from facevoice.errors import LabelMismatchError
from facevoice.types.checks import Float64Array, describe, frozen_array, require, set_field
from facevoice.types.values import Value

EMOTIONS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The default label set, in the order of the paper's Fig. 2."""

TIE_TOLERANCE: Final = 2.0**-39
"""Scores that differ by less (about 2e-12) count as equal; the first of equal labels wins."""

UNDECIDED_MARGIN: Final = 0.1
"""A lead of the first label over the second that is smaller than this decides nothing."""

_SUM_TOLERANCE: Final = 1e-4
_EXACT_TOLERANCE: Final = 1e-9  # values whose sum is this close to 1 are not rescaled


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Scores(Value):
    """A distribution over labels, with the scores that it was computed from.

    labels: (K,) names, all different.
    values: (K,) float64, >= 0, sum 1.
    parts: the members' scores by branch name; empty for a leaf.
    centred: (K,) float64, what the second model of a leaf gives, the one that is read against a
        person's own mean and means nothing by itself; None without one. No record holds it.
    """

    labels: tuple[str, ...]
    values: Float64Array
    parts: Mapping[str, "Scores"] = field(default_factory=dict)
    centred: Float64Array | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        count = len(self.labels)
        require(count > 0, "Scores need at least one label")
        require(len(set(self.labels)) == count, f"Scores.labels repeat a name: {self.labels}")
        require(
            values.shape == (count,),
            f"Scores.values must be ({count},) like the labels, got {describe(values)}",
        )
        valid = np.isfinite(values).all() and (values >= 0).all()
        require(valid, f"Scores.values must be finite and >= 0, got {values.tolist()}")
        total = float(values.sum())
        require(abs(total - 1) <= _SUM_TOLERANCE, f"Scores.values must sum to 1, got {total:.6f}")
        for name, part in self.parts.items():
            if part.labels != self.labels:
                raise LabelMismatchError(
                    f"part {name!r} scores {part.labels}, but the whole scores {self.labels}"
                )
        exact = values if abs(total - 1) <= _EXACT_TOLERANCE else values / total
        set_field(self, "values", frozen_array(exact))
        set_field(self, "parts", MappingProxyType(dict(self.parts)))
        if self.centred is not None:
            centred = np.asarray(self.centred, np.float64)
            require(
                centred.shape == (count,) and bool((centred >= 0).all()),
                f"Scores.centred must be ({count},) and >= 0, got {describe(centred)}",
            )
            set_field(self, "centred", frozen_array(centred))

    def __getitem__(self, label: str) -> float:
        try:
            return float(self.values[self.labels.index(label)])
        except ValueError:
            known = ", ".join(self.labels)
            raise KeyError(f"no label {label!r} among: {known}") from None

    @property
    def emotion(self) -> str:
        """The label with the highest score, or the first of equals (see ``TIE_TOLERANCE``)."""
        return self.labels[int(np.argmax(self.values >= self.values.max() - TIE_TOLERANCE))]

    @property
    def confidence(self) -> float:
        """The highest score."""
        return float(self.values.max())

    @property
    def undecided(self) -> tuple[str, str] | None:
        """The two labels between which the scores do not decide; None if they do."""
        if len(self.labels) == 1:
            return None
        first, second = np.argsort(-self.values, kind="stable")[:2].tolist()
        if self.values[first] - self.values[second] >= UNDECIDED_MARGIN:
            return None
        return self.labels[first], self.labels[second]

    def to_dict(self) -> dict[str, float]:
        """Scores by label."""
        return {label: float(value) for label, value in zip(self.labels, self.values, strict=True)}

    def __repr__(self) -> str:
        scores = ", ".join(f"{label} {self[label]:.2f}" for label in self.labels)
        parts = f", parts={list(self.parts)}" if self.parts else ""
        return f"Scores({self.emotion}: {scores}{parts})"
