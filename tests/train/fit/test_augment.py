"""Changes that a label survives: bounded, seeded, and nothing at strength 0."""

import numpy as np
import pytest
import torch

from facevoice.train.fit.augment import change_speech, mask_spectrograms, shift_spectrograms
from facevoice.train.fit.samples import resized


def tone(seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(16000 * seconds)) / 16000
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def test_strength_0_changes_nothing() -> None:
    speech = tone()
    assert change_speech(speech, 0, np.random.default_rng(0)) is speech
    images = torch.rand(2, 1, 8, 9)
    generator = torch.Generator().manual_seed(0)
    assert shift_spectrograms(images, 0, generator) is images
    assert mask_spectrograms(images, 0, generator) is images


@pytest.mark.parametrize("seed", range(20))
def test_changed_speech_stays_speech(seed: int) -> None:
    speech = tone()
    changed = change_speech(speech, 1.0, np.random.default_rng(seed))
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert 0.6 * len(speech) < len(changed) < 1.2 * len(speech)
    again = change_speech(speech, 1.0, np.random.default_rng(seed))
    np.testing.assert_array_equal(changed, again)
    spectrum = np.abs(np.fft.rfft(changed))
    loudest = np.fft.rfftfreq(len(changed), 1 / 16000)[spectrum.argmax()]
    assert 440 / 1.2 < loudest < 440 * 1.2  # the tone, as much faster as the speech


def test_an_echo_and_a_line_do_change_it() -> None:
    speech = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    spectra = []
    for seed in range(30):
        changed = change_speech(speech, 1.0, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(changed)) ** 2
        hertz = np.fft.rfftfreq(len(changed), 1 / 16000)
        spectra.append(power[hertz > 7000].sum() / power.sum())
    assert min(spectra) < 0.02  # a line that cuts the highs
    assert max(spectra) > 0.1


def test_shifted_spectrograms_move_as_a_whole() -> None:
    images = torch.zeros(16, 1, 64, 128)
    images[:, :, 30, 60] = 1
    shifted = shift_spectrograms(images, 1.0, torch.Generator().manual_seed(0))
    places = [tuple(np.argwhere(each[0].numpy())[0]) for each in shifted]
    assert all(abs(row - 30) <= 2 and abs(column - 60) <= 13 for row, column in places)
    assert len(set(places)) > 8
    full = shift_spectrograms(torch.ones(16, 1, 8, 40), 1.0, torch.Generator().manual_seed(0))
    assert set(np.unique(full.numpy())) == {0.0, 1.0}  # what moves in is silence


def test_pictures_shrink_without_aliasing() -> None:
    stripes = torch.arange(48).remainder(2).float().repeat(48, 1)[None, None]
    shrunk = resized(stripes, 24)
    assert shrunk.shape == (1, 1, 24, 24)
    assert float((shrunk - 0.5).abs().max()) < 0.1
    assert resized(stripes, 48) is stripes
