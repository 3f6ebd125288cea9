"""facevoice models: the available bundles, with the licences of code, weights and data."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser("models", help="list bundles with their licences and figures")
    command.add_argument("folders", nargs="*", type=Path, help="folders of further bundles")
    command.add_argument("--json", action="store_true", help="print the cards as JSON Lines")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print each bundle's card."""
    from facevoice.bundle import read_card, shipped_bundles
    from facevoice.bundle.files import file_path

    for folder in [*shipped_bundles(), *options.folders]:
        card = read_card(folder)
        if options.json:
            print(json.dumps(card, ensure_ascii=False))
            continue
        size = sum(file_path(folder, name).stat().st_size for name in card["files"])
        print(f"{card['name']} {card['version']}  ({size / 1e6:.1f} MB)  {folder}")
        print(f"  {card.get('description', '')}")
        print(f"  labels: {', '.join(card['labels'])}")
        for subject, licence in card["licences"].items():
            print(f"  licence of {subject}: {licence}")
        for row in card.get("measured", ()):
            print(f"  measured on {row['name']}, {row['clips']} clips: {_measured(row['nodes'])}")
        for name, figure in card.get("figures", {}).items():
            print(f"  {name}, when it was trained: {_figure(figure)}")
        print()
    return 0


def _measured(nodes: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of the whole and of its modalities, as in the model card."""
    return "; ".join(
        f"{name} WAR {each['war']:.3f} ({each['war_low']:.3f}-{each['war_high']:.3f}),"
        f" UAR {each['uar']:.3f}"
        for name, each in nodes.items()
        if "." not in name
    )


def _figure(figure: object) -> str:
    if isinstance(figure, dict):
        return ", ".join(f"{key} {value}" for key, value in figure.items())
    return str(figure)
