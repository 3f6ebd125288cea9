"""A run folder -> ONNX files and the bundle node that describes them, checked against torch."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from facevoice.calibration import fit_temperature
from facevoice.errors import RecipeError
from facevoice.session import Session
from facevoice.train.features import SequenceNet
from facevoice.train.halves import halve, round_to_halves
from facevoice.train.loop import build_blstm, build_net
from facevoice.train.nets import FeatureNet
from facevoice.train.recipe import Recipe, recipe_from
from facevoice.train.sources import face_input_of, spectrogram_settings

PARITY: Final = 1e-4
"""The largest difference allowed between torch's output and onnxruntime's."""
_OPSET: Final = 18
_BATCHES: Final = (1, 2, 5)
_LENGTHS: Final = (1, 3, 16)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its recipe, the facts it noted, and its validation scores."""

    folder: Path
    recipe: Recipe
    facts: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Read a run folder.

        Raises:
            RecipeError: it holds no finished run.
        """
        if not (folder / "run.json").exists():
            raise RecipeError(f"{folder} holds no run: run.json is absent")
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        recipe = recipe_from(facts["recipe"], source=str(folder))
        model = "model.onnx" if recipe.branch == "functionals_svm" else "model.pt"
        if not (folder / model).exists():
            raise RecipeError(
                f"{folder} holds no finished run: {model} is absent; train it to its end"
            )
        return cls(folder, recipe, facts)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it scores."""
        return tuple(self.facts["labels"])

    def net(self) -> FeatureNet | SequenceNet:
        """The trained network, ready to evaluate, as its ONNX file will hold it."""
        single = build_net(self.recipe, len(self.labels))
        net: FeatureNet | SequenceNet = single
        if self.recipe.branch == "face_sequence":
            net = SequenceNet(single, build_blstm(self.recipe, single, len(self.labels)))
        net.load_state_dict(torch.load(self.folder / "model.pt", weights_only=True))
        if self.recipe.storage == "fp16":
            round_to_halves(net)
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


def export(run: Run, folder: Path) -> tuple[dict[str, str], float]:
    """Write the run's networks as ONNX with free batch sizes and lengths.

    Returns the file names by the node's keys, and the largest difference from torch over several
    batch sizes and lengths.

    Raises:
        RecipeError: the difference exceeds PARITY.
    """
    name = run.recipe.name
    if run.recipe.branch == "functionals_svm":
        shutil.copyfile(run.folder / "model.onnx", folder / f"{name}.onnx")
        return {"model": f"{name}.onnx"}, float(run.facts["parity"])
    net = run.net()
    picture = tuple(run.facts["input_shape"])
    if isinstance(net, SequenceNet):
        blstm_shapes = [(batch, length) for batch in _BATCHES for length in _LENGTHS]
        width = net.net.feature_dim
        cnn, blstm = f"{name}.onnx", f"{name}_blstm.onnx"
        # the BLSTM first: an export with fewer free dimensions before it would fix its length
        worst = [
            _exported(
                net.blstm, folder / blstm, run, ("features", "logits"), ("batch", "length"),
                [(*shape, width) for shape in blstm_shapes],
            ),
            _exported(
                _Features(net.net), folder / cnn, run, ("pictures", "features"), ("batch",),
                [(batch, *picture) for batch in _BATCHES],
            ),
        ]  # fmt: skip
        return {"cnn": cnn, "blstm": blstm}, max(worst)
    shapes = [(batch, *picture) for batch in _BATCHES]
    path = folder / f"{name}.onnx"
    return {"model": path.name}, _exported(
        net, path, run, ("pictures", "logits"), ("batch",), shapes
    )


def _exported(
    module: nn.Module,
    path: Path,
    run: Run,
    names: tuple[str, str],
    free: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
) -> float:
    """Export a module, and how far it is from torch at the given shapes.

    free: names of the leading dimensions that are free.
    """
    example = list(shapes[-1])
    example[: len(free)] = range(2, 2 + len(free))
    dynamic = {axis: torch.export.Dim(name, min=1) for axis, name in enumerate(free)}
    torch.onnx.export(
        module.eval(),
        (torch.rand(*example),),
        str(path),
        dynamo=True,
        opset_version=_OPSET,
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_shapes=(dynamic,),
        external_data=False,
        verbose=False,
    )
    if run.recipe.storage == "fp16":
        halve(path)
    difference = _difference(module, path, shapes)
    if difference > PARITY:
        raise RecipeError(
            f"{run.folder}: the exported network differs from torch by {difference:.2g},"
            f" more than {PARITY:g}"
        )
    return difference


@torch.no_grad()
def _difference(module: nn.Module, path: Path, shapes: Sequence[tuple[int, ...]]) -> float:
    """The largest difference, as a share of the largest output where that exceeds 1."""
    session = Session(path)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for shape in shapes:
        values = torch.rand(*shape, generator=generator)
        (found,) = session.run(values.numpy())
        wanted = module(values).numpy()
        worst = max(worst, float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())))
    return worst


def node_of(run: Run, files: dict[str, str]) -> dict[str, Any]:
    """The bundle's node for a run with the given files, temperature fitted."""
    recipe = run.recipe
    node: dict[str, Any] = {
        "kind": recipe.branch,
        "name": recipe.name,
        **files,
        "temperature": _temperature(run),
    }
    if recipe.branch in {"face_vote", "face_sequence"}:
        node["input"] = face_input_of(recipe).to_dict()
    if recipe.branch == "face_vote":
        node |= {"pooling": recipe.pooling, "mirror": recipe.mirror}
    if recipe.branch == "spectrogram_net":
        node |= {"input": spectrogram_settings(recipe).to_dict(), "channels": recipe.channels}
    if recipe.branch == "functionals_svm":
        node["feature_set"] = recipe.feature_set
    return node


def _temperature(run: Run) -> float:
    """The temperature that gives validation scores the least log-loss."""
    stored = run.scores("val")
    if stored is None:
        return 1.0
    return round(float(fit_temperature(stored["scores"], stored["y"])), 4)
