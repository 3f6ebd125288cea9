import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facevoice.errors import InvalidInputError
from facevoice.speech import remove_noise
from facevoice.speech.denoise import DenoiseSettings
from facevoice.types import Float32Array, Waveform
from support.speech_sounds import RATE_HZ, chirp, sentence, tone, voiced, wave, white


def distortion_db(found: Float32Array, clean: Float32Array) -> float:
    """Speech-to-distortion ratio."""
    error = np.square(found - clean).sum()
    return float(10 * np.log10(np.square(clean).sum() / error))


@pytest.mark.parametrize("strength", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("n_fft", [512, 1024])
def test_equals_noisereduce(strength: float, n_fft: int) -> None:
    noisereduce = pytest.importorskip("noisereduce")
    noise = white(8192, 0.01, seed=1)
    noisy = sentence() + white(len(sentence()), 0.01, seed=2)
    wanted = noisereduce.reduce_noise(
        y=noisy.astype(np.float64),
        sr=RATE_HZ,
        stationary=True,
        y_noise=noise,
        prop_decrease=strength,
        n_fft=n_fft,
        padding=n_fft // 4 * 200,  # whole hops, so that its frames coincide with ours
    )
    chosen = DenoiseSettings(
        n_fft=n_fft,
        strength=strength,
        most_deviation_db=1000,
        smooth_hz=500,
        smooth_seconds=0.05,
        extend_edges=False,
    )
    found = remove_noise(wave(noisy), noise=wave(noise), settings=chosen)
    inner = slice(n_fft, -n_fft)  # it also counts frames before the first and after the last sample
    np.testing.assert_allclose(found.samples[inner], wanted[inner], atol=2e-5)
    np.testing.assert_allclose(found.samples, wanted, atol=1e-3)


def test_removes_steady_noise() -> None:
    noisy = sentence() + white(len(sentence()), 0.01, seed=3)
    cleaned = remove_noise(wave(noisy)).samples
    quiet = slice(2000, 10000)
    assert np.std(cleaned[quiet]) < 0.25 * np.std(noisy[quiet])
    speech = slice(12000, 28000)
    better = distortion_db(cleaned[speech], sentence()[speech])
    assert better > distortion_db(noisy[speech], sentence()[speech]) + 2


@pytest.mark.parametrize(
    ("clean", "least_db"),
    [(sentence(), 40), (chirp(2.0, 100, 7000), 30), (voiced(3.0), 10)],  # the last has no pause
)
def test_preserves_clean_sound(clean: Float32Array, least_db: float) -> None:
    found = remove_noise(wave(clean)).samples
    assert distortion_db(found, clean) > least_db


def test_preserves_clean_sound_better_than_noisereduce() -> None:
    noisereduce = pytest.importorskip("noisereduce")
    clean = sentence()
    theirs = noisereduce.reduce_noise(y=clean, sr=RATE_HZ, n_fft=512)
    assert distortion_db(remove_noise(wave(clean)).samples, clean) > 15 + distortion_db(
        theirs, clean
    )


def test_zero_strength_changes_nothing() -> None:
    sound = white(5000)
    found = remove_noise(wave(sound), settings=DenoiseSettings(strength=0)).samples
    np.testing.assert_allclose(found, sound, atol=1e-6)


def test_digital_silence_is_not_the_noise() -> None:
    """Half the clip is zeros, as in padded tracks: the noise is still found and removed."""
    noisy = sentence() + white(len(sentence()), 0.01)
    padded = np.concatenate([np.zeros(len(noisy), np.float32), noisy])
    cleaned = remove_noise(wave(padded)).samples
    assert np.std(cleaned[-6000:]) < 0.25 * np.std(padded[-6000:])
    assert np.abs(cleaned[: len(noisy) - 512]).max() < 1e-6


@settings(max_examples=30, deadline=None)
@given(
    count=st.one_of(st.integers(0, 2000), st.integers(0, 40000)),
    start=st.floats(-10, 1e4),
    level=st.sampled_from([0.0, 1e-9, 0.1, 1.0]),
)
def test_length_rate_and_start_are_kept(count: int, start: float, level: float) -> None:
    found = remove_noise(wave(white(count, level), start))
    assert len(found.samples) == count
    assert found.samples.dtype == np.float32
    assert found.start_seconds == start
    assert found.rate_hz == RATE_HZ


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(1e-3, 1e3))
def test_the_gain_is_kept(gain: float) -> None:
    noisy = sentence() + white(len(sentence()), 0.01)
    once = remove_noise(wave(noisy)).samples
    scaled = remove_noise(wave((noisy * np.float32(gain)).astype(np.float32))).samples
    error = np.abs(scaled / np.float32(gain) - once)
    assert np.mean(error) < 1e-4  # a bin at the threshold may change sides


def test_other_rates_work() -> None:
    sound = Waveform(white(44100), 44100)
    assert len(remove_noise(sound).samples) == 44100


def test_noise_of_another_rate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="rate"):
        remove_noise(wave(tone(1, 440)), noise=Waveform(white(1000), 8000))


@pytest.mark.parametrize("wrong", [{"n_fft": 510}, {"strength": 1.5}, {"quiet_fraction": -0.1}])
def test_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        DenoiseSettings(**wrong)  # type: ignore[arg-type]
