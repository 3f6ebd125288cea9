"""The tables of docs/datasets.md, made from what the corpora state."""

from collections.abc import Callable, Iterable
from typing import Final

from facevoice.datasets.corpus import Corpus

_FURTHER_FOLDS: Final = "dfew-fold"  # they differ from the first fold only in its number


def overview(corpora: Iterable[Corpus]) -> str:
    """How each corpus is read: content, splits, groups, labels, licence; a Markdown table."""
    head = "name | read as | splits | a group is | how its labels are mapped | licence"
    return _table(
        head,
        corpora,
        lambda each: (
            each.content, each.splits, each.groups or "each file", each.mapping, each.licence,
        ),
    )  # fmt: skip


def layouts(corpora: Iterable[Corpus]) -> str:
    """Where the files of each corpus must lie and where to get them; a Markdown table."""
    return _table(
        "name | layout under `--root` | obtain", corpora, lambda each: (each.layout, each.obtain)
    )


def _table(head: str, corpora: Iterable[Corpus], facts: Callable[[Corpus], tuple[str, ...]]) -> str:
    rows = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for corpus in corpora:
        if corpus.name.startswith(_FURTHER_FOLDS):
            continue
        name = f"`{corpus.name}`"
        if corpus.name == "dfew":
            name += ", `dfew-fold2` to `dfew-fold5`"
        cells = " | ".join(cell.replace("|", " or ") for cell in facts(corpus))
        cells = (
            cells.replace("<", "&lt;")
            .replace("*", r"\*")
            .replace("fold 1", "the fold")
            .replace("set_1.", "set_K.")
        )
        rows.append(f"| {name} | {cells} |")
    return "\n".join(rows)
