"""The paper's networks in plain torch: pictures a second in training; scores as on the processor.

``benchmarks/on_gpu.sh`` runs it. Pictures are noise of the right sizes, already on the device: what
is measured is forward, backward and AdamW, not the reading of data. Sizes come from ``recipes/``.
fp32 is without TF32. Ends with status 1 if scores differ by more than 1e-3 from those of the
processor (without a GPU: those of the processor from its own in double precision).
"""

import argparse
import copy
import math
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevoice.train.nets import NETS, FeatureNet, NetSize, SummedBlstm, freeze_convolutions

RECIPES: Final = (
    "vggface_blstm", "resnet18_blstm", "densenet121_blstm", "vgg_affectnet", "spectrogram_vgg19",
)  # fmt: skip
CLASSES: Final = 7
FER2013: Final = 28_709
"""Training pictures."""
ALLOWED: Final = 1e-3
PRECISIONS: Final = {"bf16": torch.bfloat16, "fp32": None}
_BLSTM_WIDTH: Final = 128


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run.

    width: of the networks. side: of pictures, in pixels. batch: the most pictures at once.
    seconds: of each measurement, in portions of so many steps. pictures: of the epoch of FER2013.
    """

    width: int
    side: int
    batch: int
    seconds: float
    steps: int
    pictures: int


FULL: Final = Scale(width=64, side=224, batch=64, seconds=4.0, steps=4, pictures=FER2013)
SMALL: Final = Scale(width=4, side=64, batch=4, seconds=0.2, steps=1, pictures=256)


def recipe_of(name: str) -> dict[str, Any]:
    """A recipe as its file has it."""
    path = Path(__file__).parents[1] / "recipes" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def net_of(recipe: dict[str, Any], width: int, channels: int = 3) -> FeatureNet:
    """A recipe's network with random weights."""
    size = NetSize(channels, CLASSES, width, recipe.get("dropout", 0.2),
                   recipe.get("feature_dim", 0))  # fmt: skip
    net = NETS[recipe["net"]](size)
    if recipe.get("freeze") == "convolutions":
        freeze_convolutions(net)
    return net


def trainer(
    net: nn.Module, device: torch.device, precision: torch.dtype | None, rate: float
) -> Callable[[Tensor, Tensor], None]:
    """One step of AdamW on a batch; precision: of autocast, None for single precision."""
    net.to(device).train()
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=rate)

    def step(pictures: Tensor, truth: Tensor) -> None:
        with torch.autocast(device.type, precision, enabled=precision is not None):
            loss = functional.cross_entropy(net(pictures), truth)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def waited(device: torch.device) -> float:
    """The time once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def noise(count: int, channels: int, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, side, side) and labels (N,)."""
    pictures = torch.randn(count, channels, side, side, device=device)
    return pictures, torch.randint(CLASSES, (count,), device=device)


def pictures_per_second(
    name: str, scale: Scale, device: torch.device, precision: torch.dtype | None
) -> float:
    """The rate of training of a recipe's network."""
    recipe = recipe_of(name)
    step = trainer(net_of(recipe, scale.width), device, precision, recipe["learning_rate"])
    count = min(scale.batch, recipe["batch_size"])
    pictures, truth = noise(count, 3, scale.side, device)
    for _ in range(scale.steps):  # libraries choose their kernels
        step(pictures, truth)
    began, steps = waited(device), 0
    while waited(device) - began < scale.seconds:
        for _ in range(scale.steps):
            step(pictures, truth)
        steps += scale.steps
    return float(steps * count / (waited(device) - began))


def fer2013_epoch(scale: Scale, device: torch.device, precision: torch.dtype | None) -> float:
    """Seconds of one epoch of the base bundle's face network on as many pictures as FER2013 has."""
    recipe = recipe_of("base_face")
    net = net_of(recipe, recipe["width"], channels=1)
    step = trainer(net, device, precision, recipe["learning_rate"])
    pictures, truth = noise(scale.pictures, 1, recipe["input_size"], device)
    size = recipe["batch_size"]
    step(pictures[:size], truth[:size])
    began = waited(device)
    order = torch.randperm(len(pictures), device=device)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        step(pictures[rows], truth[rows])
    return waited(device) - began


@torch.no_grad()
def difference(name: str, scale: Scale, device: torch.device) -> float:
    """Largest difference of scores on the device from those of the processor.

    Without a GPU: of the processor's scores from its own in double precision.
    """
    recipe = recipe_of(name)
    net = net_of(recipe, scale.width).eval()
    blstm = SummedBlstm(net.feature_dim, CLASSES, _BLSTM_WIDTH, 0.0, "mean").eval()
    pictures, _ = noise(4, 3, scale.side, torch.device("cpu"))

    def scores(dtype: torch.dtype, place: torch.device) -> Tensor:
        one, two = copy.deepcopy(net).to(place, dtype), copy.deepcopy(blstm).to(place, dtype)
        given = pictures.to(place, dtype)
        logits = torch.cat([one(given), two(one.features(given)[None])])
        return torch.softmax(logits, 1).double().cpu()

    here = scores(torch.float32, torch.device("cpu"))
    other = scores(torch.float32 if device.type == "cuda" else torch.float64, device)
    return float((here - other).abs().max())


def main() -> int:
    """Measure, print, compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scale = SMALL if options.small or device.type == "cpu" else FULL
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    where = torch.cuda.get_device_name() if device.type == "cuda" else "the processor: no GPU"
    small = f", in small (width {scale.width}, {scale.side} pixels)" if scale is SMALL else ""
    print(f"torch {torch.__version__} on {where}{small}")
    worst = 0.0
    for name in RECIPES:
        found = difference(name, scale, device)
        worst = max(worst, found) if math.isfinite(found) else math.inf
        rates = [
            f"{label} {pictures_per_second(name, scale, device, precision):8.0f} pictures/s"
            for label, precision in PRECISIONS.items()
        ]
        print(f"{name:18} {'  '.join(rates)}  scores differ by {found:.1e}", flush=True)
    for label, precision in PRECISIONS.items():
        seconds = fer2013_epoch(scale, device, precision)
        print(f"an epoch of {scale.pictures} pictures as FER2013's, {label}: {seconds:.2f} s")
    if worst > ALLOWED:
        print(f"scores differ by {worst:.1e}, more than {ALLOWED:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
