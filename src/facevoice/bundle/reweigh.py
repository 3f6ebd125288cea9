"""Converts fitted fusions to bundle trees and back, and puts networks under a new tree."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facevoice.branches import Adjustment
from facevoice.branches.tree import members_of, named_leaves
from facevoice.bundle.files import check_files, file_path, files_named
from facevoice.bundle.population import kept_population, with_population
from facevoice.bundle.read import bundle_folder, read_card
from facevoice.bundle.trained_on import (
    PARTLY,
    TRAINED_ON,
    VALIDATED_ON,
    Lessons,
    read_lessons,
    write_lessons,
)
from facevoice.bundle.write import new_bundle, write_card
from facevoice.errors import BundleError
from facevoice.messages import counted
from facevoice.scores.search import Node, StackedRegression, WeightTree
from facevoice.scores.table import refuse
from facevoice.scores.table.keys import from_texts
from facevoice.scores.weights_file import FittedFusion
from facevoice.session import hash_of

Tree = Mapping[str, Any]
"""A tree, or a node of it, as bundle.json holds it."""


def inner_nodes(tree: Tree) -> Iterator[tuple[str, tuple[str, ...], Tree]]:
    """The fusions of a tree, each after its members: its name, its members' names, itself.

    Inner nodes have dotted names, leaves the names that score tables use.
    """
    short = {id(node): name for name, node in named_leaves(tree).items()}

    def walk(node: Tree, prefix: str) -> Iterator[tuple[str, tuple[str, ...], Tree]]:
        names = [f"{prefix}{member['name']}" for member in members_of(node)]
        for member, name in zip(members_of(node), names, strict=True):
            if id(member) not in short:
                yield from walk(member, f"{name}.")
        named = zip(members_of(node), names, strict=True)
        members = tuple(short.get(id(member), name) for member, name in named)
        yield prefix.rstrip(".") or str(node["name"]), members, node

    if short:
        yield from walk(tree, "")


def bundle_fusion(card: Mapping[str, Any]) -> WeightTree | StackedRegression:
    """The fusion in a bundle.json, over the names that score tables use.

    Raises:
        BundleError: the bundle is a single branch, or mixes a stack with other fusions.
    """
    found = list(inner_nodes(card["tree"]))
    if not found:
        raise BundleError("the bundle is a single branch: it has no weights")
    stacks = [(members, node) for _, members, node in found if node["kind"] == "stack"]
    if stacks and len(found) > 1:
        raise BundleError("a stack beside other fusions can predict, but cannot be evaluated")
    if stacks:
        members, node = stacks[0]
        penalty = float(node.get("inverse_penalty", np.nan))
        coefficients = np.array(node["coefficients"], np.float64)
        labels = tuple(card["labels"])
        return StackedRegression(members, labels, penalty, coefficients, str(node["name"]))
    return WeightTree(
        tuple(
            Node(
                name,
                members,
                tuple(float(member.get("weight", 1.0)) for member in node["members"]),
                Adjustment.of_dict(node),
                node.get("rule", "sum"),
            )
            for name, members, node in found
        )
    )


def tree_of(fusion: WeightTree | StackedRegression, branches: Mapping[str, Tree]) -> dict[str, Any]:
    """A bundle's tree for a fitted fusion; ``bundle_fusion`` reads it back.

    branches: the node of each leaf by the name that the fusion gives it.

    Raises:
        BundleError: the fusion names another branch.
    """
    made = dict(branches)

    def member(name: str, **facts: float) -> dict[str, Any]:
        if name not in made:
            known = ", ".join(branches)
            raise BundleError(f"the weights name {name!r}; the bundle has: {known}")
        return {key: value for key, value in made[name].items() if key != "weight"} | facts

    if isinstance(fusion, StackedRegression):
        members = [member(name) for name in fusion.members]
        facts = {"coefficients": fusion.coefficients.tolist()}
        facts |= {"inverse_penalty": fusion.inverse_penalty}
        return {"kind": "stack", "name": fusion.name, "members": members} | facts
    for node in fusion.nodes:
        weighted = zip(node.members, node.weights, strict=True)
        made[node.name] = {
            "kind": "blend",
            "name": node.name.rsplit(".", 1)[-1],
            "members": [member(name, weight=weight) for name, weight in weighted],
        } | node.settings()
    return dict(made[fusion.root.name])


def reweighted(
    bundle: str | Path, fitted: FittedFusion, output: Path, *, allow_trained: bool = False
) -> Path:
    """Write a bundle with a fitted fusion over the same networks. Needs no training library.

    Branches that the fusion does not name are left out, with their files. The folder appears under
    its name when all of it is written and loads; an older bundle there is replaced. The clips that
    the weights were fitted on are among those that taught the new bundle.

    Args:
        bundle: name or folder.
        fitted: the fusion; a threshold to abstain below goes into the card as ``abstain_below``.
        output: the new folder.
        allow_trained: also take weights that were fitted on clips which taught the networks.

    Raises:
        DatasetError: the weights were fitted on such clips, and that was not allowed.
        BundleError: the fusion names a branch that the bundle lacks or is for another number of
            labels, or something other than a bundle is at ``output``.
        LabelMismatchError: a stacked regression was fitted on other labels, or in another order.
    """
    folder = bundle_folder(bundle)
    card = read_card(folder)
    check_files(folder, card)
    if not allow_trained:
        _refuse_trained(folder, card, fitted)
    branches = named_leaves(card["tree"])
    if not members_of(card["tree"]):
        raise BundleError("the bundle is a single branch: there is nothing to weigh")
    tree = tree_of(fitted.fusion, branches)
    if isinstance(fitted.fusion, StackedRegression):
        fitted.fusion.check_labels(card["labels"])
    used = files_named(tree, card["files"])
    files = {name: each for name, each in card["files"].items() if name in used}
    provenance = dict(card["provenance"]) | {"weights": _provenance(fitted)}
    card = with_population(card, kept_population(card, tree))
    new = card | {"tree": tree, "files": files, "provenance": provenance}
    for old in ("abstain_below", "measured"):  # these belong to the old weights
        new.pop(old, None)
    if fitted.abstain_below is not None:
        new["abstain_below"] = fitted.abstain_below
    with new_bundle(output) as building:
        extras = (*folder.glob("*.md"), *folder.glob("LICENSE*"), *folder.glob("NOTICE*"))
        for path in (*(file_path(folder, name) for name in files), *extras):
            shutil.copyfile(path, building / path.name)
        write_card(building, new | _taught(folder, card, fitted, files, building))
    return output


def _refuse_trained(folder: Path, card: Mapping[str, Any], fitted: FittedFusion) -> None:
    """Refuse weights that were fitted on clips which taught the bundle.

    Scores from elsewhere of which every clip is known not to have taught their networks, as those
    that ``facevoice folds`` held out, are fine: the bundle may have learnt from the clips since.
    """
    record = fitted.fitted_on
    if record is None:
        return
    lessons = read_lessons(folder) if TRAINED_ON in card["files"] else None
    count = record.taught or 0
    if lessons is not None and not (record.taught == 0 and not record.bundle):
        count = max(count, int(np.isin(from_texts(record.keys), lessons.learnt).sum()))
    if count:
        clips = counted(record.clips, "clip")
        found = f"the weights were fitted on {clips}, {count} of which taught the networks"
        refuse(f"{found} of {card['name']}", "they overrate what learnt them best")


def _taught(
    folder: Path,
    card: Mapping[str, Any],
    fitted: FittedFusion,
    files: Mapping[str, str],
    building: Path,
) -> dict[str, Any]:
    """Write the keys of what taught the new bundle; the parts of its card that change with it."""
    earlier = read_lessons(folder) if TRAINED_ON in card["files"] else None
    record = fitted.fitted_on
    none = from_texts(())
    new = Lessons(none, from_texts(() if record is None else record.keys))
    if earlier is None and not len(new.every):
        return {"files": files}
    write_lessons(building, new if earlier is None else earlier + new)
    paths = [building / name for name in (TRAINED_ON, VALIDATED_ON)]
    keys = {path.name: hash_of(path) for path in paths if path.is_file()}
    partly = earlier is None or (record is not None and len(record.keys) < record.clips)
    return {"files": {**files, **keys}} | ({PARTLY: True} if partly else {})


def _provenance(fitted: FittedFusion) -> dict[str, Any]:
    kept = ("search", "rule", "objective", "step", "command")
    facts = {key: fitted.search[key] for key in kept if key in fitted.search}
    record = fitted.fitted_on
    if record is not None:
        facts["fitted_on"] = {"sha256": record.sha256, "clips": record.clips}
    return facts
