"""The section about the model: what it scores, its licences, how well it did."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from facevoice.bundle import Bundle
from facevoice.bundle.licences import branch_licences
from facevoice.output.clip import words
from facevoice.output.html.elements import details, facts, section, table
from facevoice.output.wording import percent

_PARTS: Final = {
    "val_": "validation, which chose the weights",
    "test_": "test, kept apart",
    "": "clips left out of the fitting",
}
_MEASURED: Final = ("count", "war", "uar")


def about_model(bundle: Bundle) -> str:
    """Name, labels and description of a bundle; licences and figures open on demand."""
    card = bundle.card
    rows = [
        ("Name", f"{bundle.name} {bundle.version}"),
        ("Labels", ", ".join(bundle.tree.labels)),
        ("SHA-256", f"{bundle.sha256[:16]}…"),
    ]
    licences = _licences(card)
    more = details("Licences, and what it learnt from", licences) if licences else ""
    figures = _figures(_items(card.get("figures")))
    more += details("How well its branches did alone", figures) if figures else ""
    return section("The model", facts(rows) + more, str(card.get("description") or ""))


def _licences(card: Mapping[str, Any]) -> str:
    whole = [(name.capitalize(), _plain(text)) for name, text in _items(card.get("licences"))]
    shown = facts(whole) if whole else ""
    for name, licences in branch_licences(card).items():
        rows = [(subject.capitalize(), text) for subject, text in licences.lines()]
        if rows:
            shown += f"<h4>Branch {escape(words.readable(name))}</h4>{facts(rows)}"
    return shown


def _figures(figures: list[tuple[str, Any]]) -> str:
    """Counts and shares as a table; whatever else a card says as facts."""
    rows: list[tuple[str, ...]] = []
    others: list[tuple[str, str]] = []
    for name, value in figures:
        found = list(_measured(value)) if isinstance(value, Mapping) else []
        rows += [(escape(words.readable(name)), *map(escape, each)) for each in found]
        if not found:
            others.append((words.readable(name), _plain(value)))
    head = ("Branch", "Judged on", "Items", "Right", "Mean over the labels")
    about = (
        "<p>Right: share of items whose highest score is their label (WAR). Mean over the labels:"
        " the same for each label alone, averaged (UAR).</p>"
    )
    measured = table(head, rows) + about if rows else ""
    return measured + (facts(others) if others else "")


def _measured(value: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for prefix, part in _PARTS.items():
        count, right, mean = (value.get(f"{prefix}{name}") for name in _MEASURED)
        if isinstance(count, int) and isinstance(right, float) and isinstance(mean, float):
            yield part, f"{count}", percent(right), percent(mean)


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(str(name), each) for name, each in value.items()] if isinstance(value, Mapping) else []


def _plain(value: Any) -> str:
    """A value of the bundle's card in words."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{words.readable(str(name))}: {_plain(each)}" for name, each in value.items()
        )
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
