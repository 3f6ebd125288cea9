"""Stacking: a multinomial logistic regression over the members' scores (Wolpert, 1992)."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import Context, FusionBranch, Node, softmax
from facevoice.errors import BundleError
from facevoice.types import Float64Array

_SMALLEST_SCORE: Final = 1e-3
"""Scores count as this at least: a vote of 0 in 16 frames is not a certainty."""


@dataclass(frozen=True, repr=False, eq=False)
class Stack(FusionBranch):
    """softmax(features @ coefficients) of the members' centred log scores.

    A member that lacks its modality counts as a uniform distribution.

    coefficients: (B x K + 1, K): K rows per member in order, then the intercept.

    Raises BundleError or LabelMismatchError if these do not fit together.
    """

    coefficients: Float64Array

    def __post_init__(self) -> None:
        FusionBranch.__post_init__(self)
        size = len(self.labels)
        found, wanted = np.shape(self.coefficients), (len(self.members) * size + 1, size)
        if found != wanted or not np.isfinite(self.coefficients).all():
            raise BundleError(
                f"stack {self.name!r}: coefficients must be {wanted} finite numbers for"
                f" {len(self.members)} members and {size} labels, got {found}"
            )

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "Stack":
        """Read a node of kind ``stack``."""
        members = [context.branch(member) for member in node["members"]]
        return cls(node["name"], members, np.array(node["coefficients"], np.float64))

    def fused(self, rows: Float64Array) -> Float64Array:
        """See ``stack``."""
        return stack(rows, self.coefficients)

    def __repr__(self) -> str:
        return f"Stack({self.name}: {', '.join(member.name for member in self.members)})"


def stack(scores: NDArray[Any], coefficients: Float64Array) -> Float64Array:
    """Scores of one clip or of many under fitted coefficients; see ``Stack``.

    scores: (..., B, K), rows of NaN where a member has none.
    Returns (..., K) float64; NaN where no member has scores.
    """
    fused = softmax(stacking_features(scores) @ coefficients)
    fused[np.isnan(scores[..., 0]).all(axis=-1)] = np.nan
    return fused


def stacking_features(scores: NDArray[Any]) -> Float64Array:
    """(..., B, K) -> (..., B x K + 1): centred log scores of each member, and a 1.

    A member without scores gives zeros, as a uniform distribution does.
    """
    logs = np.log(np.maximum(np.nan_to_num(scores, nan=1.0), _SMALLEST_SCORE))
    centred = logs - logs.mean(axis=-1, keepdims=True)
    flat = centred.reshape(*centred.shape[:-2], -1)
    return np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], axis=-1)
