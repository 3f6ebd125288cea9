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
from facevoice.speech.functionals import functionals
from facevoice.speech.spectrogram import SpectrogramSettings, spectrogram_images
from facevoice.train.adapt.onnx_heads import Linear, Trunk, cut, feature_model, load, pooled
from facevoice.train.fit.augment import change_speech
from facevoice.train.prepare.folder import Prepared
from facevoice.types import Evidence, Float32Array, Float64Array, Modality, Waveform
from facevoice.writing import replacing

_SHIFT: Final = 0.06  # of the crop's side
_SCALE: Final = 0.1  # its logarithm
_SPEECH_CHANGE: Final = 0.6  # of the usual strength

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
    machine: what scores utterance features (N, D), of functionals only.
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
        return own if self.modality == "voice" else np.concatenate([own, count // 2 + own])

    @property
    def original(self) -> Linear | onnx.ModelProto:
        """What gave the original's distribution: the last layer, or the old temporal part."""
        if self.temporal is not None:
            return self.temporal
        if self.trunk is None:
            raise RecipeError(f"branch {self.name} cannot be adapted")
        return self.trunk.head


class _Reader:
    """Features of evidence by one branch; ``sequences`` fill up as clips are read."""

    def __init__(self, bundle: Bundle, node: Mapping[str, Any], views: int, work: Path) -> None:
        self.node, self.views = node, views
        self.kind = str(node["kind"])
        self.sequences: list[dict[int, Float32Array]] = [{} for _ in range(views)]
        self.originals: list[dict[int, Float64Array]] = [{} for _ in range(views)]
        self.temporal: onnx.ModelProto | None = None
        self.machine: onnx.ModelProto | None = None
        self.trunk: Trunk | None = None
        if self.kind == "functionals":
            self.session = Session(bundle.path(node["model"]))
            self.machine = load(bundle.path(node["model"]))
            return
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

    def read(self, row: int, evidence: Evidence, seed: int) -> None:
        if self.kind == "functionals":
            self._read_functionals(row, evidence, seed)
            return
        for view in range(self.views):
            pictures = self._pictures(evidence, np.random.default_rng([seed, row, view]), view)
            if pictures is None:
                return
            (features,) = self.session.run(pictures)
            self.sequences[view][row] = features
            if self.trunk is not None:
                own = features[:, : self.trunk.head.weight.shape[0]]
                found = softmax(self.trunk.head.logits(own).astype(np.float32))
            else:
                (logits,) = self._old.run(features[None])
                found = softmax(logits)
            self.originals[view][row] = found

    def _read_functionals(self, row: int, evidence: Evidence, seed: int) -> None:
        if evidence.speech is None:
            return
        for view in range(self.views):
            speech = evidence.speech
            if view:
                speech = _changed(speech, np.random.default_rng([seed, row, view]))
            found = functionals(speech, self.node["feature_set"])[None]
            self.sequences[view][row] = found
            self.originals[view][row] = self.session.run(found)[-1].astype(np.float64)

    def _pictures(
        self, evidence: Evidence, rng: np.random.Generator, view: int
    ) -> Float32Array | None:
        """View 0 as a prediction sees it, view 1 mirrored (faces), the others changed at random."""
        if self.kind == "spectrogram_net":
            speech = evidence.speech
            if speech is None:
                return None
            if view:
                speech = _changed(speech, rng)
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

    def items(self) -> Items:
        """What linear heads read."""
        values, originals, rows, views = [], [], [], []
        for view, by_row in enumerate(self.sequences):
            for row, features in by_row.items():
                found, old = features, self.originals[view][row]
                if self.kind not in _VOICES:
                    found, old = pooled(found), old.mean(axis=0, keepdims=True)
                values.append(found)
                originals.append(old)
                rows += [row] * len(found)
                views += [view] * len(found)
        joined = np.concatenate(values), np.concatenate(originals)
        return Items(*joined, np.array(rows), np.array(views))


def _changed(speech: Waveform, rng: np.random.Generator) -> Waveform:
    return Waveform(change_speech(speech.samples, _SPEECH_CHANGE, rng), speech.rate_hz)


def _moved(box: Box, rng: np.random.Generator) -> Box:
    """The crop shifted and scaled a little."""
    left, top, right, bottom = box
    side = (right - left) * float(np.exp(rng.uniform(-_SCALE, _SCALE)))
    across, down = rng.uniform(-_SHIFT, _SHIFT, 2) * (right - left)
    middle, height = (left + right) / 2 + across, (top + bottom) / 2 + down
    half = side / 2
    return (middle - half, height - half, middle + half, height + half)


_VOICES: Final = ("spectrogram_net", "functionals")
_ADAPTABLE: Final = ("face_vote", "face_sequence", *_VOICES)


def read_leaves(
    bundle: Bundle,
    data: Prepared,
    work: Path,
    *,
    views: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[LeafFeatures, ...]:
    """Every branch of the bundle on every clip.

    work: a folder for the cut networks, needed while this runs.

    Raises:
        RecipeError: a network cannot be cut.
    """
    tree = bundle.card["tree"]
    named = named_leaves(tree) or {str(tree["name"]): tree}
    by_branch = list(zip(named.items(), leaves(bundle.tree), strict=True))
    readers = {
        name: _Reader(bundle, node, views, work)
        for (name, node), _ in by_branch
        if node["kind"] in _ADAPTABLE
    }
    shape = (len(data.ids), len(bundle.labels))
    found = {name: np.full(shape, np.nan) for (name, _), _ in by_branch}
    for row, evidence in data.evidences():
        for (name, _), branch in by_branch:
            scores = branch.score(evidence)
            if scores is not None:
                found[name][row] = scores.values
        for reader in readers.values():
            reader.read(row, evidence, seed)
        if progress is not None:
            progress(row + 1, len(data.ids))
    return tuple(
        _leaf(name, node, branch, found[name], readers.get(name))
        for (name, node), branch in by_branch
    )


def _leaf(
    name: str,
    node: Mapping[str, Any],
    branch: Branch,
    scores: Float64Array,
    reader: _Reader | None,
) -> LeafFeatures:
    modality = branch.modality or "face"
    if reader is None or not reader.sequences[0]:
        return LeafFeatures(name, node, modality, scores)
    first = next(iter(reader.sequences[0].values()))
    width = first.shape[1] if reader.trunk is None else reader.trunk.head.weight.shape[0]
    return LeafFeatures(
        name,
        node,
        modality,
        scores,
        tuple(reader.sequences),
        reader.items(),
        width,
        reader.trunk,
        reader.temporal,
        reader.machine,
    )
