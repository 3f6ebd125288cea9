"""The folder of a run: what it notes, and how a killed run finds its way back.

It holds
    run.json        recipe as used, data fingerprint, split sizes, versions, hardware, git revision
    log.jsonl       one line per epoch
    curves.png      loss and validation figures by epoch
    checkpoint.pt   the state after the last whole epoch: a killed run resumes from it
    stage-*.pt, features-*.npy   what finished stages hand on, until the run is finished
    model.pt        the final weights (model.onnx for a support vector machine)
    scores_val.npz, scores_test.npz   ids, groups, y, labels, scores (N, K): held-out scores
    trained_on.npy  keys of the samples that set the weights or the temperature; validated_on.npy
                    of those that set the temperature and chose the epoch alone
"""

import io
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import facevoice
from facevoice.bundle.trained_on import Lessons, lessons_of, read_lessons, write_lessons
from facevoice.errors import RecipeError
from facevoice.train.fit.run_facts import FACTS, read_facts
from facevoice.train.fit.samples import Indices, Split
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import AnyRecipe, Ensemble, Network
from facevoice.writing import replacing


def claim(
    run: Path, recipe: AnyRecipe, data: Prepared, split: Split, extra: Mapping[str, Any]
) -> None:
    """Write ``run.json``, or check that the folder's own names the same recipe and data.

    Also notes which samples the run learns from, and those that its initial weights learnt from.

    extra: further facts, such as the network's size.

    Raises:
        RecipeError: the folder holds another run.
    """
    present = check_folder(run, recipe, data)
    _note_samples(run, recipe, data, split)
    learnt = np.concatenate([split.train, split.val]).tolist()
    licences = _earlier_licences(recipe) | data.licences(learnt)
    if present:
        note(run, {"licences": licences})  # no part of what makes the run: it may be stated anew
        return
    facts = _identity(recipe, data) | {
        "labels": list(data.labels),
        "corpus": {key: data.meta[key] for key in ("corpus", "licence", "citation", "count")},
        "licences": licences,
        "leaks": len(data.meta.get("leaks", ())),
        "rows": split.sizes(),
        "revision": _git_revision(),
        "versions": {"facevoice": facevoice.__version__, "torch": torch.__version__},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        **extra,
    }
    _write_facts(run, facts)


def check_folder(run: Path, recipe: AnyRecipe, data: Prepared) -> bool:
    """Whether the folder holds this very run, begun or finished.

    Raises:
        RecipeError: it holds another run.
    """
    if not (run / FACTS).exists():
        return False
    present = read_facts(run)
    wanted = _identity(recipe, data)
    if {key: present.get(key) for key in wanted} != wanted:
        raise RecipeError(f"{run} holds a run of another recipe or data; choose another folder")
    return True


def _identity(recipe: AnyRecipe, data: Prepared) -> dict[str, Any]:
    return {"recipe": json.loads(json.dumps(recipe.to_dict())), "data": data.fingerprint}


def note(run: Path, facts: Mapping[str, Any]) -> None:
    """Add facts to ``run.json``."""
    _write_facts(run, {**read_facts(run), **facts})


def _write_facts(run: Path, facts: Mapping[str, Any]) -> None:
    with replacing(run / FACTS) as temporary:
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        temporary.write_text(text, encoding="utf-8")


def _note_samples(run: Path, recipe: AnyRecipe, data: Prepared, split: Split) -> None:
    keys = data.keys()
    lessons = Lessons(lessons_of(keys, split.train).learnt, lessons_of(keys, split.val).learnt)
    if isinstance(recipe, Ensemble):  # it learns from its validation rows in the end
        lessons = Lessons(lessons.every)
    initial = recipe.initial if isinstance(recipe, Network) else ""
    earlier = read_lessons(Path(initial)) if initial else None
    write_lessons(run, lessons if earlier is None else lessons + earlier)


def _earlier_licences(recipe: AnyRecipe) -> dict[str, str]:
    """Of the corpora that the initial weights learnt from, where they are those of a run."""
    initial = recipe.initial if isinstance(recipe, Network) else ""
    if not initial or not (Path(initial) / FACTS).is_file():
        return {}
    return licences_of(read_facts(Path(initial)))


def licences_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The licences of all corpora that a run learnt from, by name; facts: its ``run.json``."""
    corpus = facts["corpus"]
    return dict(facts.get("licences", {corpus["corpus"]: corpus["licence"]}))


def add_line(run: Path, line: Mapping[str, Any]) -> None:
    """Append a line to ``log.jsonl``."""
    with (run / "log.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of ``log.jsonl``."""
    path = run / "log.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def keep_lines(run: Path, count: int) -> None:
    """Forget the lines of epochs that a killed run had logged but not kept."""
    lines = read_log(run)
    if len(lines) > count:
        with replacing(run / "log.jsonl") as temporary:
            text = "".join(json.dumps(line) + "\n" for line in lines[:count])
            temporary.write_text(text, encoding="utf-8")


def save_scores(path: Path, data: Prepared, rows: Indices, scores: NDArray[np.float64]) -> None:
    """Write the scores (R, K) of rows with all that is needed to judge them."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            ids=np.array([data.ids[row] for row in rows]),
            groups=np.array([data.groups[row] for row in rows]),
            y=data.y[rows],
            labels=np.array(data.labels),
            scores=scores,
        )


def save_tensors(path: Path, content: Any) -> None:
    """Write tensors at once or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    # through memory: torch's own error on a full disk does not tell what it is
    packed = io.BytesIO()
    torch.save(content, packed)
    with replacing(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def _git_revision() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None  # installed from a wheel, or no git
    return result.stdout.strip()
