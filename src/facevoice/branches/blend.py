"""Fusion: a weighted sum of branches, itself a branch (the paper, eq. 4)."""

from collections.abc import Mapping, Sequence

import numpy as np

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.branches.base import (
    Branch,
    WindowScores,
    average_leaf,
)
from facevoice.errors import BundleError, InvalidInputError, LabelMismatchError
from facevoice.types import Evidence, Modality, Scores


class Blend:
    """S = w1 S1 + w2 S2 + ..., over the members that have something to say.

    Where a member lacks its modality the weights of the others are scaled to sum to 1; a single
    present member's scores pass unchanged, without this node's adjustment, so that a clip
    without a voice gets exactly the face's calibrated scores.

    members: branches with one label set and different names.
    weights: one a member, >= 0, not all 0; they need not sum to 1 (the paper's do not).
    adjustment: temperature, class scale and offsets for the sum of two or more members.
    """

    modality: Modality | None = None

    def __init__(
        self,
        name: str,
        members: Sequence[Branch],
        weights: Sequence[float],
        *,
        adjustment: Adjustment = UNCHANGED,
    ) -> None:
        names = [member.name for member in members]
        if not members or len(weights) != len(members):
            raise BundleError(f"blend {name!r} has {len(members)} members, {len(weights)} weights")
        if len(set(names)) != len(names):
            raise BundleError(f"blend {name!r} has two members of one name: {names}")
        array = np.asarray(weights, np.float64)
        if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
            raise BundleError(f"blend {name!r}: weights must be >= 0 and not all 0, got {weights}")
        for member in members[1:]:
            if member.labels != members[0].labels:
                raise LabelMismatchError(
                    f"blend {name!r} cannot mix {names[0]!r}, which scores {members[0].labels},"
                    f" with {member.name!r}, which scores {member.labels}"
                )
        try:
            adjustment.check_classes(len(members[0].labels))
        except InvalidInputError as error:
            raise BundleError(f"blend {name!r}: {error}") from error
        self.name = name
        self.members = tuple(members)
        self.weights = tuple(float(weight) for weight in array)
        self.labels = members[0].labels
        self.adjustment = adjustment

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the members and blend them; None if none of them has anything to say."""
        return self.combine({member.name: member.score(evidence) for member in self.members})

    def combine(self, parts: Mapping[str, Scores | None]) -> Scores | None:
        """Blend scores by member name; None marks a member that lacks its modality.

        A member of weight 0 is shown among the parts and does not count.
        """
        present = {name: scores for name, scores in parts.items() if scores is not None}
        counted = [
            (present[member.name].values, weight)
            for member, weight in zip(self.members, self.weights, strict=True)
            if member.name in present and weight > 0
        ]
        if not counted:
            return None
        if len(counted) == 1:
            return Scores(self.labels, counted[0][0], present)
        total = sum(weight for _, weight in counted)
        values = sum((values * (weight / total) for values, weight in counted), np.zeros(1))
        return Scores(self.labels, self.adjustment.apply(values), present)

    def average(self, windows: Sequence[WindowScores]) -> Scores | None:
        """One result for consecutive windows of a long clip.

        Each leaf is averaged over the windows by its modality's seconds of evidence; the blends
        above are formed from these averages, so that every blend is still the sum of its parts.

        windows: each window's seconds by modality and this blend's scores of it.
        """
        parts: dict[str, Scores | None] = {}
        for member in self.members:
            inner = [
                (seconds, None if scores is None else scores.parts.get(member.name))
                for seconds, scores in windows
            ]
            parts[member.name] = average(member, inner)
        return self.combine(parts)

    def __repr__(self) -> str:
        members = ", ".join(
            f"{weight:g} {member.name}"
            for member, weight in zip(self.members, self.weights, strict=True)
        )
        return f"Blend({self.name}: {members})"


def average(branch: Branch, windows: Sequence[WindowScores]) -> Scores | None:
    """Average a branch of any kind over windows; None if no window has its modality."""
    if isinstance(branch, Blend):
        return branch.average(windows)
    return average_leaf(branch, windows)
