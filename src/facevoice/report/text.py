"""The report as Markdown and as LaTeX tables."""

from collections.abc import Iterable, Iterator, Sequence

from facevoice.report import words
from facevoice.report.card import ReportCard
from facevoice.report.words import between, p_value, percent, points
from facevoice.scores.metrics import Figures

_LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "–": "--",
        "−": r"$-$",
        "±": r"$\pm$",
    }
)


def markdown_report(card: ReportCard) -> str:
    """The report as one Markdown document."""
    return "\n".join(_markdown(card)) + "\n"


def _markdown(card: ReportCard) -> Iterator[str]:
    data = card.data
    yield f"# {card.title}\n"
    findings = " ".join(words.leak_findings(card.leak))
    yield f"**{words.LEAK_HEADINGS[card.leak.verdict]}.** {findings}"
    yield f"\n{words.verdict(card)} {words.silent_classes(card.system)}\n"
    yield "\n".join(f"{line}\n" for line in (*words.cautions(card), *card.notes))
    yield "## Figures\n"
    head = ("%", "WAR", "95 % Wilson", "UAR", "95 %", "macro-F1", "95 %", "ECE", "coverage")
    yield _table(head, (_figures_row(each) for each in (*card.branches, card.system)))
    yield (
        f"\nUAR and macro-F1: {words.method(card.system.uar)}. ECE: 15 bins; the fusion's would be"
        f" {words.ece(card.system, calibrated=True)} if it were perfectly calibrated.\n"
    )
    yield "## Confusion of the fusion (row = truth, %)\n"
    matrix = card.system.matrix
    rows = (
        [label, *(percent(value, 2) for value in row), str(count)]
        for label, row, count in zip(
            matrix.labels, matrix.row_percent / 100, matrix.support, strict=True
        )
    )
    yield _table(("", *matrix.labels, "clips"), rows)
    if card.weights:
        yield f"\n## Weights\n\n{words.searched(card)}\n"
        yield _table(
            ("node", "member", "weight", "share %", "equally good", "folds %"), _weights(card)
        )
    if card.joint is not None:
        yield f"\n### For comparison: all branches searched at once\n\n{words.joint(card.joint)}\n"
        yield _table(("", "node by node", "at once"), words.joint_rows(card, card.joint))
    if card.ablation:
        yield "\n## Without one branch\n"
        yield _table(
            ("without", "WAR", "change", "", "UAR", "change", " "),
            (
                [
                    each.branch,
                    percent(each.war.without),
                    points(-each.war.test.difference),
                    p_value(each.war.test),
                    percent(each.uar.without),
                    points(-each.uar.test.difference),
                    p_value(each.uar.test),
                ]
                for each in card.ablation
            ),
        )
    yield from _markdown_rest(card)
    yield "\n## Provenance\n"
    yield _table(
        ("", " "),
        [
            ["data", f"{data.name}{f', split {data.split}' if data.split else ''}"],
            ["sha256", data.sha256],
            ["clips", f"{data.labelled} in {data.groups or 'unknown'} groups"],
            ["command", f"`{card.command}`" if card.command else "Python API"],
            ["date", card.date],
            ["versions", ", ".join(f"{name} {text}" for name, text in card.versions.items())],
        ],
    )


def _markdown_rest(card: ReportCard) -> Iterator[str]:
    if card.groups is not None:
        war = card.groups.war
        yield (
            f"\n## Groups\n\nWAR of {len(war)} groups: from {percent(war.min())} to"
            f" {percent(war.max())}, standard deviation {percent(card.groups.deviation)} points."
        )
    if card.rare is not None:
        rare = card.rare
        yield (
            f"\n## Rare classes\n\n{words.rare(card, rare)}"
            f" UAR {percent(rare.before.uar)} -> {percent(rare.after.uar)} ({p_value(rare.test)}),"
            f" WAR {percent(rare.before.war)} -> {percent(rare.after.war)}, macro-F1"
            f" {percent(rare.before.macro_f1)} -> {percent(rare.after.macro_f1)}.\n"
        )
        yield _table(
            ("recall %", "without", "with", "change", ""),
            ([*row, words.factor(rare, place)] for place, row in enumerate(words.recalls(rare))),
        )


def _figures_row(figures: Figures) -> list[str]:
    matrix = figures.matrix
    return [
        figures.name,
        percent(matrix.war),
        between(figures.war),
        percent(matrix.uar),
        between(figures.uar),
        percent(matrix.macro_f1),
        between(figures.macro_f1),
        words.ece(figures),
        percent(figures.coverage),
    ]


def _weights(card: ReportCard) -> Iterator[list[str]]:
    for node in card.weights:
        name = node.name if node.rule == "sum" else f"{node.name} ({node.rule})"
        for place, member in enumerate(node.members):
            spread = ""
            if node.lowest is not None and node.highest is not None:
                spread = f"{node.lowest[place]:g} to {node.highest[place]:g}"
            folds = (
                ""
                if node.folds is None
                else ", ".join(percent(fold[place], 0) for fold in node.folds)
            )
            yield [
                name, member, words.weight(node.weights[place]), percent(node.share[place]),
                spread, folds,
            ]  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def latex_report(card: ReportCard) -> str:
    """Two booktabs tables: figures of every branch and the fusion, and the confusion matrix."""
    leak = words.LEAK_HEADINGS[card.leak.verdict]
    rows = [
        " & ".join(cell.translate(_LATEX) for cell in _figures_row(each)[:7])
        for each in (*card.branches, card.system)
    ]
    matrix = card.system.matrix
    confusion = [
        " & ".join(
            [label.translate(_LATEX), *(percent(value, 2).translate(_LATEX) for value in row)]
        )
        for label, row in zip(matrix.labels, matrix.row_percent / 100, strict=True)
    ]
    end = " \\\\\n"
    return rf"""% {_comment(leak, *card.leak.findings)}
% data: {_comment(card.data.name)}, sha256 {card.data.sha256}
% command: {_comment(card.command)}
% needs \usepackage{{booktabs}}
\begin{{table}}
\centering
\caption{{{_caption(card)}}}
\begin{{tabular}}{{lrlrlrl}}
\toprule
Model & WAR & 95\,\% & UAR & 95\,\% & macro-F1 & 95\,\% \\
\midrule
{end.join(rows[:-1])} \\
\midrule
{rows[-1]} \\
\bottomrule
\end{{tabular}}
\end{{table}}

\begin{{table}}
\centering
\caption{{Confusion of the fusion in percent; rows are the truth.}}
\begin{{tabular}}{{l{"r" * len(matrix.labels)}}}
\toprule
 & {" & ".join(label.translate(_LATEX) for label in matrix.labels)} \\
\midrule
{end.join(confusion)} \\
\bottomrule
\end{{tabular}}
\end{{table}}
"""


def _comment(*texts: str) -> str:
    """Text that stays on its line."""
    return " ".join(" ".join(texts).split())


def _caption(card: ReportCard) -> str:
    text = (
        f"Recognition on {card.data.labelled} clips, in percent. WAR: Wilson interval; UAR and"
        f" macro-F1: {words.method(card.system.uar)}. {words.LEAK_HEADINGS[card.leak.verdict]}."
    )
    return text.translate(_LATEX)
