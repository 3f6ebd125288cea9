"""The report as one HTML page: no script, nothing loaded from anywhere."""

from html import escape
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.messages import counted
from facevoice.output.html.page import html_page
from facevoice.report import draw, fusion_sections, words
from facevoice.report.card import ReportCard
from facevoice.report.words import between, percent
from facevoice.scores.calibration import RiskCoverage
from facevoice.scores.metrics import Figures

_STYLE: Final = Path(__file__).with_name("style.css")


def html_report(card: ReportCard) -> str:
    """The whole page."""
    sections = (
        _summary(card),
        _models(card),
        _classes(card),
        fusion_sections.weights_section(card),
        fusion_sections.ablation_section(card),
        _honesty(card),
        _groups(card),
        fusion_sections.rare_section(card),
        _provenance(card),
    )
    return html_page(
        card.title,
        "How well a fusion of branches does",
        f"<p>{escape(_subtitle(card))}</p>",
        f"""<main>
{"".join(sections)}
</main>
<footer><p>Made by facevoice {escape(card.versions["facevoice"])} on {escape(card.date)}; the page
loads nothing from anywhere.</p></footer>""",
        _STYLE,
    )


def _subtitle(card: ReportCard) -> str:
    data = card.data
    split = f", split {data.split}" if data.split else ""
    groups = counted(data.groups, "group") if data.groups else "groups unknown"
    clips = counted(data.labelled, "clip")
    branches = counted(len(card.branches), "branch", "branches")
    return f"{data.name}{split}: {clips}, {groups}, {branches}"


def _summary(card: ReportCard) -> str:
    system = card.system
    leak = card.leak
    findings = " ".join(words.leak_findings(leak))
    kind = leak.verdict.replace(" ", "-")
    notes = "".join(
        f"<li>{escape(text)}</li>"
        for text in (words.silent_classes(system), *words.cautions(card), *card.notes)
        if text
    )
    tiles = "".join(
        f'<div class="tile"><h3>{name}</h3><p class="figure">{percent(value)}<small> %</small></p>'
        f"<p>{between(interval)} %<br> (95 %, {escape(words.method(interval))})</p></div>"
        for name, value, interval in (
            ("UAR, mean recall of the classes", system.matrix.uar, system.uar),
            ("WAR, accuracy", system.matrix.war, system.war_by_group or system.war),
            ("Macro-F1", system.matrix.macro_f1, system.macro_f1),
        )
    )
    return (
        f'<section><div class="leak {kind}"><b>{escape(words.LEAK_HEADINGS[leak.verdict])}.</b>'
        f' {escape(findings)}</div><p class="first">{escape(words.verdict(card))}</p>'
        f'<div class="tiles">{tiles}</div>'
        + (f'<ul class="remarks">{notes}</ul>' if notes else "")
        + "</section>"
    )


def _models(card: ReportCard) -> str:
    chance = 1 / max(int((card.system.matrix.support > 0).sum()), 1)
    rows = [
        _model_row(each, chance, best=each is card.system) for each in (*card.branches, card.system)
    ]
    missing = "".join(
        f"<li>{escape(branch)} has no scores for "
        + escape(", ".join(f"{count} ({code})" for code, count in codes.items()))
        + "</li>"
        for branch, codes in card.data.missing.items()
    )
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("", "UAR %", "95 %", "WAR %", "95 %", "Macro-F1 %", "ECE %", "Coverage %")
    )
    about = (
        "Each branch on its own, and the fusion. The mark is the figure, the line its interval, the"
        f" tick the level of chance ({percent(chance)} %). UAR: {words.method(card.system.uar)};"
        f" WAR: {words.method(card.system.war)}. A clip without scores counts as wrong."
    )
    table = (
        f'<div class="scroll wide"><table class="models"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    silent = f'<ul class="remarks">{missing}</ul>' if missing else ""
    return draw.section("Branches and fusion", about, table + silent)


def _model_row(figures: Figures, chance: float, *, best: bool) -> str:
    matrix = figures.matrix
    return (
        f'<tr{" class=best" if best else ""}><th scope="row">{escape(figures.name)}</th>'
        f"<td>{percent(matrix.uar)}</td><td>{draw.interval_bar(matrix.uar, figures.uar, chance)}"
        f"<small>{between(figures.uar)}</small></td><td>{percent(matrix.war)}</td>"
        f"<td>{draw.interval_bar(matrix.war, figures.war, chance)}"
        f"<small>{between(figures.war)}</small></td><td>{percent(matrix.macro_f1)}</td>"
        f"<td>{words.ece(figures)}</td><td>{percent(figures.coverage)}</td></tr>"
    )


def _classes(card: ReportCard) -> str:
    matrix = card.system.matrix
    return draw.section(
        "Class by class",
        "The fusion's confusion in percent: each row is a true class and adds up to 100. Bars:"
        " recall (broad) and precision (narrow).",
        f'<div class="two wide">{draw.confusion_table(matrix)}{draw.class_bars(matrix)}</div>',
    )


def _honesty(card: ReportCard) -> str:
    calibration, curve = card.system.calibration, card.risk
    if calibration is None or curve is None:
        return ""
    facts = (
        f"Expected calibration error {percent(calibration.ece)} % in 15 bins (perfectly calibrated"
        f" scores would show {percent(calibration.ece_calibrated)} % on this many clips). Log-loss"
        f" {calibration.log_loss:.3f} nats, Brier score {calibration.brier:.3f} of 2."
    )
    answers = []
    for share in (0.9, 0.75, 0.5, 0.25):
        if curve.coverage[-1] >= share:
            place = int(np.argmax(curve.coverage >= share - 1e-12))
            answers.append(f"{percent(float(curve.risk[place]))} % at {share:.0%} answered")
    risk = f"Wrong answers: {percent(float(curve.risk[-1]))} % of all answers"
    risk += f"; {', '.join(answers)}." if answers else "."
    if card.abstain_below is not None:
        risk += f" {_abstention(curve, card.abstain_below)}"
    return draw.section(
        "How far the scores can be trusted",
        "",
        '<div class="two"><figure><h3>Reliability</h3>'
        f"{draw.reliability(calibration.bins)}<figcaption>{escape(facts)}</figcaption></figure>"
        "<figure><h3>Abstaining when unsure</h3>"
        f"{draw.risk_curve(curve, card.abstain_below)}<figcaption>{escape(risk)}</figcaption>"
        "</figure></div>",
    )


def _abstention(curve: RiskCoverage, threshold: float) -> str:
    answered = np.flatnonzero(curve.threshold >= threshold)
    if not len(answered):
        return f"Below {threshold:.3f} the fusion abstains: on all of these clips."
    place = answered[-1]
    return (
        f"Below a score of {threshold:.3f} the fusion abstains: {percent(curve.coverage[place])} %"
        f" of these clips are answered, {percent(curve.risk[place])} % of them wrongly (the"
        " circle)."
    )


def _groups(card: ReportCard) -> str:
    spread = card.groups
    if spread is None:
        return ""
    order = np.argsort(-spread.war, kind="stable")
    rows = [
        [escape(spread.groups[place]), percent(float(spread.war[place])), f"{spread.size[place]}"]
        for place in order
    ]
    return draw.section(
        "Speakers or films",
        f"WAR of {counted(len(order), 'group')}, from the highest to the lowest: between"
        f" {percent(float(spread.war.max()))} % and {percent(float(spread.war.min()))} %, standard"
        f" deviation {percent(spread.deviation)} points; dashes mark the mean of the groups. The"
        " box is 100 % high.",
        draw.group_bars(spread)
        + f"<details><summary>All groups</summary>{draw.table(['', 'WAR %', 'clips'], rows)}"
        "</details>",
    )


def _provenance(card: ReportCard) -> str:
    data = card.data
    rows = [
        ("Data", _subtitle(card)),
        ("SHA-256", data.sha256),
        ("Clips by class", ", ".join(f"{name} {count}" for name, count in data.support.items())),
        ("Command", card.command or "made with the Python API"),
        ("Search", words.searched(card)),
        ("Leaks", words.LEAK_HEADINGS[card.leak.verdict]),
        ("Versions", ", ".join(f"{name} {text}" for name, text in card.versions.items())),
        ("Date", card.date),
    ]
    if card.search.get("command"):
        rows.insert(5, ("Weights made by", str(card.search["command"])))
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows
    )
    return f"<section><h2>Provenance</h2><dl>{facts}</dl></section>"
