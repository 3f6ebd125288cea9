"""Fusion by weights: a weighted sum (the paper, eq. 4) or a log-opinion pool of branches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.branches.base import SMALLEST_SCORE, Context, FusionBranch, Node, softmax
from facevoice.errors import BundleError, InvalidInputError
from facevoice.types import Float64Array
from facevoice.types.checks import set_field

Rule = Literal["sum", "product"]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)


@dataclass(frozen=True, repr=False, eq=False)
class Blend(FusionBranch):
    """A weighted sum or product of the members that have scores.

    "sum": S = w1 S1 + w2 S2 + ... (the paper, eq. 4).
    "product": the log-opinion pool (Genest and Zidek 1986; Hinton's product of experts): the
        weighted mean of the members' log scores, scaled so that the scores sum to 1. Scores count
        as 1e-12 at least.

    Where a member lacks its modality the weights of the others are scaled to sum to 1. If only one
    member has scores, they pass unchanged, without this node's adjustment: a clip without a voice
    gets exactly the face's calibrated scores.

    weights: one per member, >= 0, not all 0; they need not sum to 1 (the paper's do not). A member
        of weight 0 is shown among the parts but does not count.
    adjustment: temperature, class scale and offsets, applied where two or more members count.

    Raises BundleError or LabelMismatchError if these do not fit together.
    """

    weights: Sequence[float]
    adjustment: Adjustment = field(default=UNCHANGED, kw_only=True)
    rule: Rule = field(default="sum", kw_only=True)

    def __post_init__(self) -> None:
        FusionBranch.__post_init__(self)
        try:
            weights = checked_weights(self.weights, len(self.members))
            self.adjustment.check_classes(len(self.labels))
        except InvalidInputError as error:
            raise BundleError(f"blend {self.name!r}: {error}") from error
        if self.rule not in RULES:
            raise BundleError(
                f"blend {self.name!r}: the rule must be {' or '.join(RULES)}, got {self.rule!r}"
            )
        set_field(self, "weights", tuple(weights.tolist()))

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "Blend":
        """Read a node of kind ``blend``; each member's ``weight`` is 1 by default."""
        return cls(
            node["name"],
            [context.branch(member) for member in node["members"]],
            [float(member.get("weight", 1.0)) for member in node["members"]],
            adjustment=Adjustment.of_dict(node),
            rule=node.get("rule", "sum"),
        )

    def fused(self, rows: Float64Array) -> Float64Array:
        """See ``blend``."""
        return blend(rows, self.weights, self.rule, self.adjustment)

    def __repr__(self) -> str:
        members = ", ".join(
            f"{weight:g} {member.name}"
            for member, weight in zip(self.members, self.weights, strict=True)
        )
        product = " as a product" if self.rule == "product" else ""
        return f"Blend({self.name}: {members}{product})"


def blend(
    scores: NDArray[Any],
    weights: Sequence[float] | Float64Array,
    rule: Rule = "sum",
    adjustment: Adjustment = UNCHANGED,
) -> Float64Array:
    """Blend members' scores of one clip or of many; see ``Blend``.

    scores: (..., B, K), rows of NaN where a member has none. weights: (B,).
    Returns (..., K) float64; NaN where no member of positive weight has scores.

    Raises:
        InvalidInputError: the weights are unusable.
    """
    values = np.asarray(scores, np.float64)
    counted = ~np.isnan(values[..., 0]) * checked_weights(weights, values.shape[-2])
    total = counted.sum(axis=-1, keepdims=True)
    shares = np.divide(counted, total, out=np.zeros_like(counted), where=total > 0)
    known = np.nan_to_num(values, nan=0.0)
    mixed = alone = _weighted(known, shares)
    if rule == "product":
        mixed = softmax(_weighted(np.log(np.maximum(known, SMALLEST_SCORE)), shares))
    several = (counted > 0).sum(axis=-1, keepdims=True) > 1
    result: Float64Array = np.where(several, adjustment.apply(mixed), alone)
    result[total[..., 0] == 0] = np.nan
    return result


def _weighted(values: Float64Array, shares: Float64Array) -> Float64Array:
    """(..., B, K) and (..., B) -> (..., K), added in the order of the members."""
    added = np.zeros((*values.shape[:-2], values.shape[-1]))
    for member in range(values.shape[-2]):
        added += shares[..., member, None] * values[..., member, :]
    return added


def checked_weights(weights: Sequence[float] | Float64Array, count: int) -> Float64Array:
    """Weights as an array (count,): finite, >= 0 and not all 0.

    Raises:
        InvalidInputError: they are not.
    """
    array = np.asarray(weights, np.float64)
    if array.shape != (count,):
        raise InvalidInputError(f"{count} members need {count} weights, got shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise InvalidInputError(f"weights must be >= 0 and not all 0, got {array.tolist()}")
    return array
