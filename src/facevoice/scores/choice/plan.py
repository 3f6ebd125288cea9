"""The settings of a search for weights, and what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from facevoice.branches.blend import Rule
from facevoice.errors import InvalidInputError
from facevoice.scores.search import GridResult
from facevoice.scores.search.grid import Objective
from facevoice.scores.weights_file import FittedFusion
from facevoice.types import Float64Array

Members = Mapping[str, Sequence[str]]
"""Members of each node by its name, each node after its members; the last one is the result."""

CalibrationKind = Literal["temperature", "vector", "none"]


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The settings of a search.

    search: a name of ``SEARCHES``. nodes: see ``Members``.
    rule: of every blend; see ``branches.Blend``.
    objective: of the grid searches. step: of the grid; 1 / step is a whole number.
    folds: how many the search is repeated over, to measure it on held-out clips; groups stay whole.
    0: none. seed: of the folds.
    joint: also search all branches at once.
    calibration: of the last node: one temperature (no decision changes), scale and offset of every
        class, or none. A stacked regression is left as it is.
    class_offsets: fit offsets for rare classes towards this figure.
    abstain_risk: find the threshold below which to abstain, so that no more than this share
        of the answers is wrong.
    command: recorded with the weights.
    allow_trained: also fit on clips that taught what scored them, see ``ScoreTable.taught``; those
        that only validated it are always fine.

    Raises InvalidInputError if the parts contradict each other.
    """

    search: str
    nodes: Members
    objective: Objective = "war"
    step: float = 0.02
    folds: int = 0
    seed: int = 0
    joint: bool = False
    calibration: CalibrationKind = "temperature"
    class_offsets: Literal["war", "uar"] | None = None
    abstain_risk: float | None = None
    command: str = ""
    rule: Rule = "sum"
    allow_trained: bool = False

    def __post_init__(self) -> None:
        if self.class_offsets is not None and self.calibration == "vector":
            raise InvalidInputError(
                "vector scaling has offsets of its own: choose class offsets or vector scaling"
            )
        if self.class_offsets is not None and self.search == "stacking":
            raise InvalidInputError(
                "a stacked regression has an intercept for every class: class offsets apply"
                " to weights only"
            )

        if self.rule != "sum" and self.search in ("stacking", "published"):
            raise InvalidInputError(
                f"the search {self.search} cannot use a product, which is for searches that"
                " find their own weights"
            )

    @property
    def leaves(self) -> tuple[str, ...]:
        """The branches that are read, in order."""
        members = [member for each in self.nodes.values() for member in each]
        return tuple(dict.fromkeys(member for member in members if member not in self.nodes))


@dataclass(frozen=True, slots=True, repr=False)
class Choice:
    """What was found.

    fitted: what goes into weights.json.
    searches: grid results, leaves first; empty for searches without a grid.
    scores: (N, K) fused scores of the clips that the weights were chosen on: optimistic.
    held_out: (N, K) each clip fused with what was found without its fold; None without folds.
    joint: all branches in one node, where it was asked for.
    notes: what could not be done, and why.
    """

    fitted: FittedFusion
    searches: tuple[GridResult, ...]
    scores: Float64Array
    held_out: Float64Array | None
    joint: GridResult | None = None
    notes: tuple[str, ...] = field(default=())


def nodes_of(
    branches: Sequence[str], inner: Members | None = None, root: str = "system"
) -> dict[str, tuple[str, ...]]:
    """Members by node: those given, then a last node over all that is left.

    branches: of the table. inner: nodes, each after its members.

    Raises:
        InvalidInputError: a node has the name of a branch, or an unknown member.
    """
    nodes: dict[str, tuple[str, ...]] = {}
    for name, members in (inner or {}).items():
        known = [*branches, *nodes]
        unknown = [member for member in members if member not in known]
        if unknown:
            raise InvalidInputError(
                f"node {name!r} has the member {unknown[0]!r}; known: {', '.join(known)}"
            )
        if name in known:
            raise InvalidInputError(f"node {name!r} has the name of a branch or of another node")
        nodes[name] = tuple(members)
    taken = {member for members in nodes.values() for member in members}
    loose = tuple(name for name in (*branches, *nodes) if name not in taken)
    if len(loose) == 1 and nodes and loose[0] == [*nodes][-1]:
        return nodes
    return nodes | {root: loose}
