"""How far a person's scores are from the population's: sums over clips, and the shift from them.

Sums are all that is kept, so that the state after the same clips in the same order is the same to
the digit, whether they came one by one or all at once, and so that a baseline file holds only this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from facevoice.person.population import Population
from facevoice.person.readings import Reading
from facevoice.types import Float64Array
from facevoice.types.checks import frozen_array, is_finite, require, set_field
from facevoice.types.values import Value

FEWEST_CLIPS: Final = 3
"""A person is judged against himself or herself from so many clips on."""

PRIOR_CLIPS: Final = 8.0
"""How many clips the population's mean is worth beside a person's own."""

Lacking = Literal["no_population", "too_little"]


@dataclass(frozen=True, slots=True, eq=False)
class BranchStatistics(Value):
    """Sums over the clips of one person in one branch.

    clips: how many have scores of the branch. weight: the sum of their weights, see ``Reading``.
    total: (K,) float64, the sum of their log scores.

    Raises InvalidInputError if these are not finite.
    """

    clips: int
    weight: float
    total: Float64Array

    def __post_init__(self) -> None:
        total = np.asarray(self.total, np.float64)
        require(
            total.ndim == 1 and bool(np.isfinite(total).all()),
            f"the sum of log scores must be finite numbers (K,), got {self.total}",
        )
        require(
            self.clips >= 1 and is_finite(self.weight) and self.weight >= 0,
            f"statistics need clips and a weight >= 0, got {self.clips} and {self.weight}",
        )
        set_field(self, "total", frozen_array(total))

    def plus(self, log_scores: Float64Array, weight: float) -> "BranchStatistics":
        """With one more clip."""
        return BranchStatistics(self.clips + 1, self.weight + weight, self.total + log_scores)


@dataclass(frozen=True, slots=True, eq=False)
class Statistics(Value):
    """What is known of one person: sums over clips (or windows), by branch.

    clips: how many were added. seconds: the sum of theirs, see ``Reading``.
    branches: by the dotted name of the branch, as in ``Reading``.
    """

    clips: int = 0
    seconds: float = 0.0
    branches: Mapping[str, BranchStatistics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            self.clips >= 0 and is_finite(self.seconds) and self.seconds >= 0,
            f"statistics need counts and seconds >= 0, got {self.clips} and {self.seconds}",
        )
        set_field(self, "branches", MappingProxyType(dict(self.branches)))

    @classmethod
    def empty(cls) -> "Statistics":
        """Of nobody yet."""
        return cls()

    def plus(self, reading: Reading) -> "Statistics":
        """With one more clip or window."""
        branches = dict(self.branches)
        for name, log_scores in reading.log_scores.items():
            weight = reading.weights[name]
            if name in branches:
                branches[name] = branches[name].plus(log_scores, weight)
            else:
                branches[name] = BranchStatistics(1, weight, log_scores)
        return Statistics(self.clips + 1, self.seconds + reading.seconds, branches)

    def lacking(self, population: Population | None) -> Lacking | None:
        """Why a person cannot be judged against these; None if it is possible."""
        if population is None or not population.branches:
            return "no_population"
        return "too_little" if self.clips < FEWEST_CLIPS else None

    def shift(self, population: Population) -> dict[str, Float64Array]:
        """What to add to the log scores of each branch: (K,) by its name.

        The person's mean is replaced by the population's, in so far as clips outweigh the prior.
        """
        shifts = {}
        for name, own in self.branches.items():
            if name in population.branches:
                share = own.clips / (own.clips + PRIOR_CLIPS)
                difference = own.total / own.clips - population.branches[name].mean
                shifts[name] = -share * difference
        return shifts

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        return {
            "clips": self.clips,
            "seconds": self.seconds,
            "branches": {
                name: {"clips": each.clips, "weight": each.weight, "total": each.total.tolist()}
                for name, each in self.branches.items()
            },
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Statistics":
        """Read what ``to_dict`` returned; KeyError, TypeError or ValueError if it is not that."""
        return cls(
            int(record["clips"]),
            float(record["seconds"]),
            {
                name: BranchStatistics(
                    int(each["clips"]), float(each["weight"]), np.array(each["total"], np.float64)
                )
                for name, each in record["branches"].items()
            },
        )
