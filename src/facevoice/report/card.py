"""Everything that a report shows; ``report_card`` fills it, the formats only render it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facevoice.branches import Adjustment
from facevoice.report.leaks import LeakStatus
from facevoice.scores.calibration import RiskCoverage
from facevoice.scores.metrics import ConfusionMatrix, Figures, GroupSpread, PairedTest
from facevoice.scores.search import Contribution
from facevoice.types import Float64Array


@dataclass(frozen=True, slots=True, repr=False)
class Data:
    """The clips: where from, how many, and what is missing.

    name: of the file. coverage: share of the clips that each branch scores.
    missing: clips by branch and reason.
    groups: speakers or films; 0 if unknown.
    """

    name: str
    sha256: str
    split: str
    clips: int
    labelled: int
    groups: int
    support: Mapping[str, int]
    coverage: Mapping[str, float]
    missing: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, repr=False)
class NodeWeights:
    """One node's weights.

    share: (B,) weights scaled to sum 1. lowest, highest: (B,) range over all vectors that did
    equally well in the search, in the search's own scale; None without a grid.
    folds: (F, B) shares found in each fold; None without folds.
    rule: "sum" or "product", see ``branches.Blend``.
    """

    name: str
    members: tuple[str, ...]
    weights: Float64Array
    share: Float64Array
    lowest: Float64Array | None
    highest: Float64Array | None
    optimal: int | None
    folds: Float64Array | None
    adjustment: Adjustment
    rule: str


@dataclass(frozen=True, slots=True, repr=False)
class JointSearch:
    """A search over all branches at once, for comparison with the search node by node.

    share: (B,) weights scaled to sum 1. by_node: (B,) what each branch weighs in the whole tree.
    fitted, fitted_by_node: the objective on the clips fitted on; the latter None without a grid.
    figures: on the clips judged. war: this fusion against it, paired.
    """

    members: tuple[str, ...]
    share: Float64Array
    by_node: Float64Array
    objective: str
    fitted: float
    fitted_by_node: float | None
    figures: Figures
    war: PairedTest


@dataclass(frozen=True, slots=True, repr=False)
class RareClasses:
    """What offsets for rare classes, or vector scaling, change.

    offsets: (K,) in nats; stored ones, or the mean over folds. scale: (K,) of vector scaling.
    nested: fitted on other folds of these clips, not stored with the weights.
    """

    nested: bool
    offsets: Float64Array
    scale: Float64Array | None
    before: ConfusionMatrix
    after: ConfusionMatrix
    test: PairedTest


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """The fusion against the best single branch (by WAR on these clips)."""

    branch: str
    war: PairedTest
    uar: PairedTest


@dataclass(frozen=True, slots=True, repr=False)
class Ablation:
    """What a branch contributes: WAR and UAR with it minus those without it."""

    branch: str
    war: Contribution
    uar: Contribution


@dataclass(frozen=True, slots=True, repr=False)
class ReportCard:
    """All figures of a fusion on labelled clips.

    by_group: whether tests swap whole groups, because groups are known.
    notes: what could not be computed, and why.
    """

    title: str
    command: str
    date: str
    versions: Mapping[str, str]
    data: Data
    leak: LeakStatus
    search: Mapping[str, Any]
    system: Figures
    branches: tuple[Figures, ...]
    comparison: Comparison
    weights: tuple[NodeWeights, ...]
    joint: JointSearch | None
    ablation: tuple[Ablation, ...]
    groups: GroupSpread | None
    risk: RiskCoverage | None
    abstain_below: float | None
    rare: RareClasses | None
    by_group: bool
    notes: tuple[str, ...]
