"""A small two-layer BLSTM on the frozen features of few clips."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facevoice.train.adapt.features import LeafFeatures
from facevoice.train.adapt.heads import Clips, Rows, answer_of, picture_part
from facevoice.train.adapt.onnx_heads import OPSET, Answer, sequence_model
from facevoice.train.fit.samples import Split, soft_targets
from facevoice.train.fit.sequence_features import FeatureSource
from facevoice.train.fit.stage import Stage, Trainer
from facevoice.train.nets import SummedBlstm
from facevoice.train.recipe import FaceSequenceRecipe
from facevoice.types import Float64Array

_WIDTH: Final = 32
_DROPOUT: Final = 0.4
_EPOCHS: Final = 15
_BATCH: Final = 32
_RATE: Final = 5e-3


class StandardBlstm(nn.Module):
    """Features are standardised, then read by a BLSTM.

    mean, scale: (D,) of single faces.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.blstm = SummedBlstm(len(mean), classes, _WIDTH, _DROPOUT, "mean")

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(N, T, D) and (N,) -> logits (N, P)."""
        logits: Tensor = self.blstm((features - self.mean) / self.scale, lengths)
        return logits


@dataclass(frozen=True, slots=True)
class BlstmHead:
    """See ``heads.Head``."""

    net: StandardBlstm
    answer: Answer

    @torch.no_grad()
    def scores(self, leaf: LeafFeatures, rows: Rows) -> Float64Array:
        """(R, K) distributions; NaN where the clip shows no face."""
        found = np.full((len(rows), self.answer.size), np.nan)
        for place, row in enumerate(rows):
            features = leaf.sequences[0].get(int(row))
            if features is None:
                continue
            logits = self.net(torch.from_numpy(features[None, :, : leaf.width]))
            original = leaf.read.chosen(rows[[place]], views=1).original
            found[place] = self.answer.distributions(logits.double().numpy(), original)[0]
        return found

    def models(self, leaf: LeafFeatures) -> tuple[onnx.ModelProto, ...]:
        """The features' network and this one, in ONNX."""
        with tempfile.TemporaryDirectory(prefix="facevoice-") as folder:
            path = Path(folder) / "blstm.onnx"
            length = torch.export.Dim("length", min=1)
            with warnings.catch_warnings():  # of torch about its own workings
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    self.net, (torch.rand(1, 3, leaf.width),), str(path),
                    dynamo=True, opset_version=OPSET, input_names=["features"],
                    output_names=["known"], dynamic_shapes=({1: length},),
                    external_data=False, verbose=False,
                )  # fmt: skip
            model = onnx.load(path)
        temporal = sequence_model(model, leaf.original, self.answer)
        return (*picture_part(leaf, levels=False), temporal)


def fit_blstm(leaf: LeafFeatures, clips: Clips, rows: Rows) -> BlstmHead:
    """Train on all views of some clips, for a fixed number of epochs."""
    torch.manual_seed(clips.seed)
    present, y = np.unique(clips.y[rows], return_inverse=True)
    views = [
        {int(row): by_row[int(row)][:, : leaf.width] for row in rows} for by_row in leaf.sequences
    ]
    every = torch.from_numpy(np.concatenate(list(views[0].values())))
    scale = every.std(dim=0, correction=0)
    net = StandardBlstm(every.mean(dim=0), scale + 0.03 * scale.mean() + 1e-9, len(present))
    truth = np.full(len(clips.y), -1)
    truth[rows] = y
    recipe = FaceSequenceRecipe(name="adapted", net="frozen", weight_decay=0.1, seed=clips.seed)
    longest = max(len(found) for found in views[0].values())
    source = FeatureSource(views, leaf.speaks, longest)
    split = Split(rows, rows, rows[:0])
    fabric = Fabric(accelerator="cpu", devices=1)
    labels = tuple(str(label) for label in present)
    with tempfile.TemporaryDirectory(prefix="facevoice-") as folder:
        targets = soft_targets(np.maximum(truth, 0), len(labels), recipe.label_smoothing)
        trainer = Trainer(fabric, recipe, Path(folder), truth, targets, labels, split)
        trainer.train(Stage("blstm", 1, net, source, _EPOCHS, _BATCH, _RATE))
    known = tuple(int(label) for label in present)
    items = leaf.read.chosen(rows, views=1)
    return BlstmHead(net.eval(), answer_of(items, known, clips.size, rows))
