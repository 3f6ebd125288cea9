"""Writing an adapted bundle, and checking that it scores clips as the procedure did."""

import dataclasses
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from facevoice import __version__
from facevoice.branches import leaves as leaves_of
from facevoice.branches.tree import dotted_leaves
from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.files import files_named
from facevoice.bundle.licences import Licences, branch_licences, part_licences
from facevoice.bundle.population import kept_population, table_population, with_population
from facevoice.bundle.reweigh import tree_of
from facevoice.bundle.trained_on import PARTLY, lessons_of, read_lessons, write_lessons
from facevoice.bundle.write import check_place, files_of, new_bundle, write_card
from facevoice.errors import RecipeError
from facevoice.person import Population
from facevoice.scores.search import WeightTree
from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.fit import Adapted, Settings
from facevoice.train.adapt.refit import Refit, adapted_name
from facevoice.train.prepare.folder import Prepared
from facevoice.writing import replacing

PARITY: Final = 1e-3
"""The largest difference allowed between a score of the bundle and one of the procedure."""
_CHECKED: Final = 8


def _inputs(bundle: Bundle, data: Prepared, settings: Settings) -> dict[str, Any]:
    """What decides the outcome."""
    return {
        "facevoice": __version__,
        "bundle": {"name": bundle.name, "version": bundle.version, "sha256": bundle.sha256},
        "data": data.fingerprint,
        "settings": dataclasses.asdict(settings),
    }


def finished(output: Path, bundle: Bundle, data: Prepared, settings: Settings) -> bool:
    """Whether just this bundle stands at ``output``.

    Raises:
        BundleError: something other than a bundle stands there.
        RecipeError: it is the bundle to adapt.
    """
    check_place(output, overwrite=True)
    path = output / "bundle.json"
    if not path.is_file():
        return False
    if output.resolve() == bundle.folder.resolve():
        raise RecipeError(f"{output} is the bundle to adapt: choose another folder")
    card = json.loads(path.read_text(encoding="utf-8"))
    inputs: dict[str, Any] = card.get("provenance", {}).get("adapted", {}).get("inputs", {})
    return inputs == _inputs(bundle, data, settings)


def write_bundle(
    base: Bundle,
    data: Prepared,
    settings: Settings,
    leaves: Sequence[LeafFeatures],
    adapted: Adapted,
    figures: Mapping[str, Any],
    output: Path,
) -> None:
    """Write networks and card; the folder appears when all of it is written, loads and agrees.

    Raises:
        OutputError: the folder cannot be written.
        RecipeError: the written networks score clips otherwise than the fitted ones.
    """
    with new_bundle(output) as folder:
        tree = _counted(adapted.tree)
        nodes = _leaf_nodes(base, leaves, adapted, tree.leaves, data, folder)
        earlier = read_lessons(base.folder)
        own = lessons_of(data.keys(), np.arange(len(data.ids)))
        write_lessons(folder, own if earlier is None else own + earlier)
        card = _card(base, data, settings, adapted, figures)
        if earlier is None or base.card.get(PARTLY, False):
            card |= {PARTLY: True}
        tree_nodes = tree_of(tree, nodes)
        card = with_population(card, _population(base, adapted, tree_nodes))
        files = files_of(folder, tree_nodes)
        write_card(folder, card | {"files": files, "tree": tree_nodes})
        _check_parity(load_bundle(folder), data, leaves, adapted.refits)


def _leaf_nodes(
    base: Bundle,
    leaves: Sequence[LeafFeatures],
    adapted: Adapted,
    used: Collection[str],
    data: Prepared,
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """The nodes of the branches that are used, by name; their networks go to the folder."""
    names = [leaf.name for leaf in leaves if not leaf.added]
    known = dict(zip(names, branch_licences(base.card).values(), strict=True))
    nodes = {}
    for leaf in leaves:
        if leaf.name in used:
            for file in files_named(leaf.node, base.card["files"]):
                shutil.copyfile(base.path(file), folder / file)
            nodes[leaf.name] = {**leaf.node, "name": leaf.name}
        name = adapted_name(leaf.name)
        if name in used:
            node = _refit_node(base, leaf, adapted.refits[name], folder)
            licences = known.get(leaf.name, Licences(base.card["licences"].get("code", "")))
            nodes[name] = node | {"licences": _licences(licences, node, data)}
    return nodes


def _licences(old: Licences, node: Mapping[str, Any], data: Prepared) -> dict[str, Any]:
    """Those of a refitted branch: of what it was, of the clips, and of the parts that it uses."""
    corpus = {str(data.meta.get("corpus", "")): str(data.meta.get("licence", ""))}
    weights = f"{old.weights}; last layer: as the data" if old.weights else "as the data"
    return Licences(old.code, weights, {**old.data, **corpus}, part_licences(node)).to_dict()


def _refit_node(base: Bundle, leaf: LeafFeatures, refit: Refit, folder: Path) -> dict[str, Any]:
    name = adapted_name(leaf.name)
    node: dict[str, Any] = {"name": name, "temperature": refit.temperature}
    own = {"model": f"{name}.onnx"}
    for part, model in zip(("", "_time"), refit.head.models(leaf), strict=False):
        with replacing(folder / f"{name}{part}.onnx") as path:
            onnx.save(model, path)
    if leaf.machine is not None:
        models = {leaf.node.get("model"), leaf.node.get("centred_model")}
        for file in set(files_named(leaf.node, base.card["files"])) - models:
            shutil.copyfile(base.path(file), folder / file)
        # the new last layer has learnt from whole clips alone, and the second model from others
        gone = {"in_pieces", "centred_model", "centred_temperature"}
        old = {key: value for key, value in leaf.node.items() if key not in gone}
        return {**old, **node, **own}
    node["input"] = leaf.node["input"]
    if leaf.modality == "voice":
        return node | own | {"kind": "spectrogram_net", "channels": leaf.node["channels"]}
    if leaf.temporal is not None:  # its network of single faces stays
        cnn = str(leaf.node["cnn"])
        shutil.copyfile(base.path(cnn), folder / cnn)
        return node | {"kind": "face_sequence", "cnn": cnn, "blstm": f"{name}.onnx"}
    return node | {"kind": "face_sequence", "cnn": f"{name}.onnx", "blstm": f"{name}_time.onnx"}


def _population(base: Bundle, adapted: Adapted, tree: Mapping[str, Any]) -> Population:
    """Branches that stay keep their statistics; refitted ones have those of scores out of fold."""
    found = dict(kept_population(base.card, tree).branches)
    for name, node in dotted_leaves(tree).items():
        if node["name"] in adapted.refits:
            new = table_population(adapted.held_out, node["name"])
            found |= {} if new is None else {name: new}
    return Population(found)


def _counted(tree: WeightTree) -> WeightTree:
    """The tree without the members of weight 0."""
    kept = []
    for node in tree.nodes:
        pairs = [pair for pair in zip(node.members, node.weights, strict=True) if pair[1] > 0]
        members, weights = zip(*pairs, strict=True)
        kept.append(dataclasses.replace(node, members=members, weights=weights))
    return WeightTree(tuple(kept))


def _card(
    base: Bundle,
    data: Prepared,
    settings: Settings,
    adapted: Adapted,
    figures: Mapping[str, Any],
) -> dict[str, Any]:
    licences, truth = base.card["licences"], adapted.held_out.truth
    old = {adapted_name(name) for name in adapted.held_out.branches}
    shown = [base.labels[label] for label in np.unique(truth)]
    corpus = {key: data.meta.get(key, "") for key in ("corpus", "licence", "citation")}
    groups = sorted(set(data.groups) - set(data.ids))
    people = f"{len(groups)} groups (speakers)" if groups else "unnamed speakers"
    return {
        "name": f"{base.name}-adapted",
        "version": base.version,
        "description": f"{base.name} {base.version}, adapted on {len(truth)} clips of"
        f" {people} of {corpus['corpus']}.",
        "labels": list(base.labels),
        "licences": {
            "code": licences.get("code", ""),
            "weights": f"{licences.get('weights', '')}; last layers and fusion: as the data",
            "data": f"{licences.get('data', '')}; {corpus['corpus']}: {corpus['licence']}",
        },
        "provenance": {
            "made_with": f"facevoice {__version__}",
            "adapted": {
                "inputs": _inputs(base, data, settings),
                "corpus": corpus,
                "groups": groups,
                "labels": shown,
                "absent_labels": [label for label in base.labels if label not in shown],
                "chosen": {
                    name: {
                        "kind": refit.kind,
                        "used": name in adapted.tree.leaves,
                        "added": name not in old,
                        "held_out_log_loss": refit.losses,
                        "absent_ratio": round(refit.head.answer.ratio, 6),
                    }
                    for name, refit in adapted.refits.items()
                },
                "notes": list(adapted.notes),
            },
            "branches": base.card["provenance"].get("branches", {}),
        },
        "figures": dict(figures),
    }


def _check_parity(
    bundle: Bundle, data: Prepared, leaves: Sequence[LeafFeatures], refits: Mapping[str, Refit]
) -> None:
    """Some clips of each refitted branch, scored by the written networks."""
    by_name = {branch.name: branch for branch in leaves_of(bundle.tree)}
    for leaf in leaves:
        name = adapted_name(leaf.name)
        if name not in by_name:
            continue
        rows = np.flatnonzero(leaf.speaks)
        rows = rows[np.linspace(0, len(rows) - 1, min(_CHECKED, len(rows))).astype(int)]
        for row, values in zip(rows, refits[name].scores(leaf, rows), strict=True):
            found = by_name[name].score(data.evidence(int(row)))
            worst = np.inf if found is None else float(np.abs(found.values - values).max())
            if worst > PARITY:
                raise RecipeError(
                    f"the written network of {name} scores {data.ids[row]} otherwise than the"
                    f" fitted one, by {worst:.2g}: this bundle cannot be adapted"
                )
