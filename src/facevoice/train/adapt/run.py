"""Few labelled clips -> a bundle fitted to them: last layers, temporal part, fusion, calibration.

The networks stay as they are. Every figure is out of fold: whole groups (speakers) are held out
while heads are chosen and fitted, and again while weights and temperatures are.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.reweigh import bundle_fusion
from facevoice.errors import DatasetError, RecipeError
from facevoice.scores.metrics import evaluate
from facevoice.scores.search import WeightTree, fit_nested
from facevoice.scores.table import ScoreTable
from facevoice.train.adapt.bundle import finished, write_bundle
from facevoice.train.adapt.features import LeafFeatures, Progress, read_leaves
from facevoice.train.adapt.heads import (
    Clips,
    Refit,
    Rows,
    Temporal,
    adapted_name,
    kinds,
    refit,
)
from facevoice.train.adapt.weights import weighed
from facevoice.train.prepare.folder import Prepared
from facevoice.types import Float64Array

_FEWEST_GROUPS: Final = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may choose.

    views: copies of each clip that heads learn from, the first one unchanged. seed: of views,
        folds and fits. temporal: the part that reads faces over time, or a choice among both.
    """

    views: int = 4
    seed: int = 0
    temporal: Temporal = "choose"

    def __post_init__(self) -> None:
        if self.views < 1 or self.seed < 0:
            raise RecipeError(
                f"views must be at least 1 and seed at least 0, got {self.views} and {self.seed}"
            )


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was fitted on some clips.

    refits: by the name of the refitted branch. tree: weights over original or refitted branches.
    held_out: out-of-fold scores of all branches. fused: (R, K) out-of-fold scores of the tree.
    notes: what could not be done, and why.
    """

    refits: Mapping[str, Refit]
    tree: WeightTree
    held_out: ScoreTable
    fused: Float64Array
    notes: tuple[str, ...] = ()

    def table(self, leaves: Sequence[LeafFeatures], clips: Clips, rows: Rows) -> ScoreTable:
        """The scores of original and refitted branches on any clips, for ``tree`` to fuse."""
        return _table(leaves, self.refits, clips, rows, self.held_out.labels)


def adapt(
    bundle: str | Path,
    data: Prepared,
    output: Path,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a bundle adapted to the clips; one that was made of the same inputs stays.

    Raises:
        RecipeError: the data or the bundle does not allow it, see ``check_data``.
        DatasetError: too few clips of a label.
        BundleError: no such bundle.
        OutputError: a file cannot be written.
    """
    settings = settings or Settings()
    base = load_bundle(bundle)
    check_data(base, data)
    if finished(output, base, data, settings):
        return output
    clips = clips_of(base, data, settings)
    with tempfile.TemporaryDirectory(prefix="facevoice-") as work:
        leaves = read_leaves(
            base, data, Path(work), views=settings.views, seed=settings.seed, progress=progress
        )
    rows = np.arange(len(data.ids))
    adapted = fit(leaves, clips, rows, base, settings.temporal)
    figures = figures_of(adapted, base)
    write_bundle(base, data, settings, leaves, adapted, figures, output)
    return output


def check_data(bundle: Bundle, data: Prepared) -> None:
    """Raise RecipeError or DatasetError where nothing can be learnt from the data."""
    source = bundle.card["provenance"].get("adapted")
    if source is not None:
        name = source["inputs"]["bundle"]["name"]
        raise RecipeError(f"{bundle.folder} is adapted already: adapt {name}, which it came from")
    if data.content != "clips":
        raise RecipeError(f"adapting reads clips; {data.folder} holds {data.content}")
    used = [data.labels[label] for label in np.unique(data.y)]
    unknown = [label for label in used if label not in bundle.labels]
    if unknown:
        raise RecipeError(
            f"{data.folder} has the labels {', '.join(unknown)}; the bundle {bundle.name} knows"
            f" {', '.join(bundle.labels)}"
        )
    groups = np.array(data.groups)
    count = len(np.unique(groups))
    if count < _FEWEST_GROUPS:
        raise RecipeError(
            f"{data.folder} holds clips of {count} group (speaker): at least {_FEWEST_GROUPS} are"
            " needed, so that one can be held out"
        )
    if len(used) < 2:
        raise DatasetError(f"{data.folder} holds the label {used[0]} alone: nothing to tell apart")
    for label in used:
        own = data.y == data.labels.index(label)
        if len(np.unique(groups[own])) < _FEWEST_GROUPS:
            raise DatasetError(
                f"too few clips of {label}: {int(own.sum())} of one group (speaker); at least"
                f" {_FEWEST_GROUPS} groups must show it"
            )


def clips_of(bundle: Bundle, data: Prepared, settings: Settings) -> Clips:
    """The clips with labels as the bundle numbers them."""
    index = {place: bundle.labels.index(data.labels[place]) for place in np.unique(data.y)}
    y = np.array([index[place] for place in data.y], np.int64)
    return Clips(y, np.array(data.groups), len(bundle.labels), settings.seed)


def fit(
    leaves: Sequence[LeafFeatures],
    clips: Clips,
    rows: Rows,
    bundle: Bundle,
    temporal: Temporal = "choose",
) -> Adapted:
    """Refit the branches of a bundle on some clips, and weigh what is better, old or new.

    Raises:
        RecipeError: no branch of the bundle can be adapted on these clips.
    """
    notes: list[str] = []
    plans = {}
    for leaf in leaves:
        tried = kinds(leaf, temporal)
        heard = rows[leaf.speaks[rows]]
        if not tried:
            notes.append(f"{leaf.name} stays as it is: no clip speaks to it, or it has no network")
        elif not _enough(clips, heard):
            notes.append(f"{leaf.name} stays as it is: too few {leaf.modality} clips")
        else:
            plans[leaf.name] = leaf, tried
    if not plans:
        raise RecipeError("no branch of the bundle can be adapted: " + "; ".join(notes))
    held_out = _table(leaves, {}, clips, rows, bundle.labels)
    folds = clips.folds(rows)
    refits = {}
    for name, (leaf, tried) in plans.items():
        scores = np.full((len(rows), clips.size), np.nan)
        for fold in np.unique(folds):
            part = refit(leaf, clips, rows[folds != fold], tried)
            scores[folds == fold] = part.scores(leaf, rows[folds == fold])
        held_out = held_out.with_branch(adapted_name(name), scores)
        refits[adapted_name(name)] = refit(leaf, clips, rows, tried)
    top = str(bundle.card["tree"]["name"])
    root = top if top not in held_out.branches else "system"

    def weigh(table: ScoreTable) -> WeightTree:
        return weighed(table, leaves, refits, root)

    nested = fit_nested(held_out, weigh, folds=folds)
    return Adapted(refits, weigh(held_out), held_out, nested.scores, tuple(notes))


def _enough(clips: Clips, rows: Rows) -> bool:
    """Whether two groups and two labels are left, wherever one group is held out."""
    groups = np.unique(clips.groups[rows])
    rest = [clips.y[rows[clips.groups[rows] != group]] for group in groups]
    return len(groups) >= _FEWEST_GROUPS and all(len(np.unique(part)) > 1 for part in rest)


def _table(
    leaves: Sequence[LeafFeatures],
    refits: Mapping[str, Refit],
    clips: Clips,
    rows: Rows,
    labels: Sequence[str],
) -> ScoreTable:
    table = ScoreTable.of_arrays(
        np.stack([leaf.scores[rows] for leaf in leaves], axis=1),
        clips.y[rows],
        branches=[leaf.name for leaf in leaves],
        labels=labels,
        groups=clips.groups[rows],
    )
    for leaf in leaves:
        name = adapted_name(leaf.name)
        if name in refits:
            table = table.with_branch(name, refits[name].scores(leaf, rows))
    return table


def figures_of(adapted: Adapted, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Out-of-fold WAR with its Wilson interval, and UAR, of every branch, before and after."""
    table = adapted.held_out
    before = table.scores[:, 0]
    if "members" in bundle.card["tree"]:
        before = bundle_fusion(bundle.card).fuse(table)
    columns = {name: table.column(name) for name in table.branches}
    columns |= {"fused before": before, "fused after": adapted.fused}
    columns = {name: scores for name, scores in columns.items() if np.isfinite(scores).any()}
    return {
        f"{name}, out of fold": evaluate(table, scores).rounded(
            "count", "war", "war_low", "war_high", "uar", "log_loss"
        )
        for name, scores in columns.items()
    }
