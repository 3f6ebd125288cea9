"""The high-pass takes out what nobody hears, and nothing else."""

import numpy as np
import pytest
from scipy import signal

from facevoice import load
from facevoice.speech.high_pass import EDGE_SECONDS, high_pass
from facevoice.types import Float32Array
from support.speech_sounds import RATE_HZ, data_path, tone, voiced, wave, white


def passed(samples: Float32Array) -> Float32Array:
    return high_pass(wave(samples)).samples


def level_db(samples: Float32Array) -> float:
    return float(20 * np.log10(np.abs(samples).max() + 1e-12))


@pytest.mark.parametrize("hertz", [80, 100, 300, 3000, 7900])
def test_what_is_heard_stays(hertz: float) -> None:
    sound = tone(1.0, hertz)
    middle = slice(2000, -2000)
    assert level_db((passed(sound) - sound)[middle]) < -60


@pytest.mark.parametrize("hertz", [0.5, 3, 10, 20])
def test_rumble_is_taken_out(hertz: float) -> None:
    rumble = np.cos(2 * np.pi * hertz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    found = passed(rumble)
    edge = round(EDGE_SECONDS * RATE_HZ) + 1
    assert level_db(found[edge:-edge]) < -70
    assert level_db(found) < -24, "at the very ends"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 670, 671, 1000, 6852, 6853, 48000])
def test_an_offset_vanishes_from_sound_of_any_length(count: int) -> None:
    sound = white(count)
    found, offset = passed(sound), passed(sound + np.float32(0.5))
    assert found.dtype == np.float32
    assert found.shape == (count,)
    np.testing.assert_allclose(found, offset, atol=1e-6)
    np.testing.assert_allclose(passed(np.full(count, 0.7, np.float32)), 0, atol=1e-6)


def test_agrees_with_scipy() -> None:
    """Also says that nothing is delayed."""
    sound = voiced(1.0) + np.float32(0.2) + tone(1.0, 12)
    reference = signal.firwin(1341, 50, window=("kaiser", 0.1102 * (80 - 8.7)), fs=RATE_HZ)
    wanted = sound - signal.oaconvolve(sound, reference, mode="same")
    middle = slice(1400, -1400)
    np.testing.assert_allclose(passed(sound)[middle], wanted[middle], atol=2e-5)


def test_pieces_differ_at_their_ends_alone() -> None:
    sound = white(32000)
    whole, part = passed(sound), passed(sound[8000:24000])
    np.testing.assert_allclose(whole[8700:23300], part[700:15300], atol=1e-6)


def test_keeps_start_and_rate() -> None:
    found = high_pass(wave(white(4000), 7.5))
    assert (found.start_seconds, found.rate_hz) == (7.5, RATE_HZ)


@pytest.mark.parametrize("name", ["dc_offset_10pct", "rumble_10hz"])
def test_recordings_get_the_verdict_of_their_clean_twins(name: str) -> None:
    clean = data_path("cases", f"{name.rpartition('_')[0]}_clean.flac")
    predict = load()
    found, wanted = (predict(path).scores for path in (clean.with_stem(name), clean))
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found.values, wanted.values, atol=0.01)
