"""One stage of training, visible from top to bottom: epochs of batches of one module."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facevoice.scores import metrics
from facevoice.train.fit.curves import draw_curves
from facevoice.train.fit.run_folder import add_line, keep_lines, read_log, save_tensors
from facevoice.train.fit.samples import (
    Indices,
    Split,
    drawing_order,
    logit_adjustment_of,
    mixed,
    resized,
)
from facevoice.train.fit.sources import Inputs, Source
from facevoice.train.fit.validation import placed, score_rows
from facevoice.train.recipe import NetRecipe

Report = Callable[[dict[str, Any]], None]
"""Told the log line of each epoch."""
Progress = Callable[[str, int, int, float], None]
"""Told stage, batches done, batches in all and the mean loss so far."""

_CHUNK: Final = 32
_WARM_UP_SHARE: Final = 0.15
_MOST_GRADIENT: Final = 5.0
_BATCHES_AHEAD: Final = 8

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Stage:
    """A module, where its inputs come from, and how long and how fast it learns.

    number: of the stage within its run; seeds what is random in it.
    sizes: side of the pictures in equal parts of the epochs (see ``Faces``); empty: as they come.
    """

    name: str
    number: int
    module: nn.Module
    source: Source
    epochs: int
    batch_size: int
    learning_rate: float
    mixup: float = 0.0
    sizes: tuple[int, ...] = ()

    def side(self, epoch: int) -> int | None:
        """Side of the pictures in an epoch, counted from 0; None: as they come."""
        if not self.sizes:
            return None
        return self.sizes[epoch * len(self.sizes) // self.epochs]


@dataclass(slots=True)
class Trainer:
    """What all stages of a run share.

    y: (N,) labels of all rows, which balance the draws.
    targets: (N, K) distributions that all rows are to learn.
    """

    fabric: Fabric
    recipe: NetRecipe
    run: Path
    y: NDArray[np.int64]
    targets: Tensor
    labels: tuple[str, ...]
    split: Split
    report: Report | None = None
    progress: Progress | None = None

    def train(self, stage: Stage) -> None:
        """Train a stage to its end, from where a killed run stopped; skip it if it was finished."""
        finished = self.run / f"stage-{stage.name}.pt"
        if finished.exists():
            stage.module.load_state_dict(torch.load(finished, weights_only=True))
            self.fabric.to_device(stage.module)
            return
        state = _State.fresh(self.fabric, stage, self.recipe, len(self.split.train))
        checkpoint = self.run / "checkpoint.pt"
        if checkpoint.exists():
            state.resume(checkpoint, stage, self.run)
        drawn = time.monotonic()
        while state.epoch < stage.epochs and not self._stalls(state):
            started = time.monotonic()
            loss = self._epoch(stage, state)
            state.epoch += 1
            figures = self._validated(stage)
            if figures["val_uar"] > state.best_uar or not self.recipe.patience:
                state.best_uar, state.best_epoch = figures["val_uar"], state.epoch
                if self.recipe.patience and self.fabric.is_global_zero:
                    save_tensors(self.run / f"best-{stage.name}.pt", stage.module.state_dict())
            line = {"stage": stage.name, "epoch": state.epoch, "loss": round(loss, 4), **figures}
            line["seconds"] = round(time.monotonic() - started, 1)
            if self.fabric.is_global_zero:
                add_line(self.run, line)
                state.save(checkpoint, stage, len(read_log(self.run)))
                if time.monotonic() - drawn > 60:
                    draw_curves(self.run)
                    drawn = time.monotonic()
                if self.report is not None:
                    self.report(line)
        self._finish(stage, finished, checkpoint)

    def _stalls(self, state: "_State") -> bool:
        patience = self.recipe.patience
        return bool(patience) and state.epoch - state.best_epoch >= patience

    def _finish(self, stage: Stage, finished: Path, checkpoint: Path) -> None:
        self.fabric.barrier()
        best = self.run / f"best-{stage.name}.pt"
        if self.recipe.patience and best.exists():
            stage.module.load_state_dict(torch.load(best, weights_only=True))
        self.fabric.barrier()
        if self.fabric.is_global_zero:
            save_tensors(finished, stage.module.state_dict())
            checkpoint.unlink(missing_ok=True)
            best.unlink(missing_ok=True)
            draw_curves(self.run)
        self.fabric.barrier()

    def _epoch(self, stage: Stage, state: "_State") -> float:
        # seeded by the epoch: a resumed run draws what an uninterrupted one would have drawn
        seed = [self.recipe.seed, stage.number, state.epoch]
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**62)))
        rows, recipe = self.split.train, self.recipe
        order = rows[drawing_order(self.y[rows], recipe, np.random.default_rng(seed))]
        adjustment = logit_adjustment_of(self.y[rows], len(self.labels), recipe)
        adjustment = adjustment.to(self.fabric.device)
        starts = range(0, len(order), stage.batch_size)

        side = stage.side(state.epoch)

        def share(start: int) -> tuple[Inputs, Tensor, float]:
            rows = order[start : start + stage.batch_size]
            inputs, targets, weight = self._share(stage, rows, [*seed, start])
            return inputs if side is None else (resized(inputs[0], side),), targets, weight

        ahead = _BATCHES_AHEAD if self.fabric.device.type == "cuda" else 0
        stage.module.train()
        losses: list[float] = []
        for inputs, targets, weight in _made_ahead(share, starts, ahead):
            logits = state.wrapped(*placed(inputs, self.fabric.device)) + adjustment
            loss = functional.cross_entropy(logits, targets.to(self.fabric.device)) * weight
            self.fabric.backward(loss)
            self.fabric.clip_gradients(state.wrapped, state.optimizer, max_norm=_MOST_GRADIENT)
            state.optimizer.step()
            state.schedule.step()
            state.optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            if self.progress is not None and self.fabric.is_global_zero:
                self.progress(stage.name, len(losses), len(starts), float(np.mean(losses)))
        mean = torch.tensor(float(np.mean(losses)), device=self.fabric.device)
        return float(self.fabric.all_reduce(mean, reduce_op="mean"))  # type: ignore[arg-type]

    def _share(self, stage: Stage, rows: Indices, seed: list[int]) -> tuple[Inputs, Tensor, float]:
        """This process's part of a batch, its targets, and what its mean loss counts for.

        The batch is made in chunks with random numbers of their own, so that it is the same
        however many processes share it.
        """
        chunks = [(at, rows[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK)]
        rank, world = self.fabric.global_rank, self.fabric.world_size
        mine = chunks[rank::world]
        count = sum(len(chunk) for _, chunk in mine)
        parts: list[tuple[Tensor, ...]] = []
        for at, chunk in mine or chunks[:1]:  # a process without a chunk still takes the step
            rng = np.random.default_rng([*seed, at])
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            inputs = stage.source.training(chunk, rng, generator)
            targets = self.targets[torch.from_numpy(chunk)]
            if stage.mixup > 0:
                (pictures,) = inputs
                pictures, targets = mixed(pictures, targets, stage.mixup, rng)
                inputs = (pictures,)
            parts.append((*inputs, targets))
        *joined, all_targets = (torch.cat(column) for column in zip(*parts, strict=True))
        return tuple(joined), all_targets, count * world / len(rows)

    def _validated(self, stage: Stage) -> dict[str, float]:
        """WAR and UAR of the validation rows, measured by the first process for all."""
        figures = {"val_war": 0.0, "val_uar": 0.0}
        if self.fabric.is_global_zero:
            scores = score_rows(stage.module, stage.source, self.split.val)
            matrix = metrics.ConfusionMatrix.of_scores(scores, self.y[self.split.val], self.labels)
            figures = {"val_war": round(matrix.war, 4), "val_uar": round(matrix.uar, 4)}
        broadcast: dict[str, float] = self.fabric.broadcast(figures)
        return broadcast


@dataclass(slots=True)
class _State:
    """Everything that changes while a stage is trained."""

    wrapped: Any
    optimizer: Any
    schedule: torch.optim.lr_scheduler.OneCycleLR
    epoch: int = 0
    best_uar: float = -1.0
    best_epoch: int = 0

    @classmethod
    def fresh(cls, fabric: Fabric, stage: Stage, recipe: NetRecipe, rows: int) -> "_State":
        stage.module.to(memory_format=torch.channels_last)
        groups = _parameter_groups(stage.module, recipe.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate)
        steps = -(-rows * recipe.draws // stage.batch_size) * stage.epochs
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, stage.learning_rate, steps, pct_start=_WARM_UP_SHARE
        )
        wrapped, prepared = fabric.setup(stage.module, optimizer)
        return cls(wrapped, prepared, schedule)

    def save(self, path: Path, stage: Stage, lines: int) -> None:
        parts = {
            "stage": stage.name,
            "module": stage.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "best": (self.best_uar, self.best_epoch),
            "lines": lines,
        }
        save_tensors(path, parts)

    def resume(self, path: Path, stage: Stage, run: Path) -> None:
        parts = torch.load(path, weights_only=True)
        if parts["stage"] != stage.name:
            return  # a stage before was killed between its last epoch and its end
        stage.module.load_state_dict(parts["module"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.schedule.load_state_dict(parts["schedule"])
        self.epoch = parts["epoch"]
        self.best_uar, self.best_epoch = parts["best"]
        keep_lines(run, parts["lines"])


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained; weight decay for matrices only: biases and norms keep their scale."""
    trained = [item for item in module.parameters() if item.requires_grad]
    return [
        {"params": [item for item in trained if item.ndim > 1], "weight_decay": weight_decay},
        {"params": [item for item in trained if item.ndim <= 1], "weight_decay": 0.0},
    ]


def _made_ahead(make: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """``map``, with so many made in threads beforehand: a GPU need not wait for its next batch."""
    if not ahead:
        yield from map(make, items)
        return
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(min(ahead, os.cpu_count() or 1)) as pool:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
