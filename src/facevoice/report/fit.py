"""What a weight search found, as text for a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np

from facevoice.messages import counted, sentence
from facevoice.report.leaks import NOT_LOOKED_FOR
from facevoice.report.words import between, ece, p_value, percent, points
from facevoice.scores.choice import Choice, SearchPlan
from facevoice.scores.metrics import Figures, evaluate
from facevoice.scores.provenance import fingerprint, groups_known
from facevoice.scores.search import GridResult, WeightTree, best_branch, compare
from facevoice.scores.table import ScoreTable, looked_for, taught_in
from facevoice.types import Float64Array


def fit_text(table: ScoreTable, plan: SearchPlan, choice: Choice, name: str) -> str:
    """The result of ``choose_weights`` on a table: weights, their range, figures, comparison."""
    return "\n".join(_lines(table.rows(table.labelled), plan, choice, name))


def _lines(known: ScoreTable, plan: SearchPlan, choice: Choice, name: str) -> Iterator[str]:
    groups = len(np.unique(known.groups)) if groups_known(known) else 0
    yield (
        f"{name}: {counted(len(known), 'labelled clip')},"
        f" {counted(groups, 'group') if groups else 'unknown groups'},"
        f" {counted(len(known.branches), 'branch', 'branches')}, sha256 {fingerprint(known)[:12]}"
    )
    rule = "" if plan.rule == "sum" else f", rule {plan.rule}"
    yield f"search {plan.search}{rule}" + (
        f", objective {plan.objective.replace('_', '-')}, step {plan.step:g}"
        if "objective" in choice.fitted.search
        else ""
    )
    yield from _weights(choice)
    yield from _adjustment(known.labels, choice)
    if choice.fitted.abstain_below is not None:
        yield f"abstain below a score of {choice.fitted.abstain_below:.3f}"
    yield ""
    yield from figure_lines(_figures(known, choice))
    yield ""
    yield from _comparison(known, choice)
    yield from choice.notes


def _weights(choice: Choice) -> Iterator[str]:
    fusion = choice.fitted.fusion
    found = {search.name: search for search in choice.searches}
    if not isinstance(fusion, WeightTree):
        yield f"a regression over {', '.join(fusion.members)}"
        return
    for node in fusion.nodes:
        if node.name in found:
            yield from search_lines(found[node.name])
        else:
            yield f"node {node.name}"
            width = max(map(len, node.members))
            total = sum(node.weights)
            for member, weight in zip(node.members, node.weights, strict=True):
                yield f"  {member:{width}}  {weight:6.3f}  {100 * weight / total:5.1f} %"
    if choice.joint is not None:
        yield "for comparison, all branches at once, coarse to fine:"
        yield from search_lines(choice.joint)


def _adjustment(labels: tuple[str, ...], choice: Choice) -> Iterator[str]:
    """The last node's adjustment, and what it changes on held-out clips."""
    found = choice.fitted.adjustment
    if found.temperature != 1:
        yield f"temperature of the fused scores: {found.temperature:.2f}"
    for name, values, form in (
        ("class scale", found.class_scale, ".2f"),
        ("class offsets", found.class_offsets, "+.2f"),
    ):
        if values:
            pairs = zip(labels, values, strict=True)
            yield f"{name}: " + ", ".join(f"{label} {value:{form}}" for label, value in pairs)
    held = choice.fitted.search.get("class_offsets", {}).get("held_out")
    if held is not None:
        yield "  with them, on held-out folds: " + ", ".join(
            f"{name} {percent(one)} -> {percent(two)}"
            for name, (one, two) in (
                ("UAR", held["uar"]), ("WAR", held["war"]), *held["recall"].items()
            )
        )  # fmt: skip


def search_lines(found: GridResult) -> Iterator[str]:
    """One node's search: the best value, how many vectors reach it, each weight and its range."""
    if found.objective == "log_loss":
        best = f"log-loss {found.value:.4f} nats"
    else:
        best = f"{found.objective.upper()} {percent(found.value, 2)} %"
    yield (
        f"node {found.name}: {best}, reached by {found.optimal:,} of {found.vectors:,}"
        " weight vectors"
    )
    width = max(map(len, found.members))
    total = float(found.weights.sum())
    yield f"  {'':{width}}  weight    share  equally good"
    for place, member in enumerate(found.members):
        weight = float(found.weights[place])
        yield (
            f"  {member:{width}}  {weight:6.3g}  {100 * weight / total:5.1f} %"
            f"  {found.lowest[place]:g} to {found.highest[place]:g}"
        )


def _figures(known: ScoreTable, choice: Choice) -> list[Figures]:
    figures = [evaluate(known, name) for name in known.branches]
    figures.append(evaluate(known, choice.scores, "fused, on these clips"))
    if choice.held_out is not None:
        figures.append(evaluate(known, choice.held_out, "fused, held out"))
    return figures


def figure_text(figures: Sequence[Figures]) -> Iterator[str]:
    """How many clips there are and the chance level, ``figure_lines``, and what these measure."""
    first = figures[0].matrix
    occurring = int((first.support > 0).sum())
    clips, classes = counted(first.total, "labelled clip"), counted(occurring, "class", "classes")
    yield f"{clips} in {classes}; chance is about {percent(1 / occurring)} %"
    yield from figure_lines(figures)
    yield (
        "WAR: share of the clips predicted right; UAR: mean of that over the classes; ECE: error of"
        " the scores as probabilities; coverage: share of the clips that have an answer."
    )


def figure_lines(figures: Sequence[Figures]) -> Iterator[str]:
    """WAR, UAR and macro-F1 in percent with 95 % intervals, one line per system."""
    width = max(len(each.name) for each in figures)
    method = figures[0].uar.method.replace(" bootstrap", "s")
    yield (
        f"{'percent':{width}}    WAR  95 % Wilson    UAR  95 % by {method:7} macro-F1  ECE"
        "  coverage"
    )
    for each in figures:
        yield (
            f"{each.name:{width}}  {percent(each.matrix.war):>5}  {between(each.war):11}"
            f"  {percent(each.matrix.uar):>5}  {between(each.uar):15}"
            f"  {percent(each.matrix.macro_f1):>7}  {ece(each):>4}  {percent(each.coverage):>7}"
        )
    if caution := figures[0].uar.caution:
        yield f"Intervals by groups: {caution}."


def _comparison(known: ScoreTable, choice: Choice) -> Iterator[str]:
    best = best_branch(known)
    judged = choice.scores if choice.held_out is None else choice.held_out
    where = "on these clips" if choice.held_out is None else "held out"
    yield f"fused ({where}) against the best single branch, {best}: " + _tests(known, judged, best)
    told = choice.fitted
    if choice.held_out is None and told.search.get("search") not in ("equal", "published"):
        yield (
            "The weights were chosen on these same clips, so the figures are optimistic: --folds 5"
            " measures the search on held-out clips."
        )
    if not looked_for(known):
        yield sentence(NOT_LOOKED_FOR)
    taught = taught_in(known)
    if taught:
        yield sentence(f"{taught}: the weights and the figures overrate it")
    if not groups_known(known):
        yield "Speakers and films are unknown: intervals and tests treat clips as independent."


def _tests(known: ScoreTable, scores: Float64Array, best: str) -> str:
    by_group = groups_known(known)
    parts = []
    for figure in ("war", "uar"):
        test = compare(
            known, scores, known.column(best), figure="war" if figure == "war" else "uar",
            by_group=by_group,
        )  # fmt: skip
        parts.append(f"{figure.upper()} {points(test.difference)} points ({p_value(test)})")
    return ", ".join(parts) + f"; paired permutation of {'groups' if by_group else 'clips'}"
