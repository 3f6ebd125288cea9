"""Utterance-level features: openSMILE's, as in the paper, and our own.

The only module that imports opensmile, which is optional and licensed for non-commercial research.
"""

from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np

from facevoice.errors import InvalidInputError, MissingDependencyError
from facevoice.speech.prosody import FEATURES, prosody, prosody_names
from facevoice.types import Float32Array, Waveform

FeatureSet = Literal["is09", "is10", "prosody"]
FEATURE_COUNTS: Final[dict[FeatureSet, int]] = {"is09": 384, "is10": 1582, "prosody": FEATURES}
"""INTERSPEECH 2009 Emotion Challenge; INTERSPEECH 2010 Paralinguistic Challenge; our own."""

_SHORTEST_SECONDS: Final = 0.1  # for less than a few of its frames, openSMILE returns NaN


def functionals(waveform: Waveform, feature_set: FeatureSet) -> Float32Array:
    """Statistics of low-level descriptors (energy, pitch, spectrum, ...) over the whole sound.

    Sound too short for openSMILE (which would return NaN) is padded with silence to 0.1 s; values
    that are not finite become 0. "prosody" does not need openSMILE: see
    ``facevoice.speech.prosody``.

    Returns:
        (384,) float32 for "is09", (1582,) for "is10", (FEATURES,) for "prosody", in the order of
        functional_names().

    Raises:
        InvalidInputError: an unknown set.
        MissingDependencyError: opensmile is needed but not installed.
    """
    if feature_set == "prosody":
        return prosody(waveform)
    smile = _extractor(feature_set)
    samples = waveform.samples
    shortest = int(_SHORTEST_SECONDS * waveform.rate_hz) + 1
    samples = np.pad(samples, (0, max(0, shortest - len(samples))))
    row = np.asarray(smile(samples, waveform.rate_hz), np.float32).reshape(-1)
    return np.nan_to_num(row, nan=0.0, posinf=0.0, neginf=0.0)


def check_feature_set(feature_set: FeatureSet) -> None:
    """Raise MissingDependencyError if a set needs opensmile, which is not installed."""
    if feature_set != "prosody":
        _extractor(feature_set)


def functional_names(feature_set: FeatureSet) -> tuple[str, ...]:
    """Names of the features in order; openSMILE's own for its sets.

    Raises:
        InvalidInputError: an unknown set.
        MissingDependencyError: opensmile is needed but not installed.
    """
    if feature_set == "prosody":
        return prosody_names()
    return tuple(_extractor(feature_set).feature_names)


@lru_cache(maxsize=len(FEATURE_COUNTS))
def _extractor(feature_set: FeatureSet) -> Any:
    if feature_set not in FEATURE_COUNTS:
        known = ", ".join(get_args(FeatureSet))
        raise InvalidInputError(f"no feature set {feature_set!r}; known: {known}")
    try:
        import opensmile  # noqa: PLC0415 - optional, and seconds to import
    except ImportError as error:
        raise MissingDependencyError.of(
            "opensmile", "opensmile", f"the feature set {feature_set}"
        ) from error
    sets = {"is09": opensmile.FeatureSet.IS09, "is10": opensmile.FeatureSet.IS10}
    return opensmile.Smile(
        feature_set=sets[feature_set], feature_level=opensmile.FeatureLevel.Functionals
    )
