"""Finished runs + a tree written in TOML -> a bundle folder that the predictor loads."""

import datetime as dt
import shutil
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facevoice import __version__
from facevoice.branches import leaves
from facevoice.bundle.files import shipped_parts
from facevoice.bundle.trained_on import read_keys, write_keys
from facevoice.bundle.write import files_of, new_bundle, write_card
from facevoice.errors import RecipeError
from facevoice.scores.metrics import Figures
from facevoice.train.export.onnx_files import Exported, Run, export, node_of

MODEL_CARD = "MODEL_CARD.md"
_NET_FACTS = ("parameters", "multiply_adds", "initial_weights", "unusable", "leaks")
_TREE_KEYS = frozenset({"name", "version", "description", "licences", "tree"})
_FURTHER_KEYS = frozenset({"model_card", "shared_parts"})


def assemble(runs: Sequence[Path], tree_file: Path, output: Path) -> Path:
    """Export each run, check it against torch, fit its temperature, and write the bundle.

    The tree names a run by ``run = "NAME"``, the name in its recipe. Every other node is a blend
    unless it names another ``kind``.
    ``model_card`` may name a text that goes along, as a path from the tree file. With
    ``shared_parts = true``, networks that ship with the package are not copied into the bundle.
    The folder appears under its name when all of it is written and loads.

    Raises:
        RecipeError: the tree names an unknown run, a run is not used, or labels differ.
    """
    spec = _read_tree(tree_file)
    by_name = {run.recipe.name: run for run in map(Run.open, runs)}
    labels = {tuple(run.facts["labels"]) for run in by_name.values()}
    if len(labels) != 1:
        raise RecipeError(f"the runs do not share one label set: {sorted(labels)}")
    _check_names(spec["tree"], by_name, tree_file)
    with new_bundle(output) as folder:
        used: dict[str, Exported] = {}
        tree = _node(spec["tree"], by_name, folder, used)
        _write_keys(by_name.values(), folder)
        if "model_card" in spec:
            shutil.copyfile(tree_file.parent / spec["model_card"], folder / MODEL_CARD)
        card = _card(spec, by_name, used)
        files = files_of(folder, tree, shared_parts=spec.get("shared_parts", False))
        write_card(folder, card | {"files": files, "tree": tree})
    return output


def _write_keys(runs: Iterable[Run], folder: Path) -> None:
    """Note which samples taught the bundle; not at all where a run does not say."""
    found = [read_keys(run.folder) for run in runs]
    known = [keys for keys in found if keys is not None]
    if len(known) == len(found):
        write_keys(folder, known)


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no tree file {path}; the repository's are in recipes/") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
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
    named = {str(leaf["run"]) for leaf in leaves(tree) if "run" in leaf}
    unknown, unused = sorted(named - set(runs)), sorted(set(runs) - named)
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


def _node(
    node: Mapping[str, Any], runs: Mapping[str, Run], folder: Path, used: dict[str, Exported]
) -> dict[str, Any]:
    if "run" not in node:
        members = [_node(member, runs, folder, used) for member in node["members"]]
        return {
            **{key: value for key, value in node.items() if key != "members"},
            "kind": node.get("kind", "blend"),
            "members": members,
        }
    name = node["run"]
    used[name] = export(runs[name], folder)
    rest = {key: value for key, value in node.items() if key != "run"}
    return {**node_of(runs[name], used[name].files), **rest}


def _card(
    spec: Mapping[str, Any], runs: Mapping[str, Run], exported: Mapping[str, Exported]
) -> dict[str, Any]:
    first = next(iter(runs.values()))
    return {
        "name": spec["name"],
        "version": spec["version"],
        "description": spec["description"],
        "labels": list(first.facts["labels"]),
        "licences": spec["licences"],
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
        },
        "figures": {name: _figures(run) for name, run in runs.items()},
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
