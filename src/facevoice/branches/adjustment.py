"""The last step of a blend: a temperature, and a scale and an offset for each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from facevoice.branches.base import SMALLEST_SCORE, softmax, tempered
from facevoice.errors import InvalidInputError
from facevoice.types import Float64Array


@dataclass(frozen=True, slots=True)
class Adjustment:
    """q = softmax((a * ln S + b) / T), class by class; S counts as 1e-12 at least.

    temperature: T (Guo et al. 2017); changes no decision.
    class_scale: (K,) a; empty for all ones (vector scaling, Guo et al. 2017).
    class_offsets: (K,) b in nats; empty for all zeros (logit adjustment, Menon et al. 2021):
        the score of a class is multiplied by exp(b) before all are scaled to sum 1.
    """

    temperature: float = 1.0
    class_scale: tuple[float, ...] = ()
    class_offsets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise InvalidInputError(f"temperature must be positive, got {self.temperature}")
        for name in ("class_scale", "class_offsets"):
            if not np.isfinite(getattr(self, name)).all():
                raise InvalidInputError(f"{name} must be finite, got {getattr(self, name)}")

    @property
    def moves_classes(self) -> bool:
        """Whether decisions may change."""
        return bool(self.class_scale or self.class_offsets)

    def check_classes(self, count: int) -> None:
        """Raise InvalidInputError unless there is one number per class."""
        for name in ("class_scale", "class_offsets"):
            found = len(getattr(self, name))
            if found not in (0, count):
                raise InvalidInputError(f"{name} holds {found} numbers for {count} labels")

    def apply(self, scores: Float64Array) -> Float64Array:
        """(..., K) distributions -> the same shape, adjusted; rows of NaN stay so."""
        values = np.asarray(scores, np.float64)
        if not self.moves_classes:
            return tempered(values, self.temperature)
        self.check_classes(values.shape[-1])
        logits = np.log(np.maximum(values, SMALLEST_SCORE))
        if self.class_scale:
            logits *= np.array(self.class_scale)
        if self.class_offsets:
            logits += np.array(self.class_offsets)
        return softmax(logits / self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Keys of a node in weights.json and bundle.json; values without effect are left out."""
        card: dict[str, Any] = {"temperature": self.temperature}
        if self.class_scale:
            card["class_scale"] = list(self.class_scale)
        if self.class_offsets:
            card["class_offsets"] = list(self.class_offsets)
        return card

    @classmethod
    def of_dict(cls, node: Mapping[str, Any]) -> "Adjustment":
        """Read back what ``to_dict`` gave; other keys are ignored.

        Raises:
            InvalidInputError: a value is not a finite number.
        """
        try:
            return cls(
                float(node.get("temperature", 1.0)),
                tuple(float(value) for value in node.get("class_scale", ())),
                tuple(float(value) for value in node.get("class_offsets", ())),
            )
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"temperature, class_scale or class_offsets are not valid: {error}"
            ) from error


UNCHANGED: Final = Adjustment()
"""Leaves scores as they are."""
