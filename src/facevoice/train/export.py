"""A run folder -> an ONNX file and the bundle node that describes it, checked against torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from facevoice.calibration import fit_temperature
from facevoice.errors import RecipeError
from facevoice.session import Session
from facevoice.train.data import spectrogram_settings
from facevoice.train.nets import NETS
from facevoice.train.recipe import Recipe, recipe_from

PARITY: Final = 1e-4
"""The largest difference allowed between torch's logits and onnxruntime's."""
_OPSET: Final = 18
_BATCHES: Final = (1, 2, 5)


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
        for name in ("run.json", "model.pt"):
            if not (folder / name).exists():
                raise RecipeError(f"{folder} holds no finished run: {name} is absent")
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return cls(folder, recipe_from(facts["recipe"], source=str(folder)), facts)

    def net(self) -> nn.Module:
        """The trained network, ready to evaluate."""
        channels = int(self.facts["input_shape"][0])
        recipe = self.recipe
        net = NETS[recipe.net](channels, len(self.facts["labels"]), recipe.width, recipe.dropout)
        net.load_state_dict(torch.load(self.folder / "model.pt", weights_only=True))
        return net.eval()

    def scores(self, part: str) -> dict[str, np.ndarray] | None:
        """ids, groups, y, labels and scores of "val" or "test"; None if there are none."""
        path = self.folder / f"scores_{part}.npz"
        if not path.exists():
            return None
        with np.load(path) as stored:
            return dict(stored)


def export(run: Run, path: Path) -> float:
    """Write the run's network as ONNX with a free batch size.

    Returns the largest difference from torch, over several batch sizes.

    Raises:
        RecipeError: the difference exceeds PARITY.
    """
    net = run.net()
    shape = tuple(run.facts["input_shape"])
    example = torch.rand(2, *shape)
    torch.onnx.export(
        net,
        (example,),
        str(path),
        dynamo=True,
        opset_version=_OPSET,
        input_names=["pictures"],
        output_names=["logits"],
        dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1)}},
        external_data=False,
        verbose=False,
    )
    difference = _difference(net, path, shape)
    if difference > PARITY:
        raise RecipeError(
            f"{run.folder}: the exported network differs from torch by {difference:.2g},"
            f" more than {PARITY:g}"
        )
    return difference


@torch.no_grad()
def _difference(net: nn.Module, path: Path, shape: tuple[int, ...]) -> float:
    session = Session(path)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch in _BATCHES:
        pictures = torch.rand(batch, *shape, generator=generator)
        (logits,) = session.run(pictures.numpy())
        worst = max(worst, float(np.abs(logits - net(pictures).numpy()).max()))
    return worst


def node_of(run: Run, model: str) -> dict[str, Any]:
    """The bundle's node for a run whose network is the file ``model``, temperature fitted."""
    recipe = run.recipe
    node: dict[str, Any] = {
        "kind": recipe.branch,
        "name": recipe.name,
        "model": model,
        "temperature": _temperature(run),
    }
    if recipe.branch == "face_vote":
        channels = int(run.facts["input_shape"][0])
        node |= {
            "pooling": recipe.pooling,
            "mirror": recipe.mirror,
            "input": {
                "frames": recipe.frames,
                "crop": list(recipe.crop),
                "size": recipe.input_size,
                "channels": "grey" if channels == 1 else "rgb",
                "mean": [0.0] * channels,
                "std": [1.0] * channels,
            },
        }
    else:
        settings = spectrogram_settings(recipe).to_dict()
        node |= {"input": settings, "channels": int(run.facts["input_shape"][0])}
    return node


def _temperature(run: Run) -> float:
    """The temperature that gives validation scores the least log-loss."""
    stored = run.scores("val")
    if stored is None:
        return 1.0
    return round(float(fit_temperature(stored["scores"], stored["y"])), 4)
