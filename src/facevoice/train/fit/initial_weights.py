"""Weights to start from: a run of ours, torchvision's for ImageNet, or VGG-Face's.

Published files are looked for in the weights folder, ``$FACEVOICE_HOME/weights`` or else
``facevoice/weights`` in the user's cache folder. They must fit the network strictly, but for the
classifier: ours stays random. Their colours and means are the recipe's ``normalise``; a network
with one grey channel gets the sum of the first convolution over its input channels, which answers
to a grey picture as the published network does to that picture repeated three times.
"""

import http.client
import json
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torchvision
from torch import Tensor

from facevoice.errors import HashMismatchError, RecipeError
from facevoice.session import hash_of
from facevoice.train.fit.published_weights import (
    VGG_FACE_MARK,
    State,
    read_torch,
    read_weights,
    torchvision_names,
)
from facevoice.train.nets.base import FeatureNet
from facevoice.writing import replacing

_CLASSIFIERS: Final = {
    "vgg16": "classifier.6.",
    "vgg16_bn": "classifier.6.",
    "vgg19": "classifier.6.",
    "vgg19_bn": "classifier.6.",
    "resnet18": "fc.",
    "densenet121": "classifier.",
}
_VGG_FACE_FILES: Final = {
    "vgg_face_dag.pth": "https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",
    "vgg-face.mat": "https://www.vlfeat.org/matconvnet/models/vgg-face.mat",
    "vgg_face.mat": "https://www.robots.ox.ac.uk/~vgg/software/vgg_face/",
}
_IMAGENET_LICENCE: Final = (
    "published by torchvision (BSD-3-Clause); ImageNet's pictures are for non-commercial research"
)
_VGG_FACE_LICENCE: Final = "Parkhi et al. 2015, for non-commercial research"
_PUBLISHED_WIDTH: Final = 64
_TIMEOUT_SECONDS: Final = 60
_CHUNK_BYTES: Final = 1 << 20
_NAMED_AT_MOST: Final = 4


def load_initial(net: FeatureNet, net_name: str, initial: str) -> str:
    """Load weights into a network and say in one line where they came from.

    net_name: the network's name in ``facevoice.train.nets.NETS``.
    initial: a run folder (its classifier is taken over if it has as many labels); "imagenet",
        torchvision's IMAGENET1K_V1, fetched if absent; "vggface", from the weights folder; or the
        path of a file in a layout of ``facevoice.train.fit.published_weights``.

    Raises:
        RecipeError: nothing there, or it does not fit; the message says what was expected.
        HashMismatchError: torchvision's file has other bytes than its name promises.
    """
    path = Path(initial).expanduser()
    if initial == "imagenet":
        _check_published(net_name, initial)
        if net.size.width != _PUBLISHED_WIDTH:  # known before hundreds of megabytes are fetched
            raise RecipeError(
                f"recipe key initial: torchvision's {net_name} has width {_PUBLISHED_WIDTH}, this"
                f" recipe {net.size.width}"
            )
        path = _imagenet_file(net_name)
        _load_published(net, net_name, path)
        return _line(f"{path.name}, IMAGENET1K_V1", path, _IMAGENET_LICENCE)
    if initial == "vggface":
        path = _vgg_face_file()
    elif path.is_dir():
        return _load_run(net, net_name, path)
    elif not path.is_file():
        raise RecipeError(
            f'recipe key initial: {initial!r} is neither "imagenet" nor "vggface", a run folder or'
            " a file of weights"
        )
    _check_published(net_name, initial)
    if _load_published(net, net_name, path):
        return _line(f"{path.name}, VGG-Face", path, _VGG_FACE_LICENCE)
    return _line(f"{path.name}, torchvision's layout", path, "licence not known")


def weights_folder() -> Path:
    """Where files of published weights are kept."""
    home = os.environ.get("FACEVOICE_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "facevoice" / "weights"


def _line(what: str, path: Path, licence: str) -> str:
    return f"{what}; sha256 {hash_of(path)[:12]}; {licence}"


def _check_published(net_name: str, initial: str) -> None:
    if net_name not in _CLASSIFIERS:
        raise RecipeError(
            f"recipe key initial: {initial} holds no weights for {net_name}; only for"
            f" {', '.join(_CLASSIFIERS)}"
        )


def _imagenet_file(net_name: str) -> Path:
    """Find or fetch torchvision's file and check its bytes."""
    url: str = torchvision.models.get_model_weights(net_name)["IMAGENET1K_V1"].url
    path = weights_folder() / url.rpartition("/")[2]
    if not path.is_file():
        with replacing(path) as temporary:
            _fetch(url, temporary, path)
            _check_hash(temporary, path.name, f"what {url} sent")
    _check_hash(path, path.name, f"{path} (delete it to fetch it again)")
    return path


def _check_hash(path: Path, name: str, described: str) -> None:
    """The name ends in the first digits of the file's sha256."""
    promised = name.rpartition("-")[2].partition(".")[0]
    found = hash_of(path)
    if not found.startswith(promised):
        raise HashMismatchError(f"{described} has sha256 {found[:12]}..., expected {promised}...")


def _fetch(url: str, temporary: Path, place: Path) -> None:
    cure = f"fetch it elsewhere and put it there as {place}"
    try:
        response = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310  torchvision's own https URL
    except (OSError, http.client.HTTPException) as error:
        raise RecipeError(f"{url} cannot be fetched ({error}): {cure}") from error
    with response, temporary.open("wb") as stream:
        while chunk := _next_chunk(response, url, cure):
            stream.write(chunk)


def _next_chunk(response: Any, url: str, cure: str) -> bytes:
    try:
        chunk: bytes = response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise RecipeError(f"{url} broke off ({error}): try again, or {cure}") from error
    return chunk


def _vgg_face_file() -> Path:
    """Nobody publishes a checksum of these, so they are for people to fetch."""
    folder = weights_folder()
    for name in _VGG_FACE_FILES:
        if (folder / name).is_file():
            return folder / name
    sources = "; ".join(f"{name} from {url}" for name, url in _VGG_FACE_FILES.items())
    raise RecipeError(
        f"recipe key initial: no VGG-Face weights in {folder}; put one of these there: {sources}"
    )


def _load_published(net: FeatureNet, net_name: str, path: Path) -> bool:
    """Fill the network's body; returns whether the file is VGG-Face's."""
    state = read_weights(path)
    of_faces = VGG_FACE_MARK in state
    if of_faces and net_name != "vgg16":
        raise RecipeError(
            f"recipe key initial: {path} holds VGG-Face, a vgg16; the net is a {net_name}"
        )
    classifier = _CLASSIFIERS[net_name]
    kept = {
        f"body.{name}": tensor
        for name, tensor in torchvision_names(state).items()
        if not name.startswith(classifier)
    }
    _load(net, kept, {name for name in net.state_dict() if name.startswith("body.")}, path)
    return of_faces


def _load_run(net: FeatureNet, net_name: str, run: Path) -> str:
    facts = _facts_of(run)
    recipe = facts["recipe"]
    _check_run(net, net_name, recipe, run)
    state = read_torch(run / "model.pt")
    if recipe.get("branch") == "face_sequence":  # the network lies beside its BLSTM
        state = {
            name.removeprefix("net."): tensor
            for name, tensor in state.items()
            if name.startswith("net.")
        }
    wanted = set(net.state_dict())
    added = net.size.feature_dim and not recipe.get("feature_dim", 0)
    if added:
        wanted = {name for name in wanted if not name.startswith("project.")}
    fits = not added and len(facts["labels"]) == net.size.classes
    if not fits:
        wanted = {name for name in wanted if not name.startswith("classify.")}
        state = {name: item for name, item in state.items() if not name.startswith("classify.")}
    _load(net, state, wanted, run / "model.pt")
    earlier = facts.get("initial_weights", "random")
    began = "" if earlier == "random" else f"; it began with: {earlier}"
    return _line(
        f"run {run.resolve().name} on {facts['corpus']['corpus']}, labels"
        f" {' '.join(facts['labels'])}, classifier {'taken over' if fits else 'new'}",
        run / "model.pt",
        f"data: {facts['corpus']['licence']}{began}",
    )


def _facts_of(run: Path) -> dict[str, Any]:
    for name in ("run.json", "model.pt"):
        if not (run / name).is_file():
            raise RecipeError(
                f"recipe key initial: {run} holds no finished run: {name} is absent; train it first"
            )
    try:
        facts: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"recipe key initial: {run / 'run.json'} is not JSON: {error}") from error
    return facts


def _check_run(net: FeatureNet, net_name: str, recipe: Mapping[str, Any], run: Path) -> None:
    present = {"net": net_name, "width": net.size.width, "feature_dim": net.size.feature_dim}
    for key, value in present.items():
        found = recipe.get(key, 0)
        if found != value and not (key == "feature_dim" and found == 0):
            raise RecipeError(
                f"recipe key initial: {run} is a run with {key} = {found}, this recipe has {value}"
            )


def _load(net: FeatureNet, state: State, wanted: set[str], source: Path) -> None:
    """Copy tensors whose names are exactly the wanted ones and whose shapes fit."""
    own = net.state_dict()
    fitting = {name: _grey(tensor, own.get(name)) for name, tensor in state.items()}
    # files from before torch 0.4.1 do not count batches
    lacking = {name for name in wanted - set(state) if not name.endswith("num_batches_tracked")}
    shapes = {
        f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
        for name, tensor in fitting.items()
        if name in wanted and tensor.shape != own[name].shape
    }
    faults = {"missing": lacking, "not of this net": set(state) - wanted, "of other shape": shapes}
    if any(faults.values()):
        listed = "; ".join(f"{fault}: {_some(names)}" for fault, names in faults.items() if names)
        raise RecipeError(f"recipe key initial: {source} does not fit the net: {listed}")
    net.load_state_dict(fitting, strict=False)


def _some(names: set[str]) -> str:
    first = sorted(name.removeprefix("body.") for name in names)[:_NAMED_AT_MOST]
    rest = len(names) - len(first)
    return ", ".join(first) + (f" and {rest} more" if rest else "")


def _grey(tensor: Tensor, own: Tensor | None) -> Tensor:
    """Sum a convolution of RGB over its input channels where the net's reads grey."""
    if own is None or tensor.ndim != 4 or (tensor.shape[1], own.ndim) != (3, 4):
        return tensor
    return tensor.sum(dim=1, keepdim=True) if own.shape[1] == 1 else tensor
