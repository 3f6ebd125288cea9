"""Training, top to bottom: one recipe, prepared data, one run folder (see ``run_folder``).

A branch that looks at one picture at a time has one stage. A face_sequence has two, and a third
if the recipe asks for it:

    net     the network learns expressions from single faces (the paper: fine-tuning)
    blstm   the BLSTM learns from the finished network's features of whole clips
    joint   both together
"""

from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric, seed_everything
from torch import nn

from facevoice.train.fit.initial_weights import load_initial
from facevoice.train.fit.run_folder import claim, save_scores, save_tensors
from facevoice.train.fit.samples import log_prior, split_of
from facevoice.train.fit.sequence_features import SequenceNet, SequenceSource, cached_features
from facevoice.train.fit.sources import Source, source_of
from facevoice.train.fit.stage import Progress, Report, Stage, Trainer
from facevoice.train.fit.targets import targets_of
from facevoice.train.fit.validation import score_rows
from facevoice.train.nets import (
    FeatureNet,
    freeze_convolutions,
    multiply_adds,
    parameter_count,
)
from facevoice.train.nets.build import build_blstm, build_net
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import Faces, FaceSequenceRecipe, NetRecipe


def train_net(
    recipe: NetRecipe,
    data: Prepared,
    run: Path,
    report: Report | None = None,
    *,
    progress: Progress | None = None,
    devices: int = 1,
) -> Path:
    """Train the network of a branch; see ``facevoice.train.run.train``.

    Raises:
        RecipeError: the recipe does not fit the data, or the folder holds another run.
    """
    strategy = "auto" if devices == 1 else "ddp_spawn"
    fabric = Fabric(
        accelerator="auto", devices=devices, strategy=strategy, precision=recipe.precision
    )
    work = partial(_train, recipe=recipe, data=data, run=run, report=report, progress=progress)
    if devices == 1:
        work(fabric)
    else:
        fabric.launch(work)
    return run


def _train(
    fabric: Fabric,
    *,
    recipe: NetRecipe,
    data: Prepared,
    run: Path,
    report: Report | None,
    progress: Progress | None,
) -> None:
    seed_everything(recipe.seed, verbose=False)
    source = source_of(data, recipe)
    split = split_of(data, recipe).among(source.usable, recipe.modality)
    net = build_net(recipe, len(data.labels))
    came_from = load_initial(net, recipe.net, recipe.initial) if recipe.initial else "random"
    if fabric.is_global_zero:
        shape = recipe.input_shape
        size = {
            "input_shape": list(shape),
            "parameters": parameter_count(net),
            "multiply_adds": multiply_adds(net, shape),
            "initial_weights": came_from,
            "unusable": int((~source.usable).sum()),
        }
        claim(run, recipe, data, split, size)
    fabric.barrier()
    if (run / "model.pt").exists():
        return
    targets = targets_of(recipe, data)
    trainer = Trainer(fabric, recipe, run, data.y, targets, data.labels, split, report, progress)
    if recipe.freeze == "convolutions":
        freeze_convolutions(net)
    if recipe.epochs:
        trainer.train(_net_stage(recipe, net, source))
    else:
        fabric.to_device(net)
    module: nn.Module = net
    if isinstance(recipe, FaceSequenceRecipe):
        module, source = _sequence_stages(trainer, data, net, recipe)
    last = module.blstm.classify if isinstance(module, SequenceNet) else net.classify
    with torch.no_grad():
        prior = log_prior(data.y[split.train], len(data.labels)).to(last.bias.device)
        last.bias.sub_(recipe.prior_power * prior)
    if fabric.is_global_zero:
        for name, rows in (("val", split.val), ("test", split.test)):
            if len(rows):
                scores = score_rows(module, source, rows)
                save_scores(run / f"scores_{name}.npz", data, rows, scores)
        weights = {name: part.cpu() for name, part in module.state_dict().items()}
        save_tensors(run / "model.pt", weights)
        for leftover in (*run.glob("stage-*.pt"), *run.glob("features-*.npy")):
            leftover.unlink()
    fabric.barrier()


def _net_stage(recipe: NetRecipe, net: FeatureNet, source: Source) -> Stage:
    return Stage(
        "net", 0, net, source, recipe.epochs, recipe.batch_size, recipe.learning_rate,
        recipe.mixup, recipe.sizes if isinstance(recipe, Faces) else (),
    )  # fmt: skip


def _sequence_stages(
    trainer: Trainer, data: Prepared, net: FeatureNet, recipe: FaceSequenceRecipe
) -> tuple[nn.Module, Source]:
    """The BLSTM on cached features, then both together if the recipe says so."""
    fabric = trainer.fabric
    if fabric.is_global_zero:
        cached_features(net, data, recipe, trainer.split, trainer.run)
    fabric.barrier()
    features = cached_features(net, data, recipe, trainer.split, trainer.run)
    blstm = build_blstm(recipe, net, len(data.labels))
    trainer.train(
        Stage(
            "blstm", 1, blstm, features, recipe.blstm_epochs, recipe.blstm_batch_size,
            recipe.blstm_learning_rate,
        )
    )  # fmt: skip
    both, clips = SequenceNet(net, blstm), SequenceSource(data, recipe)
    if recipe.joint_epochs:
        net.classify.requires_grad_(requires_grad=False)  # nothing reads it any more
        trainer.train(
            Stage(
                "joint", 2, both, clips, recipe.joint_epochs, recipe.blstm_batch_size,
                recipe.joint_learning_rate,
            )
        )  # fmt: skip
    return both, clips
