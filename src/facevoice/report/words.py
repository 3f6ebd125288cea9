"""Numbers and sentences that the formats share. Plain text; each format escapes it."""

import math
from collections.abc import Iterator

import numpy as np

from facevoice.report.card import JointSearch, RareClasses, ReportCard
from facevoice.report.leaks import LeakStatus, Verdict
from facevoice.scores.metrics import Figures, Interval, PairedTest

LEAK_HEADINGS: dict[Verdict, str] = {
    "leak": "Leak found: do not trust these figures",
    "suspect": "Possible leak: check these clips",
    "unknown": "Leaks cannot be ruled out",
    "not looked for": "Clips that taught the models were not looked for",
    "none found": "No leak found in names, bytes and scores of the clips",
}
LEAK_CHECKED = (
    "No group is in two splits, no clip has the scores of another, no clip judged here was fitted"
    " on, and none with the same name and label, or the same bytes, taught what gave the scores, as"
    " far as the table and the weights show. Not compared: the speakers with those who taught it,"
    " and converted or cut copies under other names."
)


def leak_findings(leak: LeakStatus) -> tuple[str, ...]:
    """What is behind a heading of leaks: what was found, or else what was looked for."""
    return leak.findings or (LEAK_CHECKED,)


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 in percent, without the sign; a dash for NaN."""
    return f"{100 * share:.{digits}f}" if math.isfinite(share) else "–"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    value = 100 * difference
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{abs(value):.1f}"


def weight(value: float) -> str:
    """A weight in three digits."""
    return "< .001" if 0 < value < 0.001 else f"{value:.3g}"


def between(interval: Interval) -> str:
    """An interval in percent."""
    return f"{percent(interval.low)}–{percent(interval.high)}"


def ece(figures: Figures, *, calibrated: bool = False) -> str:
    """The calibration error in percent, or that of calibrated scores; a dash without scores."""
    if figures.calibration is None:
        return "–"
    return percent(figures.calibration.ece_calibrated if calibrated else figures.calibration.ece)


def p_value(test: PairedTest) -> str:
    """A p-value as it is usually written."""
    if test.p_value < 0.001:
        return "p < .001"
    return f"p = {test.p_value:.3f}".replace("0.", ".") if test.p_value < 1 else "p = 1"


def method(interval: Interval, groups: str = "groups") -> str:
    """How an interval was computed."""
    if interval.method == "wilson":
        return "Wilson"
    unit = groups if interval.method == "group bootstrap" else "clips"
    return f"bootstrap over {interval.units} {unit}"


def verdict(card: ReportCard) -> str:
    """What the comparison with the best single branch says, in one or two sentences."""
    test, branch = card.comparison.war, card.comparison.branch
    how = (
        f"({p_value(test)}, paired permutation by {'group' if card.by_group else 'clip'};"
        f" UAR {points(card.comparison.uar.difference)}, {p_value(card.comparison.uar)})"
    )
    gain = f"{points(test.difference)} points of WAR"
    if test.units == 0:
        return f"The fusion is right on the same clips as the best single branch, {branch}."
    if test.p_value >= 0.05:
        return (
            f"Compared with the best single branch, {branch}, the fusion differs by {gain} {how}:"
            f" these clips do not show that they differ.{_too_few(test, by_group=card.by_group)}"
        )
    better = "better" if test.difference > 0 else "worse"
    return f"The fusion is {better} than the best single branch, {branch}, by {gain} {how}."


def _too_few(test: PairedTest, *, by_group: bool) -> str:
    """Whether so few groups or clips could have shown anything."""
    least = 2.0 ** (1 - test.units)
    if least < 0.05:
        return ""
    unit = "group" if by_group else "clip"
    some = f"1 {unit} differs" if test.units == 1 else f"{test.units} {unit}s differ"
    return f" They could not: only {some} between the two, and no p below {least:g} is possible."


def silent_classes(figures: Figures) -> str:
    """Which classes are never predicted, or never right; empty if none."""
    matrix = figures.matrix
    occurs, chosen = matrix.support > 0, matrix.counts.sum(axis=0) > 0
    found = {
        "Never predicted": occurs & ~chosen,
        "Predicted, but never correctly": occurs & chosen & (np.diag(matrix.counts) == 0),
        "Absent from the clips, so not in the UAR": ~occurs,
    }
    return " ".join(
        f"{what}: {', '.join(np.array(matrix.labels)[which])}."
        for what, which in found.items()
        if which.any()
    )


def cautions(card: ReportCard) -> tuple[str, ...]:
    """What a reader needs to know before trusting an interval."""
    found = dict.fromkeys(
        interval.caution
        for interval in (card.system.war_by_group, card.system.uar)
        if interval is not None and interval.caution
    )
    return tuple(f"Intervals: {caution}." for caution in found)


def searched(card: ReportCard) -> str:
    """How the weights were found."""
    told = card.search
    if not told:
        return "Weights as given; how they were found is unknown."
    facts = {
        "search": f"Search: {told.get('search', 'unknown')}",
        "rule": f"rule {told.get('rule')}",
        "objective": f"objective {str(told.get('objective')).upper().replace('_', '-')}",
        "step": f"step {told.get('step', 0):g}",
        "folds": f"{told.get('folds')} grouped folds",
    }
    return ", ".join(text for key, text in facts.items() if key in told or key == "search") + "."


def joint(found: JointSearch) -> str:
    """The search over all branches at once against that node by node, on the clips fitted on."""
    text = (
        "Shares of the single branches on clips that all of them score. The search over all at once"
        " goes coarse to fine"
    )
    if found.fitted_by_node is None:
        return f"{text}."
    ours, theirs = (
        f"{value:.3f} nats" if found.objective == "log_loss" else f"{percent(value)} %"
        for value in (found.fitted_by_node, found.fitted)
    )
    name = found.objective.upper().replace("_", "-")
    return f"{text}; on the clips fitted on it reached {name} {theirs}, node by node {ours}."


def joint_rows(card: ReportCard, found: JointSearch) -> Iterator[tuple[str, str, str]]:
    """Name, node by node, at once: each branch's share, then what both are worth on these clips."""
    for member, one, two in zip(found.members, found.by_node, found.share, strict=True):
        yield member, f"{percent(one)} %", f"{percent(two)} %"
    ours, theirs, p = card.system, found.figures, p_value(found.war)
    yield (
        "WAR on these clips",
        f"{percent(ours.matrix.war)} % ({between(ours.war)})",
        f"{percent(theirs.matrix.war)} % ({between(theirs.war)}, {p})",
    )
    yield (
        "UAR on these clips",
        f"{percent(ours.matrix.uar)} % ({between(ours.uar)})",
        f"{percent(theirs.matrix.uar)} % ({between(theirs.uar)})",
    )


def rare(card: ReportCard, found: RareClasses) -> str:
    """What was done for rare classes, and on which clips."""
    if found.nested:
        where = (
            "fitted for the best UAR on other folds of these clips, so each clip is judged with"
            " offsets fitted without its group. They are not part of the fusion above"
        )
    else:
        where = "stored with the weights and part of the fusion above"
    what = (
        "Effect of vector scaling, a power and a factor for the score of every class"
        if found.scale is not None
        else "Effect of multiplying the scores of some classes by constant factors"
    )
    text = f"{what}: {where}."
    held = card.search.get("class_offsets", {}).get("held_out")
    if held is not None and not found.nested:
        (war, war_after), (uar, uar_after) = held["war"], held["uar"]
        text += (
            f" On held-out folds of the clips fitted on: UAR {percent(uar)} to {percent(uar_after)}"
            f" %, WAR {percent(war)} to {percent(war_after)} %."
        )
    return text


def recalls(found: RareClasses) -> Iterator[tuple[str, str, str, str]]:
    """Label, recall without, with, and the change in points."""
    before, after = found.before, found.after
    for label, one, two in zip(before.labels, before.recall, after.recall, strict=True):
        change = points(float(two - one)) if math.isfinite(one) else "–"
        yield label, percent(float(one)), percent(float(two)), change


def factor(found: RareClasses, place: int) -> str:
    """What is done to a class's score before all are scaled to sum 1."""
    power = "" if found.scale is None else f" to the power {found.scale[place]:.2f}"
    return f"score{power} × {math.exp(found.offsets[place]):.2f}"
