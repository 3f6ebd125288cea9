import csv
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from facevoice.errors import InvalidInputError, MissingDependencyError
from facevoice.speech.functionals import (
    FEATURE_COUNTS,
    FeatureSet,
    _extractor,
    functional_names,
    functionals,
)
from facevoice.types import Float32Array, Waveform
from support.speech_sounds import RATE_HZ, data_path, tone, voiced, wave, white

SETS = pytest.mark.parametrize("feature_set", ["is09", "is10"])


@pytest.fixture
def opensmile() -> None:
    pytest.importorskip("opensmile")


def read_wav(path: Path) -> Waveform:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        pieces = [frame.to_ndarray().reshape(-1) for frame in container.decode(stream)]
        samples = np.concatenate(pieces)
        if samples.dtype == np.int16:
            samples = samples.astype(np.float32) / 32768
        return Waveform(samples.astype(np.float32), stream.rate)


@SETS
@pytest.mark.parametrize("sound", ["female", "male", "noisy", "silence", "tone"])
def test_equals_the_reference_tables(opensmile: None, feature_set: FeatureSet, sound: str) -> None:
    folder = data_path("..", "design", "opensmile_ref")
    table = folder / f"{feature_set.upper()}_func.csv"
    with table.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    wanted = next(row[1:] for row in rows if Path(row[0]).stem == f"synth_{sound}")
    assert tuple(names[1:]) == functional_names(feature_set)
    found = functionals(read_wav(folder / f"synth_{sound}.wav"), feature_set)
    np.testing.assert_allclose(found, np.array(wanted, np.float64), rtol=1e-5, atol=1e-6)


@SETS
def test_equals_opensmile_itself(opensmile: None, feature_set: FeatureSet) -> None:
    sound = voiced(1.0)
    wanted = _extractor(feature_set)(sound, RATE_HZ).reshape(-1)
    found = functionals(wave(sound), feature_set)
    assert found.dtype == np.float32
    assert found.shape == (FEATURE_COUNTS[feature_set],)
    np.testing.assert_array_equal(found, wanted)


def value(sound: Float32Array, feature_set: FeatureSet, name: str) -> float:
    return float(functionals(wave(sound), feature_set)[functional_names(feature_set).index(name)])


def test_values_known_by_definition(opensmile: None) -> None:
    """Features of simple sounds equal their values by definition."""
    steady = tone(1.0, 200, 0.5)
    # root mean square of the tone, after pre-emphasis of 0.97 and under a Hamming window
    emphasis = abs(1 - 0.97 * np.exp(-2j * np.pi * 200 / RATE_HZ))
    wanted = 0.5 / np.sqrt(2) * emphasis * np.sqrt(0.54**2 + 0.46**2 / 2)
    assert value(steady, "is09", "pcm_RMSenergy_sma_amean") == pytest.approx(wanted, rel=0.01)
    # 25 ms hold 5 periods of 200 Hz: 10 crossings, or 9 inside
    assert value(steady, "is09", "pcm_zcr_sma_amean") == pytest.approx(9 / 400, abs=1 / 400)
    pitch = value(voiced(1.0), "is10", "F0final_sma_amean")
    assert pitch == pytest.approx(130, rel=0.1)  # the pitch that voiced() glides around


def test_names_are_those_of_the_challenges(opensmile: None) -> None:
    for feature_set, count in FEATURE_COUNTS.items():
        names = functional_names(feature_set)
        assert len(names) == len(set(names)) == count
    assert functional_names("is09")[0] == "pcm_RMSenergy_sma_max"
    assert functional_names("is10")[0] == "pcm_loudness_sma_maxPos"


@SETS
@pytest.mark.parametrize("count", [0, 1, 100, 400, 1200, 4000])
def test_short_sounds_have_finite_features(
    opensmile: None, feature_set: FeatureSet, count: int
) -> None:
    for level in (0.0, 0.1):
        found = functionals(wave(white(count, level)), feature_set)
        assert found.shape == (FEATURE_COUNTS[feature_set],)
        assert np.isfinite(found).all()


def test_the_extractor_is_cached(opensmile: None) -> None:
    assert _extractor("is09") is _extractor("is09")


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="known: is09, is10"):
        functionals(wave(white(100)), "is11")  # type: ignore[arg-type]


def test_without_opensmile_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    _extractor.cache_clear()
    with pytest.raises(MissingDependencyError, match="--extra opensmile"):
        functionals(wave(white(100)), "is09")
    _extractor.cache_clear()
