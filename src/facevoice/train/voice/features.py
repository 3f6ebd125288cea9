"""Functionals of prepared folders, computed once and kept beside the data.

``functionals-<set>.npz`` in a prepared folder holds
    features     (N, D) float32, NaN rows for clips without speech
    fingerprint  of the prepared folder that they were computed from
    opensmile    the version that computed them; of our own set its own version
With this file there, training needs no openSMILE. ``functionals-<set>-changed.npz`` holds the same
of changed copies, (V, N, D), and how they were made.
"""

import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError, InvalidInputError
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, functionals
from facevoice.speech.prosody import VERSION
from facevoice.train.fit.augment import change_speech
from facevoice.train.fit.joined import Joined, TrainingData
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import Recipe
from facevoice.types import Float32Array, Waveform
from facevoice.writing import replacing


def functional_features(
    data: TrainingData, feature_set: FeatureSet
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Features of all samples, and which samples have any.

    Returns (N, D) float32, NaN where a clip has no speech, and (N,) bool.

    Raises:
        DatasetError: the data holds no speech, or the kept file is damaged.
        MissingDependencyError: nothing that fits is kept, and opensmile is not installed.
    """
    if isinstance(data, Joined):
        features = np.concatenate([_of_folder(part, feature_set) for part in data.parts])
    elif isinstance(data, Prepared):
        features = _of_folder(data, feature_set)
    else:
        raise InvalidInputError(f"functionals are kept in prepared folders, got {data!r}")
    return features, ~np.isnan(features).any(axis=1)


def changed_features(data: TrainingData, recipe: Recipe) -> Float32Array:
    """Features of changed copies of all samples: (speech_views, N, D), NaN without speech.

    Raises:
        DatasetError, MissingDependencyError: see ``functional_features``.
    """
    parts = data.parts if isinstance(data, Joined) else (data,)
    return np.concatenate([_changed(part, recipe) for part in parts], axis=1)


def _changed(prepared: Any, recipe: Recipe) -> Float32Array:
    feature_set, views = recipe.feature_set, recipe.speech_views
    made = f"{prepared.fingerprint} {views} views, strength {recipe.augment}, seed {recipe.seed}"

    def make() -> Float32Array:
        speeches = prepared.speeches()
        shape = (views, len(speeches), FEATURE_COUNTS[feature_set])
        features = np.full(shape, np.nan, np.float32)
        for row, waveform in enumerate(speeches):
            for view in range(views if waveform is not None else 0):
                rng = np.random.default_rng([recipe.seed, row, view])
                samples = change_speech(waveform.samples, recipe.augment, rng)
                changed = Waveform(samples, waveform.rate_hz)
                features[view, row] = functionals(changed, feature_set)
        return features

    path = prepared.folder / f"functionals-{feature_set}-changed.npz"
    return _kept_or_made(path, made, feature_set, make)


def _of_folder(prepared: Prepared, feature_set: FeatureSet) -> Float32Array:
    def make() -> Float32Array:
        features = np.full((len(prepared.ids), FEATURE_COUNTS[feature_set]), np.nan, np.float32)
        for row, waveform in enumerate(prepared.speeches()):
            if waveform is not None:
                features[row] = functionals(waveform, feature_set)
        return features

    path = prepared.folder / f"functionals-{feature_set}.npz"
    return _kept_or_made(path, prepared.fingerprint, feature_set, make)


def _kept_or_made(
    path: Path, fingerprint: str, feature_set: FeatureSet, make: Callable[[], Float32Array]
) -> Float32Array:
    version = VERSION if feature_set == "prosody" else _opensmile_version()
    kept = _kept(path, fingerprint, version)
    if kept is not None:
        return kept
    features = make()
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            features=features,
            fingerprint=np.array(fingerprint),
            opensmile=np.array(version or ""),
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
