"""Our own utterance-level features: correct pitch, no effect of gain, names, finite values."""

import numpy as np
import pytest

from facevoice.speech.functionals import FEATURE_COUNTS, functional_names, functionals
from facevoice.speech.prosody import FEATURES, prosody, prosody_names
from facevoice.types import Waveform

NAMES = prosody_names()


def tone(hertz: float, seconds: float = 1.0, harmonics: int = 8) -> np.ndarray:
    time = np.arange(int(16000 * seconds)) / 16000
    waves = [np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, harmonics + 1)]
    return (0.2 * np.sum(waves, axis=0)).astype(np.float32)


def value(samples: np.ndarray, name: str) -> float:
    return float(prosody(Waveform(samples.astype(np.float32), 16000))[NAMES.index(name)])


def test_every_feature_has_a_name() -> None:
    assert len(NAMES) == len(set(NAMES)) == FEATURES == FEATURE_COUNTS["prosody"]
    assert functional_names("prosody") == NAMES
    waveform = Waveform(tone(150), 16000)
    np.testing.assert_array_equal(functionals(waveform, "prosody"), prosody(waveform))


@pytest.mark.parametrize("hertz", [80, 110, 150, 220, 330, 450])
def test_the_pitch_is_found(hertz: float) -> None:
    found = 55 * 2 ** (value(tone(hertz), "pitch_q50") / 12)
    assert found == pytest.approx(hertz, rel=0.02)
    assert value(tone(hertz), "pitch_share") > 0.9
    assert value(tone(hertz), "periodicity_mean") > 0.9


def test_noise_has_no_pitch_and_a_glide_has_a_slope() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    assert value(noise, "pitch_share") < 0.2
    time = np.arange(32000) / 16000
    phase = 2 * np.pi * np.cumsum(120 * 2 ** (time / 2)) / 16000
    up = 0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase)
    assert value(up, "pitch_slope") == pytest.approx(6, abs=1)  # half of an octave's 12 semitones
    assert value(up[::-1], "pitch_slope") == pytest.approx(-6, abs=1)
    assert value(up, "rise") > -value(up, "fall")


def test_gain_and_surrounding_silence_have_no_effect() -> None:
    speech = tone(140) * np.hanning(16000).astype(np.float32)
    quiet = prosody(Waveform((speech * 0.01).astype(np.float32), 16000))
    np.testing.assert_allclose(prosody(Waveform(speech, 16000)), quiet, atol=0.02)
    pause = np.zeros(6400, np.float32)
    padded = np.concatenate([pause, speech, pause])
    assert value(padded, "seconds") == pytest.approx(value(speech, "seconds"), abs=0.12)


@pytest.mark.parametrize("count", [0, 1, 100, 319, 320, 640, 1024, 5000])
@pytest.mark.parametrize("level", [0.0, 1e-9, 0.5])
def test_short_and_silent_sounds_give_finite_features(count: int, level: float) -> None:
    noise = np.random.default_rng(count).normal(0, 1, count) * level
    found = prosody(Waveform(noise.astype(np.float32), 16000))
    assert found.shape == (FEATURES,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
