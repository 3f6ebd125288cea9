"""openSMILE functionals of prepared folders, computed once and kept beside the data.

``functionals-<set>.npz`` in a prepared folder holds
    features     (N, D) float32, NaN rows for clips without speech
    fingerprint  of the prepared folder that they were computed from
    opensmile    the version that computed them
With this file there, training needs no openSMILE.
"""

import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError, InvalidInputError
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, functionals
from facevoice.train.joined import Joined, TrainingData
from facevoice.train.prepared import Prepared
from facevoice.types import Float32Array
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


def _of_folder(prepared: Prepared, feature_set: FeatureSet) -> Float32Array:
    path = prepared.folder / f"functionals-{feature_set}.npz"
    kept = _kept(path, prepared.fingerprint)
    if kept is not None:
        return kept
    features = np.full((len(prepared.ids), FEATURE_COUNTS[feature_set]), np.nan, np.float32)
    for row, waveform in enumerate(prepared.speeches()):
        if waveform is not None:
            features[row] = functionals(waveform, feature_set)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            features=features,
            fingerprint=np.array(prepared.fingerprint),
            opensmile=np.array(_opensmile_version() or ""),
        )
    return features


def _kept(path: Path, fingerprint: str) -> Float32Array | None:
    """The kept features; None if there are none, or of other data or another openSMILE."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            features: Float32Array = stored["features"]
            computed_from, computed_by = str(stored["fingerprint"]), str(stored["opensmile"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read ({error}): delete it") from error
    installed = _opensmile_version()
    fits = computed_from == fingerprint and installed in {None, computed_by}
    return features if fits else None


def _opensmile_version() -> str | None:
    try:
        return metadata.version("opensmile")  # without its import, which takes seconds
    except metadata.PackageNotFoundError:
        return None
