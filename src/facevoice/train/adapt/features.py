"""What the frozen networks of a bundle make of prepared clips: features, in several views."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from facevoice.branches import Branch, leaves
from facevoice.branches.base import softmax
from facevoice.branches.face_input import FaceInput
from facevoice.branches.tree import named_leaves
from facevoice.bundle import Bundle
from facevoice.errors import RecipeError
from facevoice.faces.sample import Box, crop_and_resize
from facevoice.session import Session
from facevoice.speech.spectrogram import SpectrogramSettings, spectrogram_images
from facevoice.train.adapt.machines import MachineBranch, changed, features_of, offers
from facevoice.train.adapt.onnx_heads import Linear, Trunk, cut, feature_model, load, pooled
from facevoice.train.prepare.folder import Prepared
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Scores
from facevoice.writing import replacing

_SHIFT: Final = 0.06  # of the crop's side
_SCALE: Final = 0.1  # its logarithm

Progress = Callable[[int, int], None]
"""Told how many clips are read, of how many."""


@dataclass(frozen=True, slots=True)
class Items:
    """What a linear head looks at: a whole clip's faces at once, or one window of its speech.

    values: (M, D). original: (M, K) distributions of the network as it was. rows, views: (M,).
    """

    values: Float32Array
    original: Float64Array
    rows: NDArray[np.int64]
    views: NDArray[np.int64]

    def chosen(self, rows: NDArray[Any], views: int | None = None) -> "Items":
        """The items of some clips, in the first so many views."""
        keep = np.isin(self.rows, rows)
        if views is not None:
            keep &= self.views < views
        return Items(self.values[keep], self.original[keep], self.rows[keep], self.views[keep])


@dataclass(frozen=True, slots=True)
class LeafFeatures:
    """One branch of the bundle on all clips.

    name: in score tables. node: its node in bundle.json. modality: what it reads.
    scores: (N, K) as the bundle gives them, NaN where the clip lacks the modality.
    sequences: by view and row the features (T, D) in order; the first ``width`` of the D columns
        are the input of the network's last layer. Empty for a branch that cannot be adapted.
    items: what a linear head reads: all features; see ``last_columns``.
    trunk: the network of pictures. temporal: the old temporal part, of a face_sequence only.
    machine: what scores the features of whole clips (N, D); see ``machines``.
    added: the bundle lacks it: ``scores`` tell no more than where the clip has the modality.
    reason: why a branch cannot be adapted, else "".
    """

    name: str
    node: Mapping[str, Any]
    modality: Modality
    scores: Float64Array
    sequences: tuple[Mapping[int, Float32Array], ...] = ()
    items: Items | None = None
    width: int = 0
    trunk: Trunk | None = None
    temporal: onnx.ModelProto | None = None
    machine: onnx.ModelProto | None = None
    added: bool = False
    reason: str = ""

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """(N,) whether the clip has what the branch reads."""
        return np.asarray(~np.isnan(self.scores[:, 0]), np.bool_)

    @property
    def read(self) -> Items:
        """The items.

        Raises:
            RecipeError: the branch cannot be adapted.
        """
        if self.items is None:
            raise RecipeError(f"branch {self.name} cannot be adapted")
        return self.items

    @property
    def last_columns(self) -> NDArray[np.intp]:
        """Which columns of the items come from the input of the network's last layer."""
        count = self.read.values.shape[1]
        own = np.arange(self.width)
        if self.modality == "voice" or self.machine is not None:
            return own
        return np.concatenate([own, count // 2 + own])

    @property
    def original(self) -> Linear | onnx.ModelProto:
        """What gave the original's distribution: the last layer, or the old temporal part."""
        if self.temporal is not None:
            return self.temporal
        if self.trunk is None:
            raise RecipeError(f"branch {self.name} cannot be adapted")
        return self.trunk.head


class _MachineReader:
    """Features of whole clips, and what the branch's machine makes of them."""

    trunk: Trunk | None = None
    temporal: onnx.ModelProto | None = None

    def __init__(self, branch: MachineBranch, views: int) -> None:
        self.branch = branch
        self.sequences: list[dict[int, Float32Array]] = [{} for _ in range(views)]
        self.originals: list[dict[int, Float64Array]] = [{} for _ in range(views)]
        self.machine = load(branch.session.path)

    def read(self, row: int, evidence: Evidence, seed: int) -> Scores | None:
        """Keep the features; the branch's scores."""
        found = features_of(self.branch, evidence, len(self.sequences), (seed, row))
        for view, features in enumerate(found):
            probabilities = self.branch.session.run(features)[-1]
            self.sequences[view][row] = features
            self.originals[view][row] = probabilities.astype(np.float64)
            if view == 0:
                scores = self.branch.of_probabilities(probabilities)
        return scores if found else None


class _NetworkReader:
    """Features of pictures by a network that is cut before its last layer."""

    machine: onnx.ModelProto | None = None

    def __init__(
        self, bundle: Bundle, branch: Branch, node: Mapping[str, Any], views: int, work: Path
    ) -> None:
        self.branch, self.node, self.views = branch, node, views
        self.kind = str(node["kind"])
        self.sequences: list[dict[int, Float32Array]] = [{} for _ in range(views)]
        self.originals: list[dict[int, Float64Array]] = [{} for _ in range(views)]
        self.temporal: onnx.ModelProto | None = None
        self.trunk: Trunk | None = None
        if self.kind == "face_sequence":
            self.session = Session(bundle.path(node["cnn"]))
            self._old = Session(bundle.path(node["blstm"]))
            self.temporal = load(bundle.path(node["blstm"]))
            return
        self.trunk = cut(bundle.path(node["model"]))
        path = work / f"{node['name']}.onnx"
        with replacing(path) as temporary:
            onnx.save(feature_model(self.trunk, levels=True), temporary)
        self.session = Session(path)

    def read(self, row: int, evidence: Evidence, seed: int) -> Scores | None:
        """Keep the features; the branch's scores."""
        for view in range(self.views):
            pictures = self._pictures(evidence, np.random.default_rng([seed, row, view]), view)
            if pictures is None:
                return None
            (features,) = self.session.run(pictures)
            self.sequences[view][row] = features
            if self.trunk is not None:
                own = features[:, : self.trunk.head.weight.shape[0]]
                found = softmax(self.trunk.head.logits(own).astype(np.float32))
            else:
                (logits,) = self._old.run(features[None])
                found = softmax(logits)
            self.originals[view][row] = found
        return self.branch.score(evidence)

    def _pictures(
        self, evidence: Evidence, rng: np.random.Generator, view: int
    ) -> Float32Array | None:
        """View 0 as a prediction sees it, view 1 mirrored (faces), the others changed at random."""
        if self.kind == "spectrogram_net":
            speech = evidence.speech
            if speech is None:
                return None
            if view:
                speech = changed(speech, rng)
            settings = SpectrogramSettings.from_dict(self.node["input"])
            images = spectrogram_images(speech, settings)[:, None]
            return np.repeat(images, int(self.node["channels"]), axis=1)
        if evidence.faces is None:
            return None
        face_input = FaceInput.from_dict(self.node["input"])
        faces = evidence.faces.images[face_input.indices(len(evidence.faces))]
        if view == 0:
            return face_input.pictures(faces)
        box = _moved(face_input.crop, rng) if view > 1 else face_input.crop
        pictures = face_input.normalised(crop_and_resize(faces, box, face_input.size))
        return np.ascontiguousarray(pictures[..., ::-1]) if view % 2 else pictures


_Reader = _MachineReader | _NetworkReader


def _items(reader: _Reader) -> Items:
    """What linear heads read: one item per clip, but one per window of a spectrogram."""
    whole = isinstance(reader, _NetworkReader) and reader.kind != "spectrogram_net"
    values, originals, rows, views = [], [], [], []
    for view, by_row in enumerate(reader.sequences):
        for row, features in by_row.items():
            found, old = features, reader.originals[view][row]
            if whole:
                found, old = pooled(found), old.mean(axis=0, keepdims=True)
            values.append(found)
            originals.append(old)
            rows += [row] * len(found)
            views += [view] * len(found)
    joined = np.concatenate(values), np.concatenate(originals)
    return Items(*joined, np.array(rows), np.array(views))


def _moved(box: Box, rng: np.random.Generator) -> Box:
    """The crop shifted and scaled a little."""
    left, top, right, bottom = box
    side = (right - left) * float(np.exp(rng.uniform(-_SCALE, _SCALE)))
    across, down = rng.uniform(-_SHIFT, _SHIFT, 2) * (right - left)
    middle, height = (left + right) / 2 + across, (top + bottom) / 2 + down
    half = side / 2
    return (middle - half, height - half, middle + half, height + half)


_NETWORKS: Final = ("face_vote", "face_sequence", "spectrogram_net")


@dataclass(frozen=True, slots=True)
class _Source:
    """A branch and what reads its features; no reader, but a reason, if it cannot be adapted."""

    node: Mapping[str, Any]
    branch: Branch
    reader: _Reader | None
    added: bool = False
    reason: str = ""

    def read(self, row: int, evidence: Evidence, seed: int) -> Scores | None:
        if self.reader is None:
            return self.branch.score(evidence)
        return self.reader.read(row, evidence, seed)


def _sources(bundle: Bundle, views: int, work: Path) -> dict[str, _Source]:
    """The branches of a bundle by name, then those that may be added."""
    tree = bundle.card["tree"]
    named = named_leaves(tree) or {str(tree["name"]): tree}
    sources = {}
    for (name, node), branch in zip(named.items(), leaves(bundle.tree), strict=True):
        reader: _Reader | None = None
        reason = ""
        if isinstance(branch, MachineBranch):
            reader = _MachineReader(branch, views)
        elif node["kind"] in _NETWORKS:
            try:
                reader = _NetworkReader(bundle, branch, node, views, work)
            except RecipeError as error:  # other branches can be adapted still
                reason = str(error)
        else:
            reason = f"branches of kind {node['kind']} cannot be adapted"
        sources[name] = _Source(node, branch, reader, reason=reason)
    for name, offer in offers(bundle, work).items():
        reader = _MachineReader(offer.branch, views)
        sources[name] = _Source(offer.node, offer.branch, reader, added=True)
    return sources


def read_leaves(
    bundle: Bundle,
    data: Prepared,
    work: Path,
    *,
    views: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[LeafFeatures, ...]:
    """Every branch of the bundle, and every one that may be added, on every clip.

    work: a folder for the cut networks, needed while this runs.
    """
    sources = _sources(bundle, views, work)
    scores = {name: np.full((len(data.ids), len(bundle.labels)), np.nan) for name in sources}
    for row, evidence in data.evidences():
        for name, source in sources.items():
            found = source.read(row, evidence, seed)
            if found is not None:
                scores[name][row] = found.values
        if progress is not None:
            progress(row + 1, len(data.ids))
    return tuple(_leaf(name, source, scores[name]) for name, source in sources.items())


def _leaf(name: str, source: _Source, scores: Float64Array) -> LeafFeatures:
    reader, modality = source.reader, source.branch.modality or "face"
    if reader is None or not reader.sequences[0]:
        reason = source.reason or f"no clip has a {modality}"
        return LeafFeatures(name, source.node, modality, scores, added=source.added, reason=reason)
    first = next(iter(reader.sequences[0].values()))
    width = first.shape[1] if reader.trunk is None else reader.trunk.head.weight.shape[0]
    return LeafFeatures(
        name,
        source.node,
        modality,
        scores,
        tuple(reader.sequences),
        _items(reader),
        width,
        reader.trunk,
        reader.temporal,
        reader.machine,
        source.added,
    )
