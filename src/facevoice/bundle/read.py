"""A model on disk: bundle.json, which writes the tree of branches down, and its ONNX files.

Everything that a branch needs to know about its model stands there: labels, sizes, means, rates,
hashes, licences of code, weights and data, provenance and validation figures. Nothing is pickled.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facevoice.branches import (
    Adjustment,
    Blend,
    Branch,
    FaceSequence,
    FaceVote,
    FunctionalsSvm,
    SpectrogramNet,
)
from facevoice.branches.face_input import FaceInput
from facevoice.errors import BundleError, HashMismatchError, InvalidInputError
from facevoice.session import Device, Session
from facevoice.speech.spectrogram import SpectrogramSettings
from facevoice.types import TIE_TOLERANCE, Scores

FORMAT: Final = 1
SHIPPED: Final = Path(__file__).parents[1] / "bundles"
_REQUIRED: Final = (
    "format",
    "name",
    "version",
    "labels",
    "licences",
    "provenance",
    "files",
    "tree",
)


@dataclass(frozen=True, slots=True, repr=False)
class Bundle:
    """A loaded model.

    sha256: of bundle.json, which holds the hashes of all other files: it names the model.
    card: bundle.json as read.
    tree: the branch that scores evidence.
    abstain_below: the model is unsure where its highest score is below this; None: it never is.
    """

    name: str
    version: str
    sha256: str
    folder: Path
    labels: tuple[str, ...]
    card: Mapping[str, Any]
    tree: Branch
    abstain_below: float | None = None

    def abstains(self, scores: Scores | None) -> bool:
        """Whether scores of the whole tree are below the threshold; no scores are no guess."""
        if scores is None or self.abstain_below is None:
            return False
        return scores.confidence < self.abstain_below - TIE_TOLERANCE

    def __repr__(self) -> str:
        return f"Bundle({self.name} {self.version}, {len(self.labels)} labels, {self.tree!r})"


@dataclass(frozen=True, slots=True)
class _Context:
    """What every branch of one bundle is built from."""

    folder: Path
    labels: tuple[str, ...]
    files: Mapping[str, str]
    device: Device
    threads: int | None

    def session(self, node: Mapping[str, Any], key: str = "model") -> Session:
        name = str(node[key])
        if name not in self.files:
            raise BundleError(f"{self.folder}: {name} is used in the tree but not listed in files")
        return Session(self.folder / name, device=self.device, threads=self.threads)


def bundle_folder(name_or_folder: str | Path) -> Path:
    """The folder of a bundle: a path as it is, else the name of one that ships.

    Raises:
        BundleError: neither exists.
    """
    folder = Path(name_or_folder)
    if (folder / "bundle.json").is_file():
        return folder
    shipped = SHIPPED / str(name_or_folder)
    if (shipped / "bundle.json").is_file():
        return shipped
    names = ", ".join(path.name for path in shipped_bundles())
    raise BundleError(
        f"no bundle {str(name_or_folder)!r}: no folder of that name holds a bundle.json;"
        f" shipped bundles: {names or 'none'}"
    )


def shipped_bundles() -> list[Path]:
    """Folders of the bundles that come with the package."""
    return sorted(path.parent for path in SHIPPED.glob("*/bundle.json"))


def read_card(folder: Path) -> dict[str, Any]:
    """bundle.json of a folder, with its required keys checked.

    Raises:
        BundleError: absent, not JSON, of another format, or a key is missing.
    """
    path = folder / "bundle.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{folder} is no bundle: it holds no bundle.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not JSON: {error}") from error
    absent = [key for key in _REQUIRED if key not in card]
    if absent:
        raise BundleError(f"{path} lacks {', '.join(absent)}")
    if card["format"] != FORMAT:
        raise BundleError(f"{path} has format {card['format']!r}; this version reads {FORMAT}")
    return card


def load_bundle(
    name_or_folder: str | Path = "base", *, device: Device = "cpu", threads: int | None = None
) -> Bundle:
    """Load a bundle: check every file's hash, then build the tree.

    Raises:
        BundleError: see ``read_card``; an unknown kind of branch; a wrong value.
        HashMismatchError: a file's bytes are not those that bundle.json names.
        LabelMismatchError: a blend would mix label sets.
    """
    folder = bundle_folder(name_or_folder)
    card = read_card(folder)
    for name, sha256 in card["files"].items():
        _check_file(folder, name, sha256)
    labels = tuple(card["labels"])
    context = _Context(folder, labels, card["files"], device, threads)
    tree = _build(card["tree"], context)
    sha256 = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    below = _threshold(card, folder)
    return Bundle(card["name"], card["version"], sha256, folder, labels, card, tree, below)


def _threshold(card: Mapping[str, Any], folder: Path) -> float | None:
    below = card.get("abstain_below")
    if below is None:
        return None
    if isinstance(below, bool) or not isinstance(below, int | float) or not 0 <= below <= 1:
        raise BundleError(f"{folder}: abstain_below must be a score from 0 to 1, got {below!r}")
    return float(below)


def _check_file(folder: Path, name: str, sha256: str) -> None:
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise BundleError(f"{folder}: file name {name!r} leads out of the bundle")
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise BundleError(f"{folder} lacks {name}, which its bundle.json lists") from None
    if found != sha256:
        raise HashMismatchError(
            f"{path} has sha256 {found[:12]}..., bundle.json says {sha256[:12]}...: the file was"
            " changed or damaged; install the bundle again"
        )


def _build(node: Mapping[str, Any], context: _Context) -> Branch:
    kind = node.get("kind")
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise BundleError(f"{context.folder}: unknown kind of branch {kind!r}; known: {known}")
    try:
        return _KINDS[kind](node, context)
    except KeyError as error:
        raise BundleError(
            f"{context.folder}: branch {node.get('name')!r} of kind {kind} lacks {error}"
        ) from None


def _labels(node: Mapping[str, Any], context: _Context) -> tuple[str, ...]:
    return tuple(node.get("labels", context.labels))


def _temperature(node: Mapping[str, Any]) -> float:
    return float(node.get("temperature", 1.0))


def _blend(node: Mapping[str, Any], context: _Context) -> Branch:
    nodes: Sequence[Mapping[str, Any]] = node["members"]
    members = [_build(member, context) for member in nodes]
    weights = [float(member.get("weight", 1.0)) for member in nodes]
    try:
        adjustment = Adjustment.of_dict(node)
    except InvalidInputError as error:
        raise BundleError(f"{context.folder}: blend {node['name']!r}: {error}") from error
    return Blend(node["name"], members, weights, adjustment=adjustment)


def _face_vote(node: Mapping[str, Any], context: _Context) -> Branch:
    return FaceVote(
        node["name"],
        _labels(node, context),
        context.session(node),
        FaceInput.from_dict(node["input"]),
        pooling=node["pooling"],
        mirror=bool(node["mirror"]),
        temperature=_temperature(node),
    )


def _face_sequence(node: Mapping[str, Any], context: _Context) -> Branch:
    return FaceSequence(
        node["name"],
        _labels(node, context),
        context.session(node, "cnn"),
        context.session(node, "blstm"),
        FaceInput.from_dict(node["input"]),
        temperature=_temperature(node),
    )


def _spectrogram_net(node: Mapping[str, Any], context: _Context) -> Branch:
    return SpectrogramNet(
        node["name"],
        _labels(node, context),
        context.session(node),
        SpectrogramSettings.from_dict(node["input"]),
        channels=int(node["channels"]),
        temperature=_temperature(node),
    )


def _functionals_svm(node: Mapping[str, Any], context: _Context) -> Branch:
    return FunctionalsSvm(
        node["name"],
        _labels(node, context),
        context.session(node),
        node["feature_set"],
        temperature=_temperature(node),
    )


_KINDS: Final[dict[str, Callable[[Mapping[str, Any], _Context], Branch]]] = {
    "blend": _blend,
    "face_vote": _face_vote,
    "face_sequence": _face_sequence,
    "spectrogram_net": _spectrogram_net,
    "functionals_svm": _functionals_svm,
}
