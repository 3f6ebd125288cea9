"""Features of utterances, computed once per prepared folder and kept beside the data.

``functionals-<set>.npz``, ``speech_encoder.npz`` or ``speech_encoder-pieces.npz`` in a prepared
folder holds
    features     (N, D) float32, NaN rows for samples without speech
    fingerprint  of the prepared folder that they were computed from
    opensmile    the version of what computed them: openSMILE, our own set, or the encoders' hashes
With functionals there, training needs no openSMILE. ``...-changed.npz`` and ``...-lengths.npz``
hold the same of changed copies and of other lengths, (V, N, D), and how they were made.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.bundle.files import shipped_parts
from facevoice.errors import DatasetError
from facevoice.session import hash_of
from facevoice.speech.encoders import (
    LONGEST_SECONDS,
    SHIPPED_ENCODERS,
    encoder_features,
    shipped_encoders,
)
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, functionals
from facevoice.speech.prosody import VERSION
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.train.fit.augment import change_speech
from facevoice.train.prepare.folder import Prepared
from facevoice.train.prepare.store import Store
from facevoice.train.recipe import EnsembleRecipe, SpeechEncoderRecipe, UtteranceRecipe
from facevoice.types import Float32Array, Waveform
from facevoice.writing import replacing

_ENCODER_FEATURES: Final = 2688  # of ``SHIPPED_ENCODERS``
_LENGTHS: Final = ("a part", "joined with another")
_PART: Final = 0.6  # of a clip
_SHORTEST_PART: Final = 12_000  # samples, three quarters of a second
_PIECE_SECONDS: Final = 1.0  # what is new in a window of a timeline, by default

Change = Callable[[int, int, Float32Array], Float32Array]
"""Changes samples (S,), given the row and the number of the copy."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What computes features.

    name: of the kept files. size: D. version: of what computes them; None: not known, any will do.
    of: makes the function from speech to features (D,), which may load networks.
    """

    name: str
    size: int
    version: str | None
    of: Callable[[], Callable[[Waveform], Float32Array]]


def features_of(data: Prepared, recipe: UtteranceRecipe) -> tuple[Float32Array, NDArray[np.bool_]]:
    """The features that a recipe learns from, and which samples have any.

    Returns (N, D) float32, NaN where a sample has no speech, and (N,) bool.

    Raises:
        DatasetError: the kept file is damaged.
        MissingDependencyError: nothing that fits is kept, and opensmile is not installed.
    """
    return _features(data, _kind(recipe))


def functional_features(
    data: Prepared, feature_set: FeatureSet
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """The functionals of all samples, see ``features_of``."""
    return _features(data, _functionals(feature_set))


def _features(data: Prepared, kind: _Kind) -> tuple[Float32Array, NDArray[np.bool_]]:
    features = np.concatenate([_plain(store, kind) for store in data.stores])
    return features, ~np.isnan(features).any(axis=1)


def looks_of(features: Float32Array, data: Prepared, recipe: EnsembleRecipe) -> Float32Array:
    """(V, N, D) all that an ensemble learns from: the features, and those of other looks.

    Looks are changed copies of the speech and, where the recipe says so, other lengths of it and
    speech read in pieces.
    """
    looks = [features[None]]
    if recipe.speech_views:
        looks.append(changed_features(data, recipe))
    if recipe.other_lengths:
        looks.append(length_features(data, recipe))
    if isinstance(recipe, SpeechEncoderRecipe) and recipe.in_pieces:
        pieces, _ = _features(data, _encoders("speech_encoder-pieces", _PIECE_SECONDS))
        looks.append(pieces[None])
    return np.concatenate(looks)


def changed_features(data: Prepared, recipe: EnsembleRecipe) -> Float32Array:
    """Features of changed copies of all samples: (speech_views, N, D), NaN without speech.

    Raises:
        DatasetError, MissingDependencyError: see ``features_of``.
    """
    kind = _kind(recipe)
    return np.concatenate([_changed(store, kind, recipe) for store in data.stores], axis=1)


def length_features(data: Prepared, recipe: EnsembleRecipe) -> Float32Array:
    """Features of a part of each clip, and of the clip joined with another: (2, N, D).

    The part is _PART of the clip. The other clip is of the same group and label; of both together
    a part of half or more is taken, at most LONGEST_SECONDS, and changed as copies are. Speech that
    has nothing to be joined with stays alone.

    Raises:
        DatasetError, MissingDependencyError: see ``features_of``.
    """
    kind = _kind(recipe)
    groups, y = np.array(data.groups), data.y
    starts = np.cumsum([0, *(len(store) for store in data.stores)])
    found = []
    for store, start in zip(data.stores, starts, strict=False):
        own = slice(start, start + len(store))
        found.append(_of_lengths(store, kind, recipe, _alike(groups[own], y[own])))
    return np.concatenate(found, axis=1)


def _alike(groups: NDArray[np.str_], y: NDArray[np.int64]) -> Callable[[int], NDArray[np.intp]]:
    """The other rows of the group and label of a row."""

    def others(row: int) -> NDArray[np.intp]:
        found = np.flatnonzero((groups == groups[row]) & (y == y[row]))
        return np.asarray(found[found != row], np.intp)

    return others


def _of_lengths(
    store: Store, kind: _Kind, recipe: EnsembleRecipe, others: Callable[[int], NDArray[np.intp]]
) -> Float32Array:
    def change(row: int, view: int, samples: Float32Array) -> Float32Array:
        rng = np.random.default_rng([recipe.seed, row, view, len(_LENGTHS)])
        if not view:
            return _part(samples, _PART, rng)
        among = others(row)
        other = store.speech(int(rng.choice(among))) if len(among) else None
        if other is not None:
            samples = np.concatenate([samples, other.samples])
        longest = min(len(samples), int(LONGEST_SECONDS * SPEECH_RATE_HZ))
        part = _part(samples, rng.uniform(0.5, 1) * longest / len(samples), rng)
        return change_speech(part, recipe.augment, rng)

    def make() -> Float32Array:
        return _of_all(store, kind, len(_LENGTHS), change)

    made = f"{store.fingerprint} {_LENGTHS}, strength {recipe.augment}, seed {recipe.seed}"
    return _kept_or_made(store.folder / f"{kind.name}-lengths.npz", made, kind, make)


def _part(samples: Float32Array, share: float, rng: np.random.Generator) -> Float32Array:
    """A stretch of speech somewhere in it, not under _SHORTEST_PART of what there is."""
    count = max(int(share * len(samples)), min(len(samples), _SHORTEST_PART))
    start = int(rng.integers(len(samples) - count + 1))
    return samples[start : start + count]


def _kind(recipe: UtteranceRecipe) -> _Kind:
    if isinstance(recipe, SpeechEncoderRecipe):
        return _encoders("speech_encoder", LONGEST_SECONDS)
    return _functionals(recipe.feature_set)


def _encoders(name: str, piece_seconds: float) -> _Kind:
    parts = shipped_parts()
    hashes = " ".join(hash_of(parts[part.file]) for part in SHIPPED_ENCODERS)

    def reader() -> Callable[[Waveform], Float32Array]:
        return partial(encoder_features, shipped_encoders(), piece_seconds=piece_seconds)

    return _Kind(name, _ENCODER_FEATURES, hashes, reader)


def _functionals(feature_set: FeatureSet) -> _Kind:
    version = VERSION if feature_set == "prosody" else _opensmile_version()

    def measured(waveform: Waveform) -> Float32Array:
        return functionals(waveform, feature_set)

    size = FEATURE_COUNTS[feature_set]
    return _Kind(f"functionals-{feature_set}", size, version, lambda: measured)


def _plain(store: Store, kind: _Kind) -> Float32Array:
    def make() -> Float32Array:
        (features,) = _of_all(store, kind, 1, lambda _row, _view, samples: samples)
        return np.asarray(features)

    return _kept_or_made(store.folder / f"{kind.name}.npz", store.fingerprint, kind, make)


def _changed(store: Store, kind: _Kind, recipe: EnsembleRecipe) -> Float32Array:
    views = recipe.speech_views
    made = f"{store.fingerprint} {views} views, strength {recipe.augment}, seed {recipe.seed}"

    def change(row: int, view: int, samples: Float32Array) -> Float32Array:
        rng = np.random.default_rng([recipe.seed, row, view])
        return change_speech(samples, recipe.augment, rng)

    def make() -> Float32Array:
        return _of_all(store, kind, views, change)

    return _kept_or_made(store.folder / f"{kind.name}-changed.npz", made, kind, make)


def _of_all(store: Store, kind: _Kind, views: int, change: Change) -> Float32Array:
    """(views, N, D), NaN where a sample has no speech."""
    features = np.full((views, len(store), kind.size), np.nan, np.float32)
    read = kind.of()
    for row in range(len(store)):
        waveform = store.speech(row)
        if waveform is None:
            continue
        for view in range(views):
            samples = change(row, view, waveform.samples)
            features[view, row] = read(Waveform(samples, waveform.rate_hz))
    return features


def _kept_or_made(
    path: Path, fingerprint: str, kind: _Kind, make: Callable[[], Float32Array]
) -> Float32Array:
    kept = _kept(path, fingerprint, kind.version)
    if kept is not None:
        return kept
    features = make()
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            features=features,
            fingerprint=np.array(fingerprint),
            opensmile=np.array(kind.version or ""),
        )
    return features


def _kept(path: Path, fingerprint: str, version: str | None) -> Float32Array | None:
    """The kept features; None if there are none, or of other data or by another version."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            features: Float32Array = stored["features"]
            computed_from, computed_by = str(stored["fingerprint"]), str(stored["opensmile"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read ({error}): delete it") from error
    fits = computed_from == fingerprint and version in {None, computed_by}
    return features if fits else None


def _opensmile_version() -> str | None:
    try:
        return metadata.version("opensmile")  # without its import, which takes seconds
    except metadata.PackageNotFoundError:
        return None
