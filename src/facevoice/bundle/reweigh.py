"""New weights for a bundle: the same networks under another tree. Needs no training library."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facevoice.branches import Adjustment
from facevoice.bundle import bundle_folder, load_bundle, read_card
from facevoice.bundle.trained_on import TRAINED_ON
from facevoice.errors import BundleError
from facevoice.scores.search import Node, WeightTree
from facevoice.scores.weights_file import FittedFusion

Card = Mapping[str, Any]


def dotted_leaves(tree: Card, prefix: str = "") -> Iterator[tuple[str, Card]]:
    """The branches of a bundle's tree that are no blends, by dotted name below the top."""
    for member in tree.get("members", ()):
        name = f"{prefix}{member['name']}"
        if "members" in member:
            yield from dotted_leaves(member, f"{name}.")
        else:
            yield name, member


def leaf_names(dotted: Sequence[str]) -> dict[str, str]:
    """Dotted name -> the name in score tables: its last part where only one leaf has that."""
    last = {name: name.rsplit(".", 1)[-1] for name in dotted}
    times = Counter(last.values())
    return {name: short if times[short] == 1 else name for name, short in last.items()}


def bundle_weights(card: Card) -> WeightTree:
    """The weights that stand in a bundle.json, over the names that score tables use.

    Raises:
        BundleError: the top of the tree is no blend.
    """
    tree = card["tree"]
    if "members" not in tree:
        raise BundleError("the bundle is a single branch: there are no weights in it")
    names = leaf_names([name for name, _ in dotted_leaves(tree)])
    return WeightTree(tuple(_nodes(tree, "", names)))


def _nodes(blend: Card, prefix: str, names: Mapping[str, str]) -> Iterator[Node]:
    members = []
    for member in blend["members"]:
        dotted = f"{prefix}{member['name']}"
        if "members" in member:
            yield from _nodes(member, f"{dotted}.", names)
            members.append(dotted)
        else:
            members.append(names[dotted])
    weights = tuple(float(member.get("weight", 1.0)) for member in blend["members"])
    name = prefix.rstrip(".") or str(blend["name"])
    yield Node(name, tuple(members), weights, Adjustment.of_dict(blend))


def reweighted(bundle: str | Path, fitted: FittedFusion, output: Path) -> Path:
    """Write a bundle whose tree has the fitted weights, over the same networks.

    Branches that the weights do not name are left out, with their files. The folder appears under
    its name when all of it is written and loads; an older bundle there is replaced.

    Args:
        bundle: name or folder.
        fitted: weights; a threshold to abstain below goes into the card as ``abstain_below``.
        output: the new folder.

    Raises:
        BundleError: the weights name a branch that the bundle lacks, are a stacked regression or
            adjust another number of labels, or something that is no bundle stands at ``output``.
    """
    folder = bundle_folder(bundle)
    card = read_card(folder)
    if not isinstance(fitted.fusion, WeightTree):
        raise BundleError("a bundle blends by weights: a stacked regression cannot be put in one")
    if output.exists() and not (output / "bundle.json").exists() and any(output.iterdir()):
        raise BundleError(f"{output} exists and is no bundle: choose another folder")
    tree = _rewoven(card["tree"], fitted.fusion)
    used = {value for value in (*_strings(tree), TRAINED_ON) if value in card["files"]}
    new = dict(card) | {
        "tree": tree,
        "files": {name: digest for name, digest in card["files"].items() if name in used},
        "provenance": dict(card["provenance"]) | {"weights": _provenance(fitted)},
    }
    for old in ("abstain_below", "measured"):  # those were of other weights
        new.pop(old, None)
    if fitted.abstain_below is not None:
        new["abstain_below"] = fitted.abstain_below
    _write(folder, new, output)
    return output


def _provenance(fitted: FittedFusion) -> dict[str, Any]:
    record = fitted.fitted_on
    told = {key: fitted.search[key] for key in ("search", "objective", "step", "command")
            if key in fitted.search}  # fmt: skip
    if record is not None:
        told["fitted_on"] = {"sha256": record.sha256, "clips": record.clips}
    return told


def _rewoven(old: Card, weights: WeightTree) -> dict[str, Any]:
    """The tree of bundle.json with other weights: the leaves as they were, the blends anew."""
    dotted = dict(dotted_leaves(old))
    if not dotted:
        raise BundleError("the bundle is a single branch: there is nothing to weigh")
    leaves = {short: dotted[name] for name, short in leaf_names(list(dotted)).items()}
    made: dict[str, dict[str, Any]] = {}
    for node in weights.nodes:
        members = []
        for name, weight in zip(node.members, node.weights, strict=True):
            if name not in made and name not in leaves:
                known = ", ".join(leaves)
                raise BundleError(f"the weights name {name!r}; the bundle has: {known}")
            part = made.get(name) or dict(leaves[name])
            members.append(part | {"weight": weight})
        made[node.name] = {
            "kind": "blend",
            "name": node.name.rsplit(".", 1)[-1],
            "members": members,
        } | node.adjustment.to_dict()
    return made[weights.root.name]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _write(source: Path, card: Card, output: Path) -> None:
    building = output.with_name(f".{output.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        for name in card["files"]:
            shutil.copyfile(source / name, building / name)
        for extra in (*source.glob("*.md"), *source.glob("LICENSE*"), *source.glob("NOTICE*")):
            shutil.copyfile(extra, building / extra.name)
        text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
        (building / "bundle.json").write_text(text, encoding="utf-8")
        load_bundle(building)
        if output.exists():
            shutil.rmtree(output)
        building.rename(output)
    finally:
        shutil.rmtree(building, ignore_errors=True)
