"""Utterance-level features: the paper's, by openSMILE, and our own.

The only importer of opensmile, which is optional; its licence is for research, not for commerce.
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

_SHORTEST_SECONDS: Final = 0.1  # openSMILE gives NaN for less than a few of its frames


def functionals(waveform: Waveform, feature_set: FeatureSet) -> Float32Array:
    """Statistics of low-level descriptors (energy, pitch, spectrum, ...) over the whole sound.

    Sound too short for openSMILE (it would answer NaN) is continued with silence up to 0.1 s;
    a value that is not finite becomes 0.

    "prosody" needs no openSMILE: see ``facevoice.speech.prosody``.

    Returns:
        (384,) float32 for "is09", (1582,) for "is10", in the order of functional_names().

    Raises:
        InvalidInputError: for an unknown set.
        MissingDependencyError: if opensmile is not installed.
    """
    if feature_set == "prosody":
        return prosody(waveform)
    smile = _extractor(feature_set)
    samples = waveform.samples
    shortest = int(_SHORTEST_SECONDS * waveform.rate_hz) + 1
    if len(samples) < shortest:
        samples = np.pad(samples, (0, shortest - len(samples)))
    values = smile(samples, waveform.rate_hz)
    row = np.asarray(values, np.float32).reshape(-1)
    return np.nan_to_num(row, nan=0.0, posinf=0.0, neginf=0.0)


def functional_names(feature_set: FeatureSet) -> tuple[str, ...]:
    """Names of the features in order, openSMILE's for its sets.

    Raises:
        InvalidInputError: for an unknown set.
        MissingDependencyError: if opensmile is not installed.
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
