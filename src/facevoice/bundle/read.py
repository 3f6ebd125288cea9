"""A model on disk: bundle.json, which holds the tree of branches, and its ONNX files.

It holds everything that a branch needs to know about its model: labels, sizes, means, rates,
hashes, licences of code, weights and data, provenance and validation figures. Nothing is pickled.

Later formats differ from 1 in the tree and its files only. From 2 on, there may be a ``stack`` or a
``blend`` with a ``rule``; from 3 on, a ``speech_encoder`` or a ``face_mesh``, and files that are
not in the bundle's folder because the package ships them (see ``files``). A block ``population``
may stand in any format: readers that do not know it have no use for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from facevoice.branches import (
    Blend,
    Branch,
    FaceMeshMoments,
    FaceSequence,
    FaceVote,
    Functionals,
    SpectrogramNet,
    SpeechEncoder,
    Stack,
    leaves,
)
from facevoice.branches.tree import dotted_leaves
from facevoice.bundle.files import check_files, file_path
from facevoice.errors import BundleError, FacevoiceError
from facevoice.messages import near
from facevoice.person import Population
from facevoice.session import Device, Session, hash_of
from facevoice.types import TIE_TOLERANCE, Scores

FORMATS: Final = (1, 2, 3)
SHIPPED: Final = Path(__file__).parents[1] / "bundles"
OLD_KINDS: Final = {"functionals_svm": "functionals"}
"""Names of kinds: format 1's to today's."""

_Kind = (
    Blend
    | Stack
    | FaceVote
    | FaceSequence
    | FaceMeshMoments
    | SpectrogramNet
    | Functionals
    | SpeechEncoder
)
_KINDS: Final[Mapping[str, type[_Kind]]] = {
    "blend": Blend,
    "stack": Stack,
    "face_vote": FaceVote,
    "face_sequence": FaceSequence,
    "face_mesh": FaceMeshMoments,
    "spectrogram_net": SpectrogramNet,
    "functionals": Functionals,
    "speech_encoder": SpeechEncoder,
}
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

    sha256: of bundle.json, which holds the hashes of all other files: it identifies the model.
    card: bundle.json as ``read_card`` gives it.
    tree: the branch that scores evidence.
    abstain_below: the model is unsure where its highest score is below this; None: it is never
    unsure.
    population: what people score on average, which a person's own baseline is compared with; None
    if bundle.json has no block ``population``.
    """

    name: str
    version: str
    sha256: str
    folder: Path
    labels: tuple[str, ...]
    card: Mapping[str, Any]
    tree: Branch
    abstain_below: float | None = None
    population: Population | None = None

    def abstains(self, scores: Scores | None) -> bool:
        """Whether scores of the whole tree are below the threshold; False without scores."""
        if scores is None or self.abstain_below is None:
            return False
        return scores.confidence < self.abstain_below - TIE_TOLERANCE

    def check_extras(self) -> None:
        """Check that what its branches need is installed, before any clip is read.

        Raises:
            MissingDependencyError: it is not.
        """
        for leaf in leaves(self.tree):
            check = getattr(leaf, "check_extras", None)
            if check is not None:
                check()

    def path(self, file: str) -> Path:
        """Where a file of the bundle lies; see ``files``."""
        return file_path(self.folder, file)

    def __repr__(self) -> str:
        return f"Bundle({self.name} {self.version}, {len(self.labels)} labels, {self.tree!r})"


@dataclass(frozen=True, slots=True)
class _Context:
    """The bundle around a branch; see ``branches.base.Context``."""

    folder: Path
    labels: tuple[str, ...]
    files: Mapping[str, str]
    device: Device
    threads: int | None
    sessions: dict[str, Session] = field(default_factory=dict)

    def session(self, file: str) -> Session:
        if file not in self.files:
            raise BundleError(f"{self.folder}: {file} is used in the tree but not listed in files")
        if file not in self.sessions:  # branches may share an encoder
            path = file_path(self.folder, file)
            session = Session(path, device=self.device, threads=self.threads)
            if self.folder.parent != SHIPPED:  # of those that ship it is known that they load
                session.load()
            self.sessions[file] = session
        return self.sessions[file]

    def branch(self, node: Mapping[str, Any]) -> Branch:
        kind, name = str(node.get("kind")), node.get("name")
        if kind not in _KINDS:
            known = ", ".join(_KINDS)
            raise BundleError(f"{self.folder}: unknown kind of branch {kind!r}; known: {known}")
        try:
            return _KINDS[kind].of_node(node, self)
        except KeyError as error:
            raise BundleError(
                f"{self.folder}: branch {name!r} of kind {kind} lacks {error}"
            ) from None
        except (TypeError, ValueError) as error:
            if isinstance(error, FacevoiceError):
                raise
            raise BundleError(
                f"{self.folder}: branch {name!r} of kind {kind} has a wrong value: {error}"
            ) from error


def bundle_folder(name_or_folder: str | Path) -> Path:
    """The folder of a bundle: a path, or the name of one that ships.

    Raises:
        BundleError: neither exists.
    """
    folder = Path(name_or_folder)
    if (folder / "bundle.json").is_file():
        return folder
    shipped = SHIPPED / str(name_or_folder)
    if (shipped / "bundle.json").is_file():
        return shipped
    names = [path.name for path in shipped_bundles()]
    raise BundleError(
        f"no bundle {str(name_or_folder)!r}: no folder of that name holds a bundle.json;"
        f" shipped bundles: {', '.join(names) or 'none'}{near(str(name_or_folder), names)}"
    )


def shipped_bundles() -> list[Path]:
    """Folders of the bundles that come with the package."""
    return sorted(path.parent for path in SHIPPED.glob("*/bundle.json"))


def read_card(folder: Path) -> dict[str, Any]:
    """bundle.json of a folder, with its required keys checked and kinds by today's names.

    Raises:
        BundleError: absent, not JSON, of a format that this version cannot read, or a key is
            missing.
    """
    path = folder / "bundle.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{folder} is not a bundle: it holds no bundle.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not JSON: {error}") from error
    absent = [key for key in _REQUIRED if key not in card]
    if absent:
        raise BundleError(f"{path} lacks {', '.join(absent)}")
    if card["format"] not in FORMATS:
        known = f"{FORMATS[0]} to {FORMATS[-1]}"
        raise BundleError(
            f"{path} has format {card['format']!r}; this version reads {known}:"
            " a newer bundle needs a newer facevoice: upgrade"
        )
    try:
        return card | {"tree": renamed(card["tree"], OLD_KINDS)}
    except (TypeError, ValueError) as error:
        raise BundleError(f"{path}: the tree is malformed: {error}") from error


def renamed(tree: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """A tree of bundle.json with other names of kinds."""
    node = dict(tree)
    if "kind" in node:
        node["kind"] = kinds.get(node["kind"], node["kind"])
    if "members" in node:
        node["members"] = [renamed(member, kinds) for member in node["members"]]
    return node


def load_bundle(
    name_or_folder: str | Path = "base", *, device: Device = "cpu", threads: int | None = None
) -> Bundle:
    """Load a bundle: check every file's hash, then build the tree.

    Raises:
        BundleError: see ``read_card``; an unknown kind of branch; a wrong value; a network that
            onnxruntime cannot load; a population that does not fit the tree.
        HashMismatchError: a file's bytes are not those that bundle.json names.
        LabelMismatchError: a fusion would mix label sets.
    """
    folder = bundle_folder(name_or_folder)
    card = read_card(folder)
    check_files(folder, card)
    labels = tuple(card["labels"])
    tree = _Context(folder, labels, card["files"], device, threads).branch(card["tree"])
    sha256 = hash_of(folder / "bundle.json")
    below, population = _threshold(card, folder), _population(card, folder, tree)
    return Bundle(
        card["name"], card["version"], sha256, folder, labels, card, tree, below, population
    )


def _threshold(card: Mapping[str, Any], folder: Path) -> float | None:
    below = card.get("abstain_below")
    if below is None:
        return None
    if isinstance(below, bool) or not isinstance(below, int | float) or not 0 <= below <= 1:
        raise BundleError(f"{folder}: abstain_below must be a score from 0 to 1, got {below!r}")
    return float(below)


def _population(card: Mapping[str, Any], folder: Path, tree: Branch) -> Population | None:
    block = card.get("population")
    if block is None:
        return None
    try:
        population = Population.from_dict(block)
        population.check([*dotted_leaves(tree)], card["labels"])
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error
    return population
