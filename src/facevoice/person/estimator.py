"""How a person's scores differ from the population's: sums over clips, and the shift from them.

What is sought is the part of a person's mean log scores that is the person's and not the emotions'.
No label says which is which: a mean of clips that are all happy is that of happy clips. So the mean
is trusted as far as the clips differ: the scores of the clips, sharpened and averaged, must look
like several emotions. How many is exp(entropy) of that average (Hill, Ecology 54(2), 1973). While
there are few, as in an hour of neutral talk, nothing is shifted. Clips that are declared neutral
need no such doubt: their mean is put where the population's neutral clips have theirs, as a first
guess until clips of several emotions say more. docs/person.md has the figures.

Sums are all that is kept, so that the state after the same clips in the same order is the same to
the digit, whether they came one by one or all at once, and so that a baseline file holds only this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from facevoice.branches.base import softmax
from facevoice.person.population import BranchPopulation, Population, misfit
from facevoice.person.readings import Reading
from facevoice.types import Float64Array
from facevoice.types.checks import frozen_array, is_finite, require, set_field
from facevoice.types.values import Value

FEWEST_CLIPS: Final = 3
"""A person is judged against himself or herself from so many clips on, or from one on that was
declared neutral."""

PRIOR_CLIPS: Final = 4.0
"""How many clips the population's mean is worth beside a person's own."""

FEW_EMOTIONS: Final = 2.5 / 6
"""A person who seems to show this share of the labels but one, beyond the first, or less is not
shifted (3.5 emotions of seven) ..."""
ENOUGH_EMOTIONS: Final = 3.9 / 6
"""... and from this share on as far as clips outweigh the prior."""

NEUTRAL_TRUST: Final = 0.4
"""How far the mean of many declared neutral clips is taken for the person's own at most: people
differ in one emotion from what they differ by in all."""
NEUTRAL_PRIOR_CLIPS: Final = 2.0
"""How many declared neutral clips the population's mean of such clips is worth."""

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
class Sums(Value):
    """Sums over some clips of one person in one branch.

    clips: how many. total: (K,) float64, the sum of their log scores.
    centred: (K,) that of the log scores of the second model; None if a clip has none.

    Raises InvalidInputError if these are not finite, or there is no clip.
    """

    clips: int
    total: Float64Array
    centred: Float64Array | None = None

    def __post_init__(self) -> None:
        require(self.clips >= 1, f"sums need clips, got {self.clips}")
        for name in ("total", "centred"):
            given = getattr(self, name)
            if given is not None:
                set_field(self, name, _checked(name, given, np.shape(self.total)))

    def plus(self, other: "Sums | None") -> "Sums":
        """Over the clips of both."""
        if other is None:
            return self
        both = (
            None if self.centred is None or other.centred is None else self.centred + other.centred
        )
        return Sums(self.clips + other.clips, self.total + other.total, both)

    @property
    def mean(self) -> Float64Array:
        """The mean log scores (K,)."""
        return self.total / self.clips

    @property
    def centred_mean(self) -> Float64Array | None:
        """That of the second model."""
        return None if self.centred is None else self.centred / self.clips

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        record = {"clips": self.clips, "total": self.total.tolist()}
        return record if self.centred is None else {**record, "centred": self.centred.tolist()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Sums":
        """Read what ``to_dict`` returned."""
        centred = np.array(record["centred"], np.float64) if "centred" in record else None
        return cls(int(record["clips"]), np.array(record["total"], np.float64), centred)


def _checked(name: str, given: Any, shape: tuple[int, ...]) -> Float64Array:
    values = np.asarray(given, np.float64)
    require(
        values.ndim == 1 and values.shape == shape and bool(np.isfinite(values).all()),
        f"{name} of a person must be finite numbers (K,), got {given}",
    )
    return frozen_array(values)


@dataclass(frozen=True, slots=True, eq=False)
class BranchStatistics(Value):
    """What is known of one person in one branch.

    every: sums over all clips that have scores of the branch.
    shares: (K,) float64, the sum of their sharpened scores.
    neutral: sums over those of them that were declared neutral; None if none was.

    Raises InvalidInputError if these do not fit together.
    """

    every: Sums
    shares: Float64Array
    neutral: Sums | None = None

    def __post_init__(self) -> None:
        shares = _checked("shares", self.shares, self.every.total.shape)
        require(
            bool((shares >= 0).all()) and shares.sum() > 0, f"shares must be >= 0, got {shares}"
        )
        set_field(self, "shares", shares)
        require(
            self.neutral is None
            or (
                self.neutral.total.shape == shares.shape and self.neutral.clips <= self.every.clips
            ),
            "neutral clips are among all clips of a person",
        )

    @classmethod
    def of(cls, reading: Reading, branch: str, *, neutral: bool = False) -> "BranchStatistics":
        """Of one clip."""
        logs = reading.log_scores[branch]
        one = Sums(1, logs, reading.centred.get(branch))
        return cls(one, softmax(_SHARPENED * logs), one if neutral else None)

    def plus(self, one: "BranchStatistics") -> "BranchStatistics":
        """With further clips."""
        neutral = one.neutral if self.neutral is None else self.neutral.plus(one.neutral)
        return BranchStatistics(self.every.plus(one.every), self.shares + one.shares, neutral)

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
        clips = self.every.clips
        return min(max(varied, 0.0), 1.0) * clips / (clips + PRIOR_CLIPS)

    @property
    def neutral_trust(self) -> float:
        """How far the mean of neutral clips is taken for it, where that mean is not trusted."""
        clips = self.neutral.clips if self.neutral is not None else 0
        return (1 - self.trust) * NEUTRAL_TRUST * clips / (clips + NEUTRAL_PRIOR_CLIPS)

    def shift(self, population: BranchPopulation) -> Shift:
        """Put the population's means in the place of the person's, as far as these are trusted."""
        trust, share = self.trust, 0.0
        if self.every.centred_mean is not None and population.centred is not None:
            share = CENTRED_SHARE * trust
            shift = share * (population.centred - self.every.centred_mean)
        else:
            shift = trust * (population.mean - self.every.mean)
        if self.neutral is None or population.neutral is None:
            return Shift(shift, share)
        trust = self.neutral_trust
        if self.neutral.centred_mean is not None and population.centred_neutral is not None:
            share += trust
            shift = shift + trust * (population.centred_neutral - self.neutral.centred_mean)
        return Shift(shift + (1 - share) * trust * (population.neutral - self.neutral.mean), share)

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        record = {**self.every.to_dict(), "shares": self.shares.tolist()}
        return record if self.neutral is None else record | {"neutral": self.neutral.to_dict()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "BranchStatistics":
        """Read what ``to_dict`` returned."""
        neutral = Sums.from_dict(record["neutral"]) if "neutral" in record else None
        return cls(Sums.from_dict(record), np.array(record["shares"], np.float64), neutral)


@dataclass(frozen=True, slots=True, eq=False)
class Statistics(Value):
    """What is known of one person: sums over clips (or windows), by branch.

    clips: how many were added. seconds: the sum of theirs, see ``Reading``.
    branches: by the dotted name of the branch, as in ``Reading``.
    neutral: how many of the clips were declared neutral.
    """

    clips: int = 0
    seconds: float = 0.0
    branches: Mapping[str, BranchStatistics] = field(default_factory=dict)
    neutral: int = 0

    def __post_init__(self) -> None:
        require(
            0 <= self.neutral <= self.clips and is_finite(self.seconds) and self.seconds >= 0,
            "statistics need counts and seconds >= 0, got"
            f" {self.clips}, {self.neutral} of them neutral, and {self.seconds}",
        )
        most = max((each.every.clips for each in self.branches.values()), default=0)
        require(most <= self.clips, f"a branch has {most} of a person's {self.clips} clips")
        set_field(self, "branches", MappingProxyType(dict(self.branches)))

    @classmethod
    def empty(cls) -> "Statistics":
        """Of nobody yet."""
        return cls()

    def plus(self, reading: Reading, *, neutral: bool = False) -> "Statistics":
        """With one more clip or window. neutral: somebody declares that it shows no emotion."""
        branches = dict(self.branches)
        for name in reading.log_scores:
            one = BranchStatistics.of(reading, name, neutral=neutral)
            branches[name] = branches[name].plus(one) if name in branches else one
        seconds = self.seconds + reading.seconds
        return Statistics(self.clips + 1, seconds, branches, self.neutral + neutral)

    def check(self, leaves: Sequence[str], labels: Sequence[str]) -> None:
        """Raise InvalidInputError unless they fit the leaves and labels of a bundle."""
        sizes = {name: len(each.shares) for name, each in self.branches.items()}
        wrong = misfit("baseline", sizes, leaves, labels)
        require(not wrong, wrong)

    def lacking(self, population: Population | None) -> Lacking | None:
        """Why a person cannot be judged against these; None if it is possible."""
        if population is None or not population.branches:
            return "no_population"
        return None if self.enough else "too_little"

    @property
    def enough(self) -> bool:
        """Whether there are clips enough to read others against."""
        return self.clips >= FEWEST_CLIPS or self.neutral > 0

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
            "neutral": self.neutral,
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
            int(record["neutral"]),
        )
