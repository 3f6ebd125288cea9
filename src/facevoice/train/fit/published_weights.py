"""Files of published weights -> one state dict in torchvision's names.

Layouts read; nothing in a file is ever run (no pickled code):

torchvision: a ``torch.save`` of a state dict. DenseNet's file has names from before torch 0.4
    (``denselayer1.norm.1.weight``). Trained on RGB in [0, 1], normalised by ImageNet's mean
    (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225).
VGG-Face, ``vgg_face_dag.pth`` (S. Albanie's conversion): a state dict of ``conv1_1.weight`` ...
    ``conv5_3``, ``fc6``, ``fc7`` and ``fc8``, 2622 identities. RGB in [0, 255] minus (129.1863,
    104.7624, 93.5940), not scaled.
VGG-Face, ``vgg-face.mat`` (MatConvNet's page) and ``vgg_face.mat`` (the authors' archive): the same
    layers as (height, width, in, out) arrays, the fully connected ones as convolutions. Colours
    and mean as above.

A state dict may be wrapped in ``{"state_dict": ...}`` and its names may start with ``module.``.
``VGG_FACE.t7`` of the authors (BGR) needs Lua torch and is not read.
"""

import pickle
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.io import loadmat  # scikit-learn brings scipy
from scipy.io.matlab import MatReadError
from torch import Tensor

from facevoice.errors import RecipeError

State = dict[str, Tensor]

VGG_FACE_MARK: Final = "conv1_1.weight"
"""A name that only VGG-Face's layouts have."""

_LAYERS: Final = {
    "conv1_1": 0, "conv1_2": 2,
    "conv2_1": 5, "conv2_2": 7,
    "conv3_1": 10, "conv3_2": 12, "conv3_3": 14,
    "conv4_1": 17, "conv4_2": 19, "conv4_3": 21,
    "conv5_1": 24, "conv5_2": 26, "conv5_3": 28,
}  # fmt: skip
"""VGG-Face's convolution -> its place in torchvision's ``features`` of VGG-16."""
_FULLY_CONNECTED: Final = {"fc6": 0, "fc7": 3, "fc8": 6}
_OLD_DENSENET: Final = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def read_weights(path: Path) -> State:
    """The named tensors of a file, as the file names them.

    Raises:
        RecipeError: the file is absent or holds no weights in a layout listed above.
    """
    if not path.is_file():
        raise RecipeError(f"no weights file {path}")
    state = _read_matconvnet(path) if path.suffix == ".mat" else read_torch(path)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def read_torch(path: Path) -> State:
    """A state dict written by ``torch.save``, without running anything that is pickled in it.

    Raises:
        RecipeError: it is something else.
    """
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RecipeError(f"{path} holds no plain weights of torch: {reason}") from error
    if isinstance(held, dict) and isinstance(held.get("state_dict"), dict):
        held = held["state_dict"]
    if not isinstance(held, dict) or not held:
        raise RecipeError(f"{path} holds a {type(held).__name__}; expected a state dict")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise RecipeError(
                f"{path} is no state dict: {name!r} is a {type(value).__name__}, not a tensor"
            )
    return dict(held)


def torchvision_names(state: State) -> State:
    """Rename the layers of VGG-Face and of torchvision's old DenseNet files; others stay."""
    return {_torchvision_name(name): tensor for name, tensor in state.items()}


def _torchvision_name(name: str) -> str:
    layer, _, rest = name.partition(".")
    if layer in _LAYERS:
        return f"features.{_LAYERS[layer]}.{rest}"
    if layer in _FULLY_CONNECTED:
        return f"classifier.{_FULLY_CONNECTED[layer]}.{rest}"
    return _OLD_DENSENET.sub(r"\1\2", name)


def _read_matconvnet(path: Path) -> State:
    try:
        held = loadmat(path, squeeze_me=True, struct_as_record=False)
    except (MatReadError, ValueError, TypeError, NotImplementedError, OSError) as error:
        raise RecipeError(f"{path} is no MATLAB file of version 5 to 7.2: {error}") from error
    layers = getattr(held.get("net"), "layers", held.get("layers"))
    if layers is None:
        found = sorted(name for name in held if not name.startswith("__"))
        raise RecipeError(f"{path} holds no MatConvNet network but {', '.join(found) or 'nothing'}")
    state: State = {}
    for layer in np.atleast_1d(layers):
        name = str(getattr(layer, "name", ""))
        if name in _LAYERS or name in _FULLY_CONNECTED:
            filters, biases = _filters_of(layer)
            state[f"{name}.weight"] = _turned(name, filters)
            state[f"{name}.bias"] = torch.from_numpy(np.ascontiguousarray(biases, np.float32))
    return state


def _filters_of(layer: Any) -> tuple[Any, Any]:
    """MatConvNet's older files have two fields where newer ones have a list."""
    if hasattr(layer, "filters"):
        return layer.filters, layer.biases
    return layer.weights[0], layer.weights[1]


def _turned(name: str, filters: Any) -> Tensor:
    """(height, width, in, out), or (in, out) of a 1x1 one, to torch's (out, in, height, width).

    A fully connected layer's inputs become one axis in torch's order: channel, row, column.
    """
    array = np.asarray(filters, np.float32)
    turned = array.T if array.ndim == 2 else array.transpose(3, 2, 0, 1)
    if name in _FULLY_CONNECTED:
        turned = turned.reshape(len(turned), -1)
    return torch.from_numpy(np.ascontiguousarray(turned))
