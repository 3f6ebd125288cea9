"""Finished runs + a tree written in TOML -> a bundle folder that the predictor loads."""

import datetime as dt
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from facevoice import __version__
from facevoice.branches import leaves
from facevoice.branches.speech_encoder import CENTRED_MODEL
from facevoice.bundle.files import shipped_parts
from facevoice.bundle.licences import Licences, all_data, part_licences
from facevoice.bundle.population import POPULATION, with_population
from facevoice.bundle.trained_on import read_lessons, write_lessons
from facevoice.bundle.write import files_of, new_bundle, write_card
from facevoice.errors import RecipeError
from facevoice.scores.metrics import Figures
from facevoice.train.export.calibrate import CALIBRATE, Calibrations
from facevoice.train.export.onnx_files import Exported, Run, export, node_of
from facevoice.train.export.population import CENTRED_POPULATION, CENTRED_RUN, population_of
from facevoice.train.fit.run_folder import licences_of
from facevoice.train.recipe import CentredRecipe, find_recipe, read_toml

MODEL_CARD = "MODEL_CARD.md"
_NET_FACTS = ("parameters", "multiply_adds", "initial_weights", "unusable", "leaks")
_SOURCES = frozenset({"run", "members", CENTRED_RUN, CENTRED_POPULATION, CALIBRATE, POPULATION})
_TREE_KEYS = frozenset({"name", "version", "description", "licences", "tree"})
_FURTHER_KEYS = frozenset({"model_card", "shared_parts"})


def assemble(runs: Sequence[Path], tree_file: Path, output: Path) -> Path:
    """Export each run, check it against torch, fit its temperature, and write the bundle.

    The tree names a run by ``run = "NAME"``, the name in its recipe. A node with ``members`` is a
    blend unless it names another ``kind``; any other node is a branch as bundle.json holds it, such
    as a network that ships with facevoice. Any node may name a score table by ``calibrate``, see
    ``export.calibrate``; without it a run's temperature is that of its validation rows. A branch
    may name one by ``population``, see ``export.population``, and a second run by
    ``centred_run``, whose model scores are read against a person's own baseline.
    ``model_card`` may name a text that goes along, as a path from the tree file. With
    ``shared_parts = true``, networks that ship with the package are not copied into the bundle.
    The folder appears under its name when all of it is written and loads.

    Raises:
        RecipeError: the tree names an unknown run, a run is not used, labels differ, or a table
            cannot give a temperature.
    """
    spec = _read_tree(tree_file)
    by_name = {run.recipe.name: run for run in map(Run.open, runs)}
    labels = {tuple(run.facts["labels"]) for run in by_name.values()}
    if len(labels) != 1:
        raise RecipeError(f"the runs do not share one label set: {sorted(labels)}")
    _check_names(spec["tree"], by_name, tree_file)
    with new_bundle(output) as folder:
        used: dict[str, Exported] = {}
        calibrations = Calibrations(next(iter(labels)))
        tree = _node(spec["tree"], by_name, folder, used, calibrations)
        tree = _licensed(tree, calibrations.runs, spec["licences"])
        _write_keys(by_name.values(), folder)
        if "model_card" in spec:
            shutil.copyfile(tree_file.parent / spec["model_card"], folder / MODEL_CARD)
        card = _card(spec, by_name, used, calibrations.facts, tree)
        card = with_population(card, population_of(spec["tree"], tree, calibrations, by_name))
        files = files_of(folder, tree, shared_parts=spec.get("shared_parts", False))
        write_card(folder, card | {"files": files, "tree": tree})
    return output


def _write_keys(runs: Iterable[Run], folder: Path) -> None:
    """Note which samples taught the bundle; not at all where a run does not say."""
    found = [read_lessons(run.folder) for run in runs]
    known = [lessons for lessons in found if lessons is not None]
    if len(known) == len(found):
        write_lessons(folder, reduce(add, known))


def _read_tree(path: Path) -> dict[str, Any]:
    spec = read_toml(find_recipe(path))
    if not _TREE_KEYS <= set(spec) <= _TREE_KEYS | _FURTHER_KEYS:
        raise RecipeError(
            f"{path} must have the keys {sorted(_TREE_KEYS)} and may have {sorted(_FURTHER_KEYS)},"
            f" got {sorted(spec)}"
        )
    if not isinstance(spec.get("shared_parts", False), bool):
        raise RecipeError(f"{path}: shared_parts must be true or false")
    text = spec.get("model_card")
    if text is not None and not (path.parent / text).is_file():
        raise RecipeError(f"{path} names the model card {text}: there is no such file")
    return spec


def _check_names(tree: Mapping[str, Any], runs: Mapping[str, Run], tree_file: Path) -> None:
    """Exporting takes minutes for large nets: find a wrong name before."""
    named = {str(leaf[key]) for leaf in leaves(tree) for key in ("run", CENTRED_RUN) if key in leaf}
    for node in _every(tree):
        for key in (CALIBRATE, POPULATION):
            if key in node and not Path(node[key]).is_file():
                raise RecipeError(f"{tree_file}: {key} names the table {node[key]}: no such file")
    unknown, unused = sorted(named - set(runs)), sorted(set(runs) - named)
    for leaf in leaves(tree):
        if "run" not in leaf and not {"name", "kind"} <= set(leaf):
            raise RecipeError(f"{tree_file}: a branch needs a run, or a name and a kind: {leaf}")
    if unknown:
        raise RecipeError(f"{tree_file} names the runs {', '.join(unknown)}; given: {list(runs)}")
    taken = sorted(set(runs) & {Path(part).stem for part in shipped_parts()})
    if taken:
        raise RecipeError(
            f"the runs {', '.join(taken)} have the names of parts that ship with facevoice: rename"
            " them, since a run's networks are stored under its name"
        )
    if unused:
        raise RecipeError(f"{tree_file} does not use the runs {', '.join(unused)}")


def _every(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A node and all below it, as the tree file has them: they may lack names."""
    yield node
    for member in node.get("members", ()):
        yield from _every(member)


def _node(
    node: Mapping[str, Any],
    runs: Mapping[str, Run],
    folder: Path,
    used: dict[str, Exported],
    calibrations: Calibrations,
) -> dict[str, Any]:
    rest = {key: value for key, value in node.items() if key not in _SOURCES}
    if "run" in node:
        name = node["run"]
        used[name] = export(runs[name], folder)
        made = {**node_of(runs[name], used[name].files), **rest}
        calibrations.runs[made["name"]] = runs[name]
        if CENTRED_RUN in node:
            second = node[CENTRED_RUN]
            used[second] = export(runs[second], folder)
            made[CENTRED_MODEL] = used[second].files["model"]
    elif "members" in node:
        members = [_node(member, runs, folder, used, calibrations) for member in node["members"]]
        made = {**rest, "kind": node.get("kind", "blend"), "members": members}
    else:
        made = rest
    return calibrations.calibrated(made, node[CALIBRATE]) if CALIBRATE in node else made


def _licensed(
    node: Mapping[str, Any], runs: Mapping[str, Run], whole: Mapping[str, str]
) -> dict[str, Any]:
    """The tree with the licences of each branch; what the tree file says at a branch stands."""
    if "members" in node:
        members = [_licensed(member, runs, whole) for member in node["members"]]
        return {**node, "members": members}
    run, parts = runs.get(node["name"]), part_licences(node)
    shipped = "; ".join(part["licence"] for part in parts.values())
    found = Licences(
        code=whole.get("code", ""),
        weights=whole.get("weights", "") if run or not parts else shipped,
        data=licences_of(run.facts) if run else {},
        parts=parts,
    )
    return {**node, "licences": found.to_dict() | node.get("licences", {})}


def _card(
    spec: Mapping[str, Any],
    runs: Mapping[str, Run],
    exported: Mapping[str, Exported],
    temperatures: Mapping[str, Any],
    tree: Mapping[str, Any],
) -> dict[str, Any]:
    first = next(iter(runs.values()))
    return {
        "name": spec["name"],
        "version": spec["version"],
        "description": spec["description"],
        "labels": list(first.facts["labels"]),
        "licences": {"data": all_data(tree)} | spec["licences"],
        "provenance": {
            "made_with": f"facevoice {__version__}",
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "branches": {
                name: {
                    "corpus": run.facts["corpus"],
                    "rows": run.facts["rows"],
                    "recipe": run.facts["recipe"],
                    **{key: run.facts[key] for key in _NET_FACTS if key in run.facts},
                    **_parity(exported[name]),
                    "files": sorted(exported[name].files.values()),
                }
                for name, run in runs.items()
            },
            **({"temperatures": dict(temperatures)} if temperatures else {}),
        },
        "figures": {
            name: _figures(run)
            for name, run in runs.items()
            if not isinstance(run.recipe, CentredRecipe)  # alone they mean nothing
        },
    }


def _parity(exported: Exported) -> dict[str, float]:
    found = {"parity_with_torch": float(f"{exported.parity:.2g}")}
    if exported.rounding is not None:
        found["parity_in_half_precision"] = float(f"{exported.rounding:.2g}")
    return found


def _figures(run: Run) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for part in ("val", "test"):
        stored = run.scores(part)
        if stored is None:
            continue
        labels = tuple(str(label) for label in stored["labels"])
        found = Figures(part, labels, stored["scores"], stored["y"]).rounded("count", "war", "uar")
        figures |= {f"{part}_{name}": value for name, value in found.items()}
    return figures
