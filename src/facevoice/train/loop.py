"""The training loop, top to bottom: one recipe, one prepared folder, one run folder.

A run folder holds
    recipe.json       the recipe as used
    run.json          data fingerprint, split sizes, versions, hardware, git revision
    log.jsonl         one line an epoch
    checkpoint.pt     the state after the last whole epoch: a killed run resumes from it
    model.pt          the final weights
    scores_val.npz, scores_test.npz   ids, groups, y, labels, scores (N, K): held-out scores
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric, seed_everything
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

import facevoice
from facevoice import metrics
from facevoice.errors import RecipeError
from facevoice.train.data import (
    Indices,
    Source,
    drawing_order,
    mixed,
    soft_targets,
    source_of,
    split_of,
)
from facevoice.train.joined import TrainingData
from facevoice.train.nets import NETS, multiply_adds, parameter_count
from facevoice.train.recipe import Recipe
from facevoice.writing import replacing

Report = Callable[[dict[str, Any]], None]
_WARM_UP_SHARE = 0.15
_EVALUATION_BATCH = 256


@dataclass(slots=True)
class _State:
    net: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    epoch: int = 0


def train(recipe: Recipe, prepared: TrainingData, run: Path, report: Report | None = None) -> Path:
    """Train, or go on where a killed run with the same recipe and data stopped.

    Returns the run folder.

    Raises:
        RecipeError: the recipe does not fit the data, or the folder holds another run.
    """
    if recipe.net not in NETS:
        raise RecipeError(f"unknown net {recipe.net!r}; known: {', '.join(NETS)}")
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    seed_everything(recipe.seed, verbose=False)
    source, split = source_of(prepared, recipe), split_of(prepared, recipe)
    net = NETS[recipe.net](source.channels, len(prepared.labels), recipe.width, recipe.dropout)
    if recipe.initial:
        _load_initial(net, Path(recipe.initial))
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        _parameter_groups(net, recipe.weight_decay), lr=recipe.learning_rate
    )
    steps = -(-len(split.train) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, recipe.epochs * steps, pct_start=_WARM_UP_SHARE
    )
    wrapped, optimizer = fabric.setup(net, optimizer)
    state = _State(wrapped, optimizer, schedule)
    _start_or_resume(
        run,
        recipe,
        prepared,
        source,
        state,
        {"train": len(split.train), "val": len(split.val), "test": len(split.test)},
    )
    while state.epoch < recipe.epochs:
        started = time.monotonic()
        loss = _one_epoch(fabric, state, source, prepared.y, split.train, recipe)
        state.epoch += 1
        scores = score_rows(state.net, source, split.val)
        line = {
            "epoch": state.epoch,
            "loss": round(loss, 4),
            **_figures(prepared.y[split.val], scores, prepared.labels),
        }
        line["seconds"] = round(time.monotonic() - started, 1)
        with (run / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        _save_checkpoint(run / "checkpoint.pt", state)
        if report is not None:
            report(line)
    for name, rows in (("val", split.val), ("test", split.test)):
        if len(rows):
            _save_scores(
                run / f"scores_{name}.npz", prepared, rows, score_rows(state.net, source, rows)
            )
    with replacing(run / "model.pt") as path:
        torch.save(net.state_dict(), path)
    return run


def _load_initial(net: nn.Module, run: Path) -> None:
    path = run / "model.pt"
    if not path.is_file():
        raise RecipeError(f"recipe key initial: {path} is absent; train that run first")
    try:
        net.load_state_dict(torch.load(path, weights_only=True))
    except RuntimeError as error:
        raise RecipeError(f"recipe key initial: {path} fits another network: {error}") from error


def _parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only: biases and norms keep their scale."""
    matrices = [item for item in net.parameters() if item.ndim > 1]
    vectors = [item for item in net.parameters() if item.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _one_epoch(
    fabric: Fabric,
    state: _State,
    source: Source,
    y: NDArray[np.int64],
    rows: Indices,
    recipe: Recipe,
) -> float:
    # seeded by the epoch: a resumed run draws what an uninterrupted one would have drawn
    rng = np.random.default_rng([recipe.seed, state.epoch])
    generator = torch.Generator().manual_seed(recipe.seed * 100_003 + state.epoch)
    torch.manual_seed(recipe.seed * 100_003 + state.epoch)
    order = rows[drawing_order(y[rows], recipe, rng)]
    classes = int(y.max()) + 1
    state.net.train()
    losses = []
    for start in range(0, len(order), recipe.batch_size):
        chosen = order[start : start + recipe.batch_size]
        pictures = source.training_batch(chosen, rng, generator)
        targets = soft_targets(y[chosen], classes, recipe.label_smoothing)
        pictures, targets = mixed(pictures, targets, recipe.mixup, rng)
        pictures = pictures.to(fabric.device, memory_format=torch.channels_last)
        loss = functional.cross_entropy(state.net(pictures), targets.to(fabric.device))
        fabric.backward(loss)
        fabric.clip_gradients(state.net, state.optimizer, max_norm=5.0)
        state.optimizer.step()
        state.schedule.step()
        state.optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def score_rows(net: nn.Module, source: Source, rows: Indices) -> NDArray[np.float64]:
    """(R, K) float64: the mean of the softmax over each row's pictures."""
    net.eval()
    place = {int(row): position for position, row in enumerate(rows)}
    sums: NDArray[np.float64] | None = None
    counts = np.zeros(len(rows))
    for owners, pictures in source.evaluation_batches(rows, _EVALUATION_BATCH):
        device = next(net.parameters()).device
        shown = pictures.to(device, memory_format=torch.channels_last)
        probabilities = functional.softmax(net(shown).float(), dim=1).double().cpu().numpy()
        positions = np.array([place[int(row)] for row in owners])
        if sums is None:
            sums = np.zeros((len(rows), probabilities.shape[1]))
        np.add.at(sums, positions, probabilities)
        np.add.at(counts, positions, 1)
    if sums is None:
        return np.zeros((0, 0))
    return sums / counts[:, None]


def _figures(
    y: NDArray[np.int64], scores: NDArray[np.float64], labels: tuple[str, ...]
) -> dict[str, float]:
    matrix = metrics.ConfusionMatrix.of_scores(scores, y, labels)
    return {"val_war": round(matrix.war, 4), "val_uar": round(matrix.uar, 4)}


def _start_or_resume(
    run: Path,
    recipe: Recipe,
    prepared: TrainingData,
    source: Source,
    state: _State,
    sizes: dict[str, int],
) -> None:
    run.mkdir(parents=True, exist_ok=True)
    wanted = {"recipe": json.loads(json.dumps(recipe.to_dict())), "data": prepared.fingerprint}
    if (run / "run.json").exists():
        present = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if {key: present[key] for key in wanted} != wanted:
            raise RecipeError(f"{run} holds a run of another recipe or data; choose another folder")
        if (run / "checkpoint.pt").exists():
            _load_checkpoint(run / "checkpoint.pt", state)
        return
    side = recipe.input_size
    shape: tuple[int, ...] = (source.channels, side, side)
    if recipe.branch == "spectrogram_net":
        shape = next(iter(source.evaluation_batches(np.array([0]), 1)))[1].shape[1:]
    facts = wanted | {
        "labels": list(prepared.labels),
        "corpus": {key: prepared.meta[key] for key in ("corpus", "licence", "citation", "count")},
        "input_shape": list(shape),
        "parameters": parameter_count(state.net),
        "multiply_adds": multiply_adds(state.net, shape),
        "rows": sizes,
        "revision": _git_revision(),
        "versions": {"facevoice": facevoice.__version__, "torch": torch.__version__},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }
    with replacing(run / "run.json") as path:
        path.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _git_revision() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None  # installed from a wheel, or no git
    return result.stdout.strip()


def _save_checkpoint(path: Path, state: _State) -> None:
    parts = {
        "net": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "epoch": state.epoch,
    }
    with replacing(path) as temporary:
        torch.save(parts, temporary)


def _load_checkpoint(path: Path, state: _State) -> None:
    parts = torch.load(path, weights_only=True)
    state.net.load_state_dict(parts["net"])
    state.optimizer.load_state_dict(parts["optimizer"])
    state.schedule.load_state_dict(parts["schedule"])
    state.epoch = parts["epoch"]


def _save_scores(
    path: Path, prepared: TrainingData, rows: Indices, scores: NDArray[np.float64]
) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            ids=np.array([prepared.ids[row] for row in rows]),
            groups=np.array([prepared.groups[row] for row in rows]),
            y=prepared.y[rows],
            labels=np.array(prepared.labels),
            scores=scores,
        )
