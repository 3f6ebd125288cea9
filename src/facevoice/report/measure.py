"""Measuring a fusion on labelled clips: everything that a report card holds."""

import datetime as dt
from collections.abc import Callable

import numpy as np

from facevoice.branches import Adjustment
from facevoice.datasets.names import SPLITS
from facevoice.errors import InvalidInputError
from facevoice.report.card import (
    Ablation,
    Comparison,
    Data,
    JointSearch,
    NodeWeights,
    RareClasses,
    ReportCard,
)
from facevoice.report.leaks import fitted_clips, leak_status
from facevoice.scores import metrics
from facevoice.scores.calibration import nested_class_offsets, risk_coverage
from facevoice.scores.metrics import ConfusionMatrix, Figures, GroupSpread, evaluate
from facevoice.scores.provenance import fingerprint, groups_known, versions
from facevoice.scores.search import WeightTree, best_branch, compare, leave_one_branch_out
from facevoice.scores.table import (
    USELESS,
    ScoreTable,
    grouped_folds,
    known_clips,
    refuse,
    taught_in,
)
from facevoice.scores.weights_file import FittedFusion
from facevoice.types import Float64Array


def report_card(  # noqa: PLR0913 - one keyword per option
    table: ScoreTable,
    fitted: FittedFusion,
    *,
    split: str | None = None,
    name: str = "score table",
    title: str = "Report card",
    command: str = "",
    resamples: int = 1000,
    seed: int = 0,
    allow_trained: bool = False,
) -> ReportCard:
    """Measure a fusion on the labelled clips of a table.

    Args:
        table: clips with all splits, so that leaks between them are found.
        fitted: what to measure; ``FittedFusion(tree)`` for weights from elsewhere.
        split: the clips to judge; None judges all clips, which must be of one split.
        name: of the data, as the report shows it.
        title: heading.
        command: the exact command, as the report shows it.
        resamples: of each bootstrap.
        seed: of everything random.
        allow_trained: also judge clips that taught what scored them, or that the weights were
            fitted on; the leak status then says so.

    Raises:
        InvalidInputError: several splits and none was chosen, no labelled clip, or a branch that
            the fusion reads is missing.
        DatasetError: there are such clips, and they are not allowed.
    """
    judged = one_split(table, split)
    judged = judged.rows(judged.labelled)
    if not len(judged):
        raise InvalidInputError("no clip to judge has a known truth")
    leaves = judged.select(fitted.leaves)
    if not allow_trained:
        refuse(taught_in(judged), USELESS)
        again = fitted_clips(leaves, fitted)
        refuse(known_clips("the weights were fitted on", judged.ids.tolist(), again), USELESS)
    scores = fitted.fuse(leaves)
    by_group = groups_known(judged)
    notes: list[str] = []

    def figures(values: Float64Array, whose: str) -> Figures:
        return evaluate(judged, values, whose, resamples=resamples, seed=seed)

    system = figures(scores, "fusion")
    unread = [branch for branch in judged.branches if branch not in leaves.branches]
    if unread:
        notes.append(f"Not used by the fusion: {', '.join(unread)}.")
    return ReportCard(
        title=title,
        command=command,
        date=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=versions(),
        data=_data(judged, name),
        leak=leak_status(table, judged, fitted),
        search=fitted.search,
        system=system,
        branches=tuple(figures(judged.column(each), each) for each in judged.branches),
        comparison=_comparison(leaves, scores, by_group=by_group),
        weights=_weights(fitted),
        joint=_joint(leaves, fitted, figures, by_group=by_group),
        ablation=_ablation(leaves, fitted, by_group=by_group),
        groups=_spread(judged, scores) if by_group else None,
        risk=risk_coverage(scores, judged.truth) if system.coverage else None,
        abstain_below=fitted.abstain_below,
        rare=_rare(leaves, fitted, scores, notes, seed),
        by_group=by_group,
        notes=tuple(notes),
    )


def one_split(table: ScoreTable, split: str | None) -> ScoreTable:
    """The clips of a split (dev finds val, see ``datasets.names``); None: all, if of one split.

    Raises:
        InvalidInputError: no such split, or several and none was chosen.
    """
    if split is not None:
        known = split in table.splits
        return table.split(split if known else SPLITS.get(split.lower(), split))
    names = [str(name) for name in np.unique(table.splits)]
    if len(names) > 1:
        listed = ", ".join(repr(name) for name in names)
        raise InvalidInputError(f"the table has the splits {listed}: choose one (--split)")
    return table


def _data(judged: ScoreTable, name: str) -> Data:
    support = np.bincount(judged.truth[judged.labelled], minlength=len(judged.labels))
    missing: dict[str, dict[str, int]] = {}
    for place, branch in enumerate(judged.branches):
        silent = ~judged.present[:, place]
        codes, counts = np.unique(judged.missing[silent, place], return_counts=True)
        if silent.any():
            missing[branch] = {
                str(code) or "no reason noted": int(count)
                for code, count in zip(codes, counts, strict=True)
            }
    return Data(
        name=name,
        sha256=fingerprint(judged),
        split=str(judged.splits[0]),
        clips=len(judged),
        labelled=int(judged.labelled.sum()),
        groups=len(np.unique(judged.groups)) if groups_known(judged) else 0,
        support={label: int(count) for label, count in zip(judged.labels, support, strict=True)},
        coverage=judged.coverage(),
        missing=missing,
    )


def _comparison(leaves: ScoreTable, scores: Float64Array, *, by_group: bool) -> Comparison:
    best = best_branch(leaves)
    single = leaves.column(best)
    return Comparison(
        best,
        compare(leaves, scores, single, figure="war", by_group=by_group),
        compare(leaves, scores, single, figure="uar", by_group=by_group),
    )


def _ablation(leaves: ScoreTable, fitted: FittedFusion, *, by_group: bool) -> tuple[Ablation, ...]:
    if len(leaves.branches) < 2:
        return ()
    war = leave_one_branch_out(leaves, fitted, figure="war", by_group=by_group)
    uar = leave_one_branch_out(leaves, fitted, figure="uar", by_group=by_group)
    return tuple(Ablation(one.branch, one, two) for one, two in zip(war, uar, strict=True))


def _spread(judged: ScoreTable, scores: Float64Array) -> GroupSpread:
    return metrics.group_spread(judged.truth, metrics.predicted_classes(scores), judged.groups)


def _weights(fitted: FittedFusion) -> tuple[NodeWeights, ...]:
    if not isinstance(fitted.fusion, WeightTree):
        return ()
    searched = {str(each["name"]): each for each in fitted.search.get("nodes", ())}
    folds = fitted.search.get("fold_weights", {})
    nodes = []
    for node in fitted.fusion.nodes:
        weights = np.array(node.weights)
        found = searched.get(node.name)
        nodes.append(
            NodeWeights(
                node.name,
                node.members,
                weights,
                weights / weights.sum(),
                None if found is None else np.array(found["lowest"], np.float64),
                None if found is None else np.array(found["highest"], np.float64),
                None if found is None else int(found["optimal"]),
                np.array(folds[node.name], np.float64) if node.name in folds else None,
                node.adjustment,
                node.rule,
            )
        )
    return tuple(nodes)


def _joint(
    leaves: ScoreTable,
    fitted: FittedFusion,
    figures: Callable[[Float64Array, str], Figures],
    *,
    by_group: bool,
) -> JointSearch | None:
    found = fitted.search.get("joint")
    if found is None or not isinstance(fitted.fusion, WeightTree):
        return None
    rule = fitted.search.get("rule", "sum")
    tree = WeightTree.of(found["members"], found["weights"], "joint", rule)
    searched = {str(each["name"]): each for each in fitted.search.get("nodes", ())}
    root = searched.get(fitted.fusion.root.name)
    weights = np.array(found["weights"], np.float64)
    scores = tree.fuse(leaves)
    shares = fitted.fusion.leaf_shares()
    return JointSearch(
        members=tree.leaves,
        share=weights / weights.sum(),
        by_node=np.array([shares.get(member, 0.0) for member in tree.leaves]),
        objective=str(found["objective"]),
        fitted=float(found["value"]),
        fitted_by_node=None if root is None else float(root["value"]),
        figures=figures(scores, "all branches at once"),
        war=compare(leaves, fitted.fuse(leaves), scores, figure="war", by_group=by_group),
    )


def _rare(
    leaves: ScoreTable, fitted: FittedFusion, scores: Float64Array, notes: list[str], seed: int
) -> RareClasses | None:
    scale = None
    if isinstance(fitted.fusion, WeightTree) and fitted.adjustment.moves_classes:
        nested, stored = False, fitted.adjustment
        plain = Adjustment(temperature=stored.temperature)
        before, after = fitted.fusion.adjusted(plain).fuse(leaves), scores
        offsets = np.array(stored.class_offsets or [0.0] * len(leaves.labels))
        scale = np.array(stored.class_scale) if stored.class_scale else None
    else:
        nested, before = True, scores
        folds = min(5, len(np.unique(leaves.groups)))
        if folds < 2:
            notes.append("There is only one group: no class offsets could be fitted on others.")
            return None
        fold_of = grouped_folds(leaves, folds, seed)
        try:
            after, found = nested_class_offsets(before, leaves.truth, fold_of)
        except InvalidInputError as error:
            notes.append(f"No class offsets: {error}.")
            return None
        offsets = np.mean([each.class_offsets for each in found], axis=0)
    return RareClasses(
        nested,
        offsets,
        scale,
        ConfusionMatrix.of_scores(before, leaves.truth, leaves.labels),
        ConfusionMatrix.of_scores(after, leaves.truth, leaves.labels),
        compare(leaves, after, before, figure="uar", by_group=groups_known(leaves)),
    )
