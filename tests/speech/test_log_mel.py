import numpy as np
import pytest

from facevoice.errors import InvalidInputError
from facevoice.speech.log_mel import log_mel
from facevoice.types import Waveform
from support.speech_sounds import RATE_HZ, tone, voiced, wave, white


def reference(samples: np.ndarray) -> np.ndarray:
    """Whisper's front end frame by frame in float64, with the mel scale as librosa documents it."""
    level = samples.astype(np.float64)
    level = (level - level.mean()) / np.sqrt(level.var() + 1e-7)
    padded = np.pad(level, 200, mode="reflect")
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)])
    power = np.stack(
        [
            np.abs(np.fft.rfft(padded[start : start + 400] * window)) ** 2
            for start in range(0, len(samples) // 160 * 160, 160)
        ],
        axis=1,
    )

    def hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    top = 15 + 27 * np.log(8) / np.log(6.4)
    corners = [hz(mel) for mel in np.linspace(0, top, 82)]
    bands = np.zeros((80, 201))
    for band in range(80):
        low, peak, high = corners[band : band + 3]
        for index in range(201):
            rise, fall = (index * 40 - low) / (peak - low), (high - index * 40) / (high - peak)
            bands[band, index] = max(0.0, min(rise, fall)) * 2 / (high - low)
    decades = np.log10(np.maximum(bands @ power, 1e-10))
    return (np.maximum(decades, decades.max() - 8) + 4) / 4


@pytest.mark.parametrize("count", [401, 16000, 23457])
def test_it_equals_whisper_s_front_end(count: int) -> None:
    samples = (white(count, 0.01) + voiced(count / RATE_HZ)[:count]).astype(np.float32)
    found = log_mel(Waveform(samples, RATE_HZ))
    assert found.dtype == np.float32
    assert found.shape == (80, count // 160)
    np.testing.assert_allclose(found, reference(samples), atol=2e-4)


def test_speech_lies_in_the_range_that_the_encoder_was_trained_on() -> None:
    found = log_mel(wave(voiced(2.0)))
    assert found.max() - found.min() <= 2 + 1e-6
    assert 0.5 < found.max() < 2.5


def test_the_gain_and_a_constant_offset_do_not_matter() -> None:
    samples = voiced(1.0) + white(RATE_HZ, 0.01)
    loud = log_mel(wave(samples.astype(np.float32)))
    quiet = log_mel(wave((samples * 0.01 + 0.02).astype(np.float32)))
    np.testing.assert_allclose(loud, quiet, atol=0.02)


def test_a_tone_stands_in_its_own_band() -> None:
    strongest = log_mel(wave(tone(1.0, 1000))).mean(axis=1).argmax()
    corners = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), 82)
    assert abs(corners[strongest + 1] - 15) < corners[1]  # 1 kHz is 15 mel


def test_sounds_too_short_for_a_column_give_none() -> None:
    assert log_mel(Waveform(np.zeros(0, np.float32), RATE_HZ)).shape == (80, 0)
    assert log_mel(Waveform(np.ones(159, np.float32), RATE_HZ)).shape == (80, 0)
    assert np.isfinite(log_mel(Waveform(np.zeros(161, np.float32), RATE_HZ))).all()


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="16000"):
        log_mel(Waveform(np.zeros(8000, np.float32), 8000))
