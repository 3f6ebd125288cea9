"""Functionals of prepared folders, computed once and kept beside the data.

``functionals-<set>.npz`` in a prepared folder holds
    features     (N, D) float32, NaN rows for samples without speech
    fingerprint  of the prepared folder that they were computed from
    opensmile    the version that computed them; of our own set its own version
With this file there, training needs no openSMILE. ``functionals-<set>-changed.npz`` holds the same
of changed copies, (V, N, D), and how they were made.
"""

import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, functionals
from facevoice.speech.prosody import VERSION
from facevoice.train.fit.augment import change_speech
from facevoice.train.prepare.folder import Prepared
from facevoice.train.prepare.store import Store
from facevoice.train.recipe import EnsembleRecipe
from facevoice.types import Float32Array, Waveform
from facevoice.writing import replacing


def functional_features(
    data: Prepared, feature_set: FeatureSet
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Features of all samples, and which samples have any.

    Returns (N, D) float32, NaN where a sample has no speech, and (N,) bool.

    Raises:
        DatasetError: the kept file is damaged.
        MissingDependencyError: nothing that fits is kept, and opensmile is not installed.
    """
    features = np.concatenate([_plain(store, feature_set) for store in data.stores])
    return features, ~np.isnan(features).any(axis=1)


def changed_features(data: Prepared, recipe: EnsembleRecipe) -> Float32Array:
    """Features of changed copies of all samples: (speech_views, N, D), NaN without speech.

    Raises:
        DatasetError, MissingDependencyError: see ``functional_features``.
    """
    return np.concatenate([_changed(store, recipe) for store in data.stores], axis=1)


def _plain(store: Store, feature_set: FeatureSet) -> Float32Array:
    path = store.folder / f"functionals-{feature_set}.npz"

    def make() -> Float32Array:
        (features,) = _of_all(store, feature_set, 1, lambda _place, samples: samples)
        return np.asarray(features)

    return _kept_or_made(path, store.fingerprint, feature_set, make)


def _changed(store: Store, recipe: EnsembleRecipe) -> Float32Array:
    feature_set, views = recipe.feature_set, recipe.speech_views
    made = f"{store.fingerprint} {views} views, strength {recipe.augment}, seed {recipe.seed}"

    def change(place: tuple[int, int], samples: Float32Array) -> Float32Array:
        rng = np.random.default_rng([recipe.seed, *place])
        return change_speech(samples, recipe.augment, rng)

    def make() -> Float32Array:
        return _of_all(store, feature_set, views, change)

    path = store.folder / f"functionals-{feature_set}-changed.npz"
    return _kept_or_made(path, made, feature_set, make)


def _of_all(
    store: Store,
    feature_set: FeatureSet,
    views: int,
    change: Callable[[tuple[int, int], Float32Array], Float32Array],
) -> Float32Array:
    """(views, N, D); change: makes a view of a sample's speech, given (row, view)."""
    features = np.full((views, len(store), FEATURE_COUNTS[feature_set]), np.nan, np.float32)
    for row in range(len(store)):
        waveform = store.speech(row)
        if waveform is None:
            continue
        for view in range(views):
            samples = change((row, view), waveform.samples)
            changed = Waveform(samples, waveform.rate_hz, waveform.start_seconds)
            features[view, row] = functionals(changed, feature_set)
    return features


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
