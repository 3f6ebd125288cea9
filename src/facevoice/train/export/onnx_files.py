"""A run folder -> ONNX files and the bundle node that describes them, checked against torch."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.session import Session
from facevoice.train.export.half_precision import halve
from facevoice.train.fit.run_facts import read_facts
from facevoice.train.fit.sequence_features import SequenceNet
from facevoice.train.nets import FeatureNet
from facevoice.train.nets.build import build_blstm, build_net
from facevoice.train.recipe import (
    AnyRecipe,
    FaceSequenceRecipe,
    NetRecipe,
    UtteranceRecipe,
    recipe_from,
)

PARITY: Final = 1e-4
"""The largest difference allowed between torch's output and onnxruntime's."""
ROUNDING: Final = 1e-2
"""The largest difference allowed where weights are stored in half precision."""
_OPSET: Final = 18
_BATCHES: Final = (1, 2, 5)
_LENGTHS: Final = (1, 3, 16)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its recipe, the facts it noted, and its validation scores."""

    folder: Path
    recipe: AnyRecipe
    facts: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Read a run folder.

        Raises:
            RecipeError: it holds no finished run.
        """
        facts = read_facts(folder)
        recipe = recipe_from(facts["recipe"], source=str(folder), ignore_unknown=True)
        if not (folder / recipe.model_file).exists():
            raise RecipeError(
                f"{folder} holds no finished run: {recipe.model_file} is absent; train it to its"
                " end"
            )
        return cls(folder, recipe, facts)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it scores."""
        return tuple(self.facts["labels"])

    def net(self, recipe: NetRecipe) -> FeatureNet | SequenceNet:
        """The trained network of the run's recipe, ready to evaluate."""
        single = build_net(recipe, len(self.labels))
        net: FeatureNet | SequenceNet = single
        if isinstance(recipe, FaceSequenceRecipe):
            net = SequenceNet(single, build_blstm(recipe, single, len(self.labels)))
        net.load_state_dict(torch.load(self.folder / "model.pt", weights_only=True))
        return net.eval()

    def scores(self, part: str) -> dict[str, np.ndarray] | None:
        """ids, groups, y, labels and scores of "val" or "test"; None if there are none."""
        path = self.folder / f"scores_{part}.npz"
        if not path.exists():
            return None
        with np.load(path) as stored:
            return dict(stored)


class _Features(nn.Module):
    """The features of a network alone."""

    def __init__(self, net: FeatureNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D)."""
        return self.net.features(pictures)


@dataclass(frozen=True, slots=True)
class Exported:
    """What a run became.

    files: names by the node's keys.
    parity: the largest difference from torch over several batch sizes and lengths, in single
        precision, as a share of the largest output where that exceeds 1.
    rounding: the same after weights were stored in half precision, None where they were not.
    """

    files: dict[str, str]
    parity: float
    rounding: float | None = None


def export(run: Run, folder: Path) -> Exported:
    """Write the run's networks as ONNX with free batch sizes and lengths.

    Raises:
        RecipeError: the difference from torch exceeds PARITY, or ROUNDING in half precision.
    """
    name = run.recipe.name
    if isinstance(run.recipe, UtteranceRecipe):
        shutil.copyfile(run.folder / "model.onnx", folder / f"{name}.onnx")
        return Exported({"model": f"{name}.onnx"}, float(run.facts["parity"]))
    net = run.net(run.recipe)
    pictures = [(batch, *run.facts["input_shape"]) for batch in _BATCHES]
    if not isinstance(net, SequenceNet):
        only = _Part("model", f"{name}.onnx", net, ("pictures", "logits"), ("batch",), pictures)
        return _all_exported(run, folder, [only], run.recipe.storage)
    width = net.net.feature_dim
    lengths = [(batch, length, width) for batch in _BATCHES for length in _LENGTHS]
    cnn = _Part(
        "cnn", f"{name}.onnx", _Features(net.net), ("pictures", "features"), ("batch",), pictures
    )
    blstm = _Part(
        "blstm", f"{name}_blstm.onnx", net.blstm, ("features", "logits"), ("batch", "length"),
        lengths,
    )  # fmt: skip
    return _all_exported(run, folder, [cnn, blstm], run.recipe.storage)


@dataclass(frozen=True, slots=True)
class _Part:
    """A module that becomes a file.

    names: of its input and output. free: names of the leading dimensions that are free.
    shapes: of inputs to compare it with torch on.
    """

    key: str
    file: str
    module: nn.Module
    names: tuple[str, str]
    free: Sequence[str]
    shapes: Sequence[tuple[int, ...]]


def _all_exported(run: Run, folder: Path, parts: Sequence[_Part], storage: str) -> Exported:
    parity, rounding = 0.0, None
    for part in parts:
        path = folder / part.file
        _write(part, path)
        parity = max(parity, _difference(part, path))
        if storage == "fp16":
            halve(path)
            rounding = max(rounding or 0.0, _difference(part, path))
    for found, allowed, cure in (
        (parity, PARITY, ""),
        (rounding or 0.0, ROUNDING, " in half precision: set storage = 'fp32'"),
    ):
        if found > allowed:
            raise RecipeError(
                f"{run.folder}: the exported network differs from torch by {found:.2g}, more than"
                f" {allowed:g}{cure}"
            )
    return Exported({part.key: part.file for part in parts}, parity, rounding)


def _write(part: _Part, path: Path) -> None:
    example = list(part.shapes[-1])
    example[: len(part.free)] = range(2, 2 + len(part.free))
    dynamic = {axis: torch.export.Dim(name, min=1) for axis, name in enumerate(part.free)}
    torch.compiler.reset()  # what an earlier export found out would fix sizes that are free here
    with warnings.catch_warnings():
        # of torch about its own workings: nothing that a user could do anything about
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.module.eval(),
            (torch.rand(*example),),
            str(path),
            dynamo=True,
            opset_version=_OPSET,
            input_names=[part.names[0]],
            output_names=[part.names[1]],
            dynamic_shapes=(dynamic,),
            external_data=False,
            verbose=False,
        )
    _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """Take out what torch notes of each operation: the lines of source that it came from."""
    model = onnx.load(path)
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for holder in (model, graph, *graph.node, *values):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    onnx.save(model, path)


@torch.no_grad()
def _difference(part: _Part, path: Path) -> float:
    session = Session(path)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for shape in part.shapes:
        values = torch.rand(*shape, generator=generator)
        (found,) = session.run(values.numpy())
        wanted = part.module(values).numpy()
        worst = max(worst, float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())))
    return worst


def node_of(run: Run, files: dict[str, str]) -> dict[str, Any]:
    """The bundle's node for a run with the given files, temperature fitted."""
    recipe = run.recipe
    return {
        "kind": recipe.branch,
        "name": recipe.name,
        **files,
        "temperature": fitted_temperature(run),
        **recipe.node(),
    }


def fitted_temperature(run: Run) -> float:
    """The temperature that gives validation scores the least log-loss."""
    stored = run.scores("val")
    if stored is None:
        return 1.0
    return round(float(fit_temperature(stored["scores"], stored["y"])), 4)
