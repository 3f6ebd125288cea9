"""The scores of one clip or window, read against the person's own baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from facevoice.branches import Branch, FusionBranch
from facevoice.branches.base import softmax
from facevoice.person.estimator import Shift, Statistics
from facevoice.person.population import Population
from facevoice.person.readings import Reading
from facevoice.types import Scores

Reason = Literal["no_baseline", "no_population", "too_little", "nothing_scored"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
"""Why there is no personal answer, though one was asked for."""


@dataclass(frozen=True, slots=True)
class Personal:
    """A clip read against the person's own baseline.

    scores: over the bundle's labels, with parts by branch, as the plain scores have them.
    clips, seconds: what the baseline rests on.
    """

    scores: Scores
    clips: int
    seconds: float

    @property
    def emotion(self) -> str:
        """The label with the highest score."""
        return self.scores.emotion

    @property
    def confidence(self) -> float:
        """The highest score."""
        return self.scores.confidence


def personal_of(
    tree: Branch,
    population: Population | None,
    statistics: Statistics,
    scores: Scores | None,
    reading: Reading | None,
) -> tuple[Personal | None, Reason | None]:
    """Read a clip against statistics of its person: the personal answer, or why there is none.

    scores, reading: of the clip; None if nothing could be scored.
    """
    if scores is None or reading is None:
        return None, "nothing_scored"
    lacking = statistics.lacking(population)
    if lacking is not None or population is None:
        return None, lacking
    known = statistics.branches.keys() & reading.log_scores.keys()
    if not known:
        return None, "too_little"  # such as a voice, where only faces were enrolled
    if not known & population.branches.keys():
        return None, "no_population"
    found = shifted(tree, scores, reading, statistics.shift(population))
    return Personal(found, statistics.clips, statistics.seconds), None


def shifted(tree: Branch, scores: Scores, reading: Reading, shifts: Mapping[str, Shift]) -> Scores:
    """A tree's scores with the log scores of its leaves shifted, fused by the tree's own fusions.

    shifts: by the dotted name of a leaf. A leaf without one, or with one that changes nothing,
    keeps its scores to the last digit; so do the fusions above.
    """
    found = _shifted(tree, scores, reading, shifts, "")
    return scores if found is None else found


def _shifted(
    branch: Branch,
    scores: Scores | None,
    reading: Reading,
    shifts: Mapping[str, Shift],
    prefix: str,
) -> Scores | None:
    if scores is None:
        return None
    if isinstance(branch, FusionBranch):
        return branch.combine(
            {
                member.name: _shifted(
                    member,
                    scores.parts.get(member.name),
                    reading,
                    shifts,
                    f"{prefix}{member.name}.",
                )
                for member in branch.members
            }
        )
    name = prefix.rstrip(".") or branch.name
    shift = shifts.get(name)
    if shift is None or not shift:
        return scores
    return Scores(scores.labels, softmax(shift(reading, name)))
