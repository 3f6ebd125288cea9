"""How a person's scores differ from the population's: sums over clips, and the shift from them.

What is sought is the part of a person's mean log scores that is the person's and not the emotions'.
No label says which is which: a mean of clips that are all happy is that of happy clips. So the mean
is trusted as far as the clips differ: the scores of the clips, sharpened and averaged, must look
like several emotions. How many is exp(entropy) of that average (Hill, Ecology 54(2), 1973). While
there are few, as in an hour of neutral talk, nothing is shifted. docs/person.md has the figures.

Sums are all that is kept, so that the state after the same clips in the same order is the same to
the digit, whether they came one by one or all at once, and so that a baseline file holds only this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from facevoice.branches.base import softmax
from facevoice.person.population import BranchPopulation, Population
from facevoice.person.readings import Reading
from facevoice.types import Float64Array
from facevoice.types.checks import frozen_array, is_finite, require, set_field
from facevoice.types.values import Value

FEWEST_CLIPS: Final = 3
"""A person is judged against himself or herself from so many clips on."""

PRIOR_CLIPS: Final = 4.0
"""How many clips the population's mean is worth beside a person's own."""

FEW_EMOTIONS: Final = 2.5 / 6
"""A person who seems to show this share of the labels but one, beyond the first, or less is not
shifted (3.5 emotions of seven) ..."""
ENOUGH_EMOTIONS: Final = 3.9 / 6
"""... and from this share on as far as clips outweigh the prior."""

CENTRED_SHARE: Final = 0.85
"""The largest share of the second model of a branch in its personal log scores."""

_SHARPENED: Final = 4.0  # the power of the calibrated scores of a clip before they are averaged

Lacking = Literal["no_population", "too_little"]


@dataclass(frozen=True, slots=True)
class Shift:
    """How log scores of a branch are read against a person: (1 - share) l + share c + shift.

    l, c: (K,) log scores of the branch and of its second model. shift: (K,). share: 0 to 1.
    """

    shift: Float64Array
    share: float = 0.0

    def __bool__(self) -> bool:
        return self.share > 0 or bool(np.any(self.shift))

    def __call__(self, reading: Reading, branch: str) -> Float64Array:
        """The personal log scores (K,) of a clip or window in a branch."""
        moved = reading.log_scores[branch]
        if self.share and branch in reading.centred:
            moved = (1 - self.share) * moved + self.share * reading.centred[branch]
        elif self.share:  # a reading of another bundle: nothing to shift
            return moved
        added: Float64Array = moved + self.shift
        return added


@dataclass(frozen=True, slots=True, eq=False)
class BranchStatistics(Value):
    """Sums over the clips of one person in one branch.

    clips: how many have scores of the branch. weight: the sum of their weights, see ``Reading``.
    total: (K,) float64, the sum of their log scores. shares: (K,) that of their sharpened scores.
    centred: (K,) that of the log scores of the second model; None if a clip has none.

    Raises InvalidInputError if these are not finite.
    """

    clips: int
    weight: float
    total: Float64Array
    shares: Float64Array
    centred: Float64Array | None = None

    def __post_init__(self) -> None:
        for name in ("total", "shares", "centred"):
            given = getattr(self, name)
            if given is None and name == "centred":
                continue
            values = np.asarray(given, np.float64)
            require(
                values.ndim == 1
                and values.shape == np.shape(self.total)
                and bool(np.isfinite(values).all()),
                f"{name} of a person must be finite numbers (K,), got {given}",
            )
            set_field(self, name, frozen_array(values))
        require(
            self.clips >= 1 and is_finite(self.weight) and self.weight >= 0,
            f"statistics need clips and a weight >= 0, got {self.clips} and {self.weight}",
        )
        require(
            bool((self.shares >= 0).all()) and self.shares.sum() > 0,
            f"shares must be >= 0, got {self.shares}",
        )

    @classmethod
    def of(cls, reading: Reading, branch: str) -> "BranchStatistics":
        """Of one clip."""
        logs = reading.log_scores[branch]
        shares = softmax(_SHARPENED * logs)
        return cls(1, reading.weights[branch], logs, shares, reading.centred.get(branch))

    def plus(self, one: "BranchStatistics") -> "BranchStatistics":
        """With further clips."""
        both = None if self.centred is None or one.centred is None else self.centred + one.centred
        return BranchStatistics(
            self.clips + one.clips,
            self.weight + one.weight,
            self.total + one.total,
            self.shares + one.shares,
            both,
        )

    @property
    def emotions(self) -> float:
        """How many emotions the person seems to show: 1 to K."""
        shares = self.shares / self.shares.sum()
        return float(np.exp(-np.sum(shares * np.log(np.maximum(shares, np.finfo(float).tiny)))))

    @property
    def trust(self) -> float:
        """How far the mean may be taken for the person's own, 0 to 1."""
        shown = (self.emotions - 1) / max(len(self.shares) - 1, 1)  # 0: one emotion alone
        varied = (shown - FEW_EMOTIONS) / (ENOUGH_EMOTIONS - FEW_EMOTIONS)
        return min(max(varied, 0.0), 1.0) * self.clips / (self.clips + PRIOR_CLIPS)

    def shift(self, population: BranchPopulation) -> Shift:
        """Put the population's mean in the place of the person's, as far as that is trusted."""
        trust = self.trust
        if self.centred is not None and population.centred is not None:
            share = CENTRED_SHARE * trust
            return Shift(share * (population.centred - self.centred / self.clips), share)
        return Shift(trust * (population.mean - self.total / self.clips))

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        record = {"clips": self.clips, "weight": self.weight, "total": self.total.tolist()}
        record |= {"shares": self.shares.tolist()}
        return record if self.centred is None else {**record, "centred": self.centred.tolist()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "BranchStatistics":
        """Read what ``to_dict`` returned."""
        return cls(
            int(record["clips"]),
            float(record["weight"]),
            np.array(record["total"], np.float64),
            np.array(record["shares"], np.float64),
            np.array(record["centred"], np.float64) if "centred" in record else None,
        )


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
        for name in reading.log_scores:
            one = BranchStatistics.of(reading, name)
            branches[name] = branches[name].plus(one) if name in branches else one
        return Statistics(self.clips + 1, self.seconds + reading.seconds, branches)

    def check(self, leaves: Sequence[str], labels: Sequence[str]) -> None:
        """Raise InvalidInputError unless they fit the leaves and labels of a bundle."""
        unknown = [name for name in self.branches if name not in leaves]
        require(
            not unknown,
            f"the baseline has statistics of {', '.join(unknown)}; the branches are:"
            f" {', '.join(leaves)}",
        )
        for name, each in self.branches.items():
            require(
                len(each.total) == len(labels),
                f"the baseline of {name} has {len(each.total)} values for {len(labels)} labels",
            )

    def lacking(self, population: Population | None) -> Lacking | None:
        """Why a person cannot be judged against these; None if it is possible."""
        if population is None or not population.branches:
            return "no_population"
        return "too_little" if self.clips < FEWEST_CLIPS else None

    def shift(self, population: Population) -> dict[str, Shift]:
        """How the log scores of each branch are read against the person, by its name."""
        return {
            name: own.shift(population.branches[name])
            for name, own in self.branches.items()
            if name in population.branches
        }

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        return {
            "clips": self.clips,
            "seconds": self.seconds,
            "branches": {name: each.to_dict() for name, each in self.branches.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Statistics":
        """Read what ``to_dict`` returned; KeyError, TypeError or ValueError if it is not that."""
        branches = record["branches"].items()
        return cls(
            int(record["clips"]),
            float(record["seconds"]),
            {name: BranchStatistics.from_dict(each) for name, each in branches},
        )
