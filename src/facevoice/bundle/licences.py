"""What each branch of a bundle was made of, under which licences.

A branch's node in bundle.json holds ``licences``: those of its code and its weights, of the corpora
that it learnt from, and of the networks that ship with facevoice and that it uses. It stays with
the branch when a bundle gets other weights or is adapted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facevoice.branches.tree import leaves, members_of, nodes
from facevoice.bundle.files import PART_FOLDERS, files_named

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Licences:
    """The licences behind one branch; empty texts where a bundle does not say.

    data: of the corpora that it learnt from, by name.
    parts: of networks that ship with facevoice, by file; what each learnt from stands beside.
    """

    code: str = ""
    weights: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, str]]:
        """Subject and licence of each, for people."""
        whole = [("code", self.code), ("weights", self.weights)]
        found = [(subject, text) for subject, text in whole if text]
        found += [(f"learnt from {name}", text) for name, text in self.data.items()]
        for name, part in self.parts.items():
            learnt = f"; learnt from {part['learnt_from']}" if part.get("learnt_from") else ""
            found.append((f"uses {name}", f"{part['licence']}{learnt}"))
        return found

    def to_dict(self) -> dict[str, Any]:
        """As a node holds it."""
        return {"code": self.code, "weights": self.weights, "data": dict(self.data),
                "parts": {name: dict(part) for name, part in self.parts.items()}}  # fmt: skip


def part_licences(node: Node) -> dict[str, dict[str, str]]:
    """Licence of the shipped networks that a node names, and what they learnt from, by file."""
    known = {}
    for folder in PART_FOLDERS:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        known.update(manifest["files"])
    return {
        name: {key: known[name][key] for key in ("licence", "learnt_from") if key in known[name]}
        for name in files_named(node, known)
    }


def branch_licences(card: Mapping[str, Any]) -> dict[str, Licences]:
    """Of every branch of a bundle.json, by dotted name, in order.

    Bundles written before branches had licences of their own give what their provenance says.
    """
    tree = card["tree"]
    named = [(name, node) for name, node in nodes(tree) if not members_of(node)]
    return {
        name: _of_node(node, card["provenance"]) for name, node in named or [(tree["name"], tree)]
    }


def _of_node(node: Node, provenance: Mapping[str, Any]) -> Licences:
    if "licences" in node:
        own = node["licences"]
        return Licences(own.get("code", ""), own.get("weights", ""), own.get("data", {}),
                        own.get("parts", {}))  # fmt: skip
    corpus = provenance.get("branches", {}).get(node.get("name"), {}).get("corpus", {})
    return Licences(data={corpus["corpus"]: corpus["licence"]} if corpus else {})


def all_data(tree: Node) -> str:
    """The corpora of all branches of a tree with their licences, each once."""
    found = {}
    for leaf in leaves(tree):
        found.update(leaf.get("licences", {}).get("data", {}))
    return "; ".join(f"{name}: {licence}" for name, licence in found.items())
