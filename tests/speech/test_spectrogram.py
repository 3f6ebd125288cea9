import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facevoice.errors import InvalidInputError
from facevoice.speech import (
    SpectrogramSettings,
    log_spectrogram,
    spectrogram_images,
    stft_magnitude,
)
from facevoice.speech.spectrogram import band_filters, hz_to_mel, resize_matrix
from facevoice.types import Waveform
from support.speech_sounds import RATE_HZ, chirp, tone, voiced, wave, white

LINEAR = SpectrogramSettings()
WINDOWS = replace(LINEAR, time="window")
MEL = SpectrogramSettings(scale="mel", n_fft=1024, height=64, high_hz=8000.0, time="window")
ALL = pytest.mark.parametrize("chosen", [LINEAR, WINDOWS, MEL, replace(MEL, time="stretch")])


@pytest.mark.parametrize(
    ("n_fft", "win_length", "hop"), [(512, 400, 160), (400, 400, 160), (1024, 512, 200)]
)
def test_stft_equals_torch(n_fft: int, win_length: int, hop: int) -> None:
    torch = pytest.importorskip("torch")
    samples = (white(20001) + tone(20001 / RATE_HZ, 440)).astype(np.float32)
    wanted = torch.stft(
        torch.from_numpy(samples),
        n_fft,
        hop,
        win_length,
        torch.hann_window(win_length),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    ).abs()
    found = stft_magnitude(samples, n_fft, win_length, hop)
    assert found.dtype == np.float32
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found, wanted.numpy(), atol=2e-5 * float(wanted.max()))


def test_stft_equals_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    samples = white(16000)
    _, _, wanted = signal.stft(
        samples, nperseg=400, noverlap=240, window="hann", boundary="even", padded=False
    )
    found = stft_magnitude(samples, 400, 400, 160)
    wanted = np.abs(wanted) * 200  # scipy divides by the sum of the window
    np.testing.assert_allclose(found, wanted[:, : found.shape[1]], atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 255, 257])
def test_stft_of_short_sounds(count: int) -> None:
    found = stft_magnitude(white(count), 512, 400, 160)
    assert found.shape == (257, 0 if count == 0 else 1 + count // 160)
    assert np.isfinite(found).all()


def test_a_tone_is_loudest_in_its_row() -> None:
    picture = log_spectrogram(wave(tone(1.0, 2000)), LINEAR)
    loudest = picture[:, 20:80].argmax(axis=0)
    assert (loudest == round(2000 / 31.25)).all()
    assert picture.max() == pytest.approx(1)


def test_a_chirp_rises() -> None:
    picture = log_spectrogram(wave(chirp(2.0, 200, 6800)), LINEAR)
    row = picture.argmax(axis=0)[5:-5].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] < 20
    assert row[-1] > 205


def test_decibels_below_the_loudest() -> None:
    loud, soft = tone(1.0, 1000, 0.5), tone(1.0, 1000, 0.05)
    picture = log_spectrogram(wave(np.concatenate([loud, soft])), LINEAR)
    row = picture[32]
    assert (row[50] - row[150]) * LINEAR.range_db == pytest.approx(20, abs=0.01)


@ALL
@settings(max_examples=15, deadline=None)
@given(gain=st.floats(1e-6, 1e3), seed=st.integers(0, 5))
def test_gain_does_not_matter(chosen: SpectrogramSettings, gain: float, seed: int) -> None:
    samples = white(8000, 0.1, seed) + tone(0.5, 700)
    once = spectrogram_images(wave(samples), chosen)
    again = spectrogram_images(wave((samples * gain).astype(np.float32)), chosen)
    np.testing.assert_allclose(once, again, atol=2e-4)


@ALL
@settings(max_examples=25, deadline=None)
@given(count=st.one_of(st.integers(0, 700), st.integers(0, 90000)), level=st.sampled_from([0, 0.1]))
def test_pictures_have_the_right_shape_and_range(
    chosen: SpectrogramSettings, count: int, level: float
) -> None:
    images = spectrogram_images(wave(white(count, level)), chosen)
    assert images.dtype == np.float32
    assert images.shape[0] >= 1
    assert images.shape[1:] == (chosen.height, chosen.width)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.flags.c_contiguous
    if level == 0:
        assert images.max() == 0


def test_windows_tile_the_sound() -> None:
    sound = wave(voiced(6.0))
    picture = log_spectrogram(sound, WINDOWS)
    images = spectrogram_images(sound, WINDOWS)
    assert len(images) == math.ceil(picture.shape[1] / WINDOWS.width) == 3
    np.testing.assert_array_equal(images[1], picture[:, 224:448])
    np.testing.assert_array_equal(images[2], picture[:, -224:])


def test_a_short_sound_is_centred() -> None:
    sound = wave(white(160 * 99))
    picture = log_spectrogram(sound, WINDOWS)
    image = spectrogram_images(sound, WINDOWS)[0]
    np.testing.assert_array_equal(image[:, 62:162], picture)
    assert image[:, :62].max() == 0
    assert image[:, 162:].max() == 0


@pytest.mark.parametrize("columns", [3, 224, 500])
def test_stretching_equals_pillows_bilinear(columns: int) -> None:
    values = np.random.default_rng(0).random((1, columns), np.float32)
    wanted = np.asarray(Image.fromarray(values).resize((224, 1), Image.Resampling.BILINEAR))
    found = values @ resize_matrix(columns, 224).T
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_stretched_picture_is_resized_in_time() -> None:
    sound = wave(voiced(3.0))
    wanted = log_spectrogram(sound, LINEAR) @ resize_matrix(301, 224).T
    np.testing.assert_allclose(spectrogram_images(sound, LINEAR)[0], wanted, atol=1e-5)


def test_linear_bands_equal_bins_if_there_are_as_many() -> None:
    np.testing.assert_array_equal(band_filters(LINEAR), np.eye(224, 257, dtype=np.float32))


def test_htk_mel_values() -> None:
    # HTK Book, eq. 5.13: 2595 log10(1 + f / 700); 1000 Hz is 1000 mel by construction
    assert hz_to_mel(1000) == pytest.approx(999.9855, abs=1e-3)
    assert hz_to_mel(8000) == pytest.approx(2840.023, abs=1e-3)


def test_mel_filters_equal_the_definition() -> None:
    """Triangles in Hz with corners evenly spaced in mel."""
    chosen = replace(MEL, low_hz=60.0, high_hz=7600.0, height=40)
    low, high = hz_to_mel(60), hz_to_mel(7600)
    corners = [700 * (10 ** ((low + (high - low) * k / 41) / 2595) - 1) for k in range(42)]
    wanted = np.zeros((40, 513))
    for band in range(40):
        left, peak, right = corners[band : band + 3]
        for index in range(513):
            hz = index * 16000 / 1024
            if left < hz <= peak:
                wanted[band, index] = (hz - left) / (peak - left)
            elif peak < hz < right:
                wanted[band, index] = (right - hz) / (right - peak)
    np.testing.assert_allclose(band_filters(chosen), wanted, atol=1e-6)
    inner = band_filters(chosen).sum(axis=0)[10:440]
    np.testing.assert_allclose(inner, 1, atol=1e-5)  # neighbours share every bin between them


def test_too_many_mel_bands_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="raise n_fft"):
        band_filters(replace(MEL, n_fft=512, height=128))


def test_settings_survive_json() -> None:
    again = SpectrogramSettings.from_dict(json.loads(json.dumps(MEL.to_dict())))
    assert again == MEL


def test_unknown_and_missing_settings_are_refused() -> None:
    values = LINEAR.to_dict()
    with pytest.raises(InvalidInputError, match=r"unknown \['hopp'\].*known: .*hop"):
        SpectrogramSettings.from_dict({**values, "hopp": 1})
    values.pop("hop")
    with pytest.raises(InvalidInputError, match=r"missing \['hop'\]"):
        SpectrogramSettings.from_dict(values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop": 0},
        {"hop": 160.0},
        {"win_length": 513},
        {"scale": "bark"},
        {"time": "loop"},
        {"high_hz": 9000.0},
        {"low_hz": 7000.0},
        {"range_db": 0.0},
    ],
)
def test_wrong_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        SpectrogramSettings.from_dict({**LINEAR.to_dict(), **wrong})


def test_another_rate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="16000 Hz"):
        log_spectrogram(Waveform(white(100), 8000), LINEAR)
