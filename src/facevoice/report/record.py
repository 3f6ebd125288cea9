"""The report as JSON, as docs/report.schema.json describes it. Shares are 0 to 1; NaN is null."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.report.card import JointSearch, NodeWeights, RareClasses, ReportCard
from facevoice.scores.metrics import Calibration, ConfusionMatrix, Figures, Interval, PairedTest

SCHEMA_VERSION: Final = "1.0"


def report_record(card: ReportCard) -> dict[str, Any]:
    """Everything in the card, ready for JSON."""
    data = card.data
    return {
        "schema_version": SCHEMA_VERSION,
        "title": card.title,
        "command": card.command,
        "date": card.date,
        "versions": dict(card.versions),
        "data": {
            "name": data.name,
            "sha256": data.sha256,
            "split": data.split,
            "clips": data.labelled,
            "groups": data.groups,
            "support": dict(data.support),
            "coverage": {name: _number(share) for name, share in data.coverage.items()},
            "missing": {name: dict(codes) for name, codes in data.missing.items()},
        },
        "leak": {"verdict": card.leak.verdict, "findings": list(card.leak.findings)},
        "search": dict(card.search),
        "system": figures_record(card.system),
        "branches": [figures_record(each) for each in card.branches],
        "comparison": {
            "best_branch": card.comparison.branch,
            "paired_by": "group" if card.by_group else "clip",
            "war": _test(card.comparison.war),
            "uar": _test(card.comparison.uar),
        },
        "weights": [_node(each) for each in card.weights],
        "joint": None if card.joint is None else _joint(card.joint),
        "ablation": [
            {
                "without": each.branch,
                "war": _number(each.war.without),
                "uar": _number(each.uar.without),
                "war_test": _test(each.war.test),
                "uar_test": _test(each.uar.test),
            }
            for each in card.ablation
        ],
        "groups": _groups(card),
        "risk_coverage": _risk(card),
        "rare_classes": None if card.rare is None else _rare(card.rare),
        "notes": list(card.notes),
    }


def figures_record(figures: Figures) -> dict[str, Any]:
    """One system's figures."""
    matrix = figures.matrix
    return {
        "name": figures.name,
        "war": _number(matrix.war),
        "war_interval": _interval(figures.war),
        "war_interval_by_group": None
        if figures.war_by_group is None
        else _interval(figures.war_by_group),
        "uar": _number(matrix.uar),
        "uar_interval": _interval(figures.uar),
        "macro_f1": _number(matrix.macro_f1),
        "macro_f1_interval": _interval(figures.macro_f1),
        "coverage": _number(figures.coverage),
        "calibration": None if figures.calibration is None else _calibration(figures.calibration),
        "confusion": _confusion(matrix),
    }


def _confusion(matrix: ConfusionMatrix) -> dict[str, Any]:
    return {
        "labels": list(matrix.labels),
        "counts": matrix.counts.tolist(),
        "unanswered": matrix.unanswered.tolist(),
        "recall": _numbers(matrix.recall),
        "precision": _numbers(matrix.precision),
        "f1": _numbers(matrix.f1),
    }


def _calibration(calibration: Calibration) -> dict[str, Any]:
    bins = calibration.bins
    return {
        "log_loss": _number(calibration.log_loss),
        "brier": _number(calibration.brier),
        "ece": _number(calibration.ece),
        "ece_if_calibrated": _number(calibration.ece_calibrated),
        "bins": {
            "edges": _numbers(bins.edges),
            "count": bins.count.tolist(),
            "confidence": _numbers(bins.confidence),
            "accuracy": _numbers(bins.accuracy),
        },
    }


def _node(node: NodeWeights) -> dict[str, Any]:
    return {
        "name": node.name,
        "members": list(node.members),
        "weights": _numbers(node.weights),
        "share": _numbers(node.share),
        "rule": node.rule,
        "temperature": _number(node.adjustment.temperature),
        "class_scale": _optional(node.adjustment.class_scale),
        "class_offsets": _optional(node.adjustment.class_offsets),
        "optimal_vectors": node.optimal,
        "lowest": None if node.lowest is None else _numbers(node.lowest),
        "highest": None if node.highest is None else _numbers(node.highest),
        "folds": None if node.folds is None else [_numbers(fold) for fold in node.folds],
    }


def _joint(joint: JointSearch) -> dict[str, Any]:
    return {
        "members": list(joint.members),
        "share": _numbers(joint.share),
        "share_node_by_node": _numbers(joint.by_node),
        "objective": joint.objective,
        "fitted": _number(joint.fitted),
        "fitted_node_by_node": None
        if joint.fitted_by_node is None
        else _number(joint.fitted_by_node),
        "figures": figures_record(joint.figures),
        "war_test": _test(joint.war),
    }


def _groups(card: ReportCard) -> dict[str, Any] | None:
    if card.groups is None:
        return None
    return {
        "names": list(card.groups.groups),
        "clips": card.groups.size.tolist(),
        "war": _numbers(card.groups.war),
        "deviation": _number(card.groups.deviation),
    }


def _risk(card: ReportCard) -> dict[str, Any] | None:
    if card.risk is None:
        return None
    return {
        "threshold": _numbers(card.risk.threshold),
        "coverage": _numbers(card.risk.coverage),
        "risk": _numbers(card.risk.risk),
        "area": _number(card.risk.area),
        "abstain_below": card.abstain_below,
    }


def _rare(rare: RareClasses) -> dict[str, Any]:
    return {
        "fitted": "other folds of these clips" if rare.nested else "with the weights",
        "offsets": _numbers(rare.offsets),
        "scale": None if rare.scale is None else _numbers(rare.scale),
        "war": [_number(rare.before.war), _number(rare.after.war)],
        "uar": [_number(rare.before.uar), _number(rare.after.uar)],
        "macro_f1": [_number(rare.before.macro_f1), _number(rare.after.macro_f1)],
        "recall": [_numbers(rare.before.recall), _numbers(rare.after.recall)],
        "uar_test": _test(rare.test),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "low": _number(interval.low),
        "high": _number(interval.high),
        "level": interval.level,
        "method": interval.method,
        "units": interval.units,
        "caution": interval.caution,
    }


def _test(test: PairedTest) -> dict[str, Any]:
    return {
        "difference": _number(test.difference),
        "p_value": _number(test.p_value),
        "exact": test.exact,
        "units": test.units,
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _optional(values: tuple[float, ...]) -> list[float | None] | None:
    return _numbers(np.array(values)) if values else None


def _numbers(values: NDArray[Any]) -> list[float | None]:
    return [_number(value) for value in values]
