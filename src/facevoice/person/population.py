"""What the people of a bundle score on average: the block ``population`` of its bundle.json.

A person's own mean is taken away and this mean is put in its place, so that it decides what
someone without any habit looks and sounds like. It comes with the bundle, never from the clips that
are judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.types import Float64Array
from facevoice.types.checks import frozen_array, set_field
from facevoice.types.values import Value

_OPTIONAL: Final = ("centred", "neutral", "centred_neutral")


@dataclass(frozen=True, slots=True, eq=False)
class BranchPopulation(Value):
    """The population's log scores in one branch.

    mean: (K,) float64, the mean log scores: each class counts the same, and in it each person.
    clips, people: how many these are.
    centred: (K,) float64, the same of the branch's second model; None without one.
    neutral: (K,) float64, the mean of neutral clips, each person counting the same; None if there
        were none. centred_neutral: the same of the second model.

    Raises BundleError if they are not finite.
    """

    mean: Float64Array
    clips: int
    people: int
    centred: Float64Array | None = None
    neutral: Float64Array | None = None
    centred_neutral: Float64Array | None = None

    def __post_init__(self) -> None:
        for name in ("mean", *_OPTIONAL):
            given = getattr(self, name)
            if given is None and name in _OPTIONAL:
                continue
            values = np.asarray(given, np.float64)
            if values.shape != np.shape(self.mean) or values.ndim != 1:
                raise BundleError(f"a population's {name} must be numbers (K,), got {given}")
            if not np.isfinite(values).all():
                raise BundleError(f"a population's {name} must be finite numbers, got {given}")
            set_field(self, name, frozen_array(values))

    @classmethod
    def of(
        cls,
        log_scores: NDArray[Any],
        people: Sequence[str],
        truth: Sequence[int] | None = None,
        *,
        neutral: int | None = None,
    ) -> "BranchPopulation":
        """Of clips: (N, K) log scores of those that have any, and whose they are (N,).

        truth: (N,) class of each, < 0 where it is not known; None: all are of one class.
        neutral: which class that is.
        """
        _, rows = np.unique(np.asarray(people, np.str_), return_inverse=True)
        classes = np.zeros(len(rows), int) if truth is None else np.asarray(truth)
        means = {}
        for known in np.unique(classes[classes >= 0]) if (classes >= 0).any() else [-1]:
            own = classes == known
            each = [log_scores[own & (rows == row)].mean(axis=0) for row in np.unique(rows[own])]
            means[int(known)] = np.mean(each, axis=0)
        usual = None if truth is None or neutral is None else means.get(neutral)
        mean = np.mean([*means.values()], axis=0)
        return cls(mean, len(rows), len(np.unique(rows)), neutral=usual)


@dataclass(frozen=True, slots=True, eq=False)
class Population(Value):
    """The population of a bundle, by leaf branch; a branch may lack.

    branches: by the dotted name of the branch, as in ``Reading``.
    """

    branches: Mapping[str, BranchPopulation]

    def __post_init__(self) -> None:
        set_field(self, "branches", MappingProxyType(dict(self.branches)))

    @property
    def knows_neutral(self) -> bool:
        """Whether it has statistics of neutral clips."""
        return any(each.neutral is not None for each in self.branches.values())

    def check(self, leaves: Sequence[str], labels: Sequence[str]) -> None:
        """Raise BundleError unless it fits the leaves and labels of a bundle."""
        sizes = {name: len(each.mean) for name, each in self.branches.items()}
        if wrong := misfit("population", sizes, leaves, labels):
            raise BundleError(wrong)

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """The block of bundle.json."""
        return {
            name: {
                "mean": [round(value, digits) for value in each.mean.tolist()],
                "clips": each.clips,
                "people": each.people,
                **{
                    key: [round(value, digits) for value in values.tolist()]
                    for key in _OPTIONAL
                    if (values := getattr(each, key)) is not None
                },
            }
            for name, each in self.branches.items()
        }

    @classmethod
    def from_dict(cls, block: Mapping[str, Any]) -> "Population":
        """Read the block of bundle.json.

        Raises:
            BundleError: it is malformed.
        """
        try:
            return cls(
                {
                    name: BranchPopulation(
                        np.array(each["mean"], np.float64),
                        int(each["clips"]),
                        int(each["people"]),
                        **{key: np.array(each[key], float) for key in _OPTIONAL if key in each},
                    )
                    for name, each in block.items()
                }
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"the block population is malformed: {error!r}") from error


def misfit(
    what: str, sizes: Mapping[str, int], leaves: Sequence[str], labels: Sequence[str]
) -> str:
    """Why statistics by branch do not fit the leaves and labels of a bundle; "" if they do.

    what: the statistics are called so. sizes: how many values each branch has.
    """
    unknown = [name for name in sizes if name not in leaves]
    if unknown:
        known = ", ".join(leaves)
        return f"the {what} has statistics of {', '.join(unknown)}; the branches are: {known}"
    for name, size in sizes.items():
        if size != len(labels):
            return f"the {what} of {name} has {size} values for {len(labels)} labels"
    return ""
