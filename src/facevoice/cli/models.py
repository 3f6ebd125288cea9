"""facevoice models: the available bundles, what they learnt from, their figures and licences."""

import argparse
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from facevoice.cli.console import show
from facevoice.messages import counted

_LEAST_WIDTH: Final = 40
_MOST_WIDTH: Final = 120
_WORDS: Final = {"val": "validation", "count": "clips", "war": "WAR", "uar": "UAR"}

Card = Mapping[str, Any]


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser("models", help="list bundles with their licences and figures")
    command.add_argument("bundles", nargs="*", metavar="FOLDER", help="folders of further bundles")
    command.add_argument("--json", action="store_true", help="print the cards as JSON Lines")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print each bundle's card."""
    from facevoice.bundle import bundle_folder, read_card, shipped_bundles
    from facevoice.bundle.files import file_path

    width = min(max(shutil.get_terminal_size((100, 24)).columns, _LEAST_WIDTH), _MOST_WIDTH)
    folders = dict.fromkeys([*shipped_bundles(), *map(bundle_folder, options.bundles)])
    cards = {folder: read_card(folder) for folder in folders}
    for folder, card in cards.items():
        if options.json:
            print(json.dumps(card, ensure_ascii=False))
            continue
        size = sum(file_path(folder, name).stat().st_size for name in card["files"])
        show(f"{card['name']} {card['version']}  ({size / 1e6:.1f} MB)  {folder}")
        for depth, line in _lines(card):
            indent = "  " * depth
            show(textwrap.fill(line, width, initial_indent=indent,
                                subsequent_indent=f"{indent}    ", break_on_hyphens=False,
                                break_long_words=False))  # fmt: skip
        show()
    return 0


def _lines(card: Card) -> Iterator[tuple[int, str]]:
    """How deep to indent each line of a card, and the line."""
    yield 1, card.get("description", "")
    yield 1, f"labels: {', '.join(card['labels'])}"
    for subject, licence in card["licences"].items():
        yield 1, f"licence of {subject}: {licence}"
    yield from _branches(card)
    yield from _never_met(card)
    figures = card.get("figures", {})
    if figures:
        yield 1, "in training:"
    for name, figure in figures.items():
        yield 2, f"{name}: {_figure(figure)}"


def _branches(card: Card) -> Iterator[tuple[int, str]]:
    from facevoice.bundle.licences import branch_licences

    for name, licences in branch_licences(card).items():
        yield 1, f"branch {name}:"
        for subject, text in licences.lines():
            yield 2, f"{subject}: {text}"
    for name, fitted in card["provenance"].get("temperatures", {}).items():
        before, after = fitted["log_loss"]
        yield (
            1,
            (
                f"temperature of {name}: fitted on {counted(fitted['clips'], 'clip')} new to it,"
                f" {fitted['table']}; log-loss {before:.3f} -> {after:.3f}"
            ),
        )


def _never_met(card: Card) -> Iterator[tuple[int, str]]:
    measured, left_out = card.get("measured", ()), card.get("left_out", {})
    if measured or left_out:
        yield 1, "on people it has never met:"
    for row in measured:
        yield 2, f"{row['name']}, {counted(row['clips'], 'clip')}: {_measured(row['nodes'])}"
    for corpus, branches in left_out.items():
        clips = counted(next(iter(branches.values()))["clips"], "clip")
        own = "; ".join(
            f"{name} {each['own_classes']['uar']:.3f}"
            for name, each in branches.items()
            if "own_classes" in each
        )
        among = f"; UAR among its own classes: {own}" if own else ""
        yield (
            2,
            f"{corpus} left out of training, {clips}: {_measured(branches)}{among}",
        )


def _measured(nodes: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of the whole and of its modalities, as in the model card."""
    return "; ".join(
        f"{name} WAR {each['war']:.3f} ({each['war_low']:.3f}-{each['war_high']:.3f}),"
        f" UAR {each['uar']:.3f}"
        for name, each in nodes.items()
        if "." not in name
    )


def _figure(figure: object) -> str:
    if not isinstance(figure, dict):
        return str(figure)
    return ", ".join(f"{_in_words(key)} {value}" for key, value in figure.items())


def _in_words(key: str) -> str:
    """What a key of a run's figures stands for: "val_war" is "validation WAR"."""
    return " ".join(_WORDS.get(word, word) for word in key.split("_"))
