"""Sounds made by rule for the tests of facevoice.speech."""

import os
from pathlib import Path

import numpy as np
import pytest

from facevoice.types import Float32Array, Waveform

RATE_HZ = 16000


def wave(samples: Float32Array, start_seconds: float = 0.0) -> Waveform:
    return Waveform(np.asarray(samples, np.float32), RATE_HZ, start_seconds)


def white(count: int, level: float = 0.1, seed: int = 0) -> Float32Array:
    noise = level * np.random.default_rng(seed).standard_normal(count)
    return noise.astype(np.float32)


def tone(seconds: float, hz: float, level: float = 0.3) -> Float32Array:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def chirp(seconds: float, low_hz: float, high_hz: float) -> Float32Array:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sweep = low_hz * time + (high_hz - low_hz) * time**2 / (2 * seconds)
    return (0.3 * np.sin(2 * np.pi * sweep)).astype(np.float32)


def voiced(seconds: float) -> Float32Array:
    """Four vowels a second: harmonics of a gliding pitch under three formants. Silero hears it."""
    count = round(seconds * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    pitch = 130 * (1 + 0.15 * np.sin(2 * np.pi * 1.3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    formants = np.array([(730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480)])
    vowel = (time * 4).astype(int) % 4
    sound = np.zeros(count)
    for harmonic in range(1, 30):
        gain = np.zeros(count)
        for index, width in enumerate((80, 100, 150)):
            distance = (harmonic * pitch - formants[vowel, index]) / width
            gain += 1 / (1 + distance**2) / (1 + index)
        sound += gain * np.sin(harmonic * phase) / harmonic**0.5
    sound *= 0.15 + 0.85 * np.sin(np.pi * ((time * 4) % 1)) ** 0.7
    scaled: Float32Array = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return scaled


def sentence() -> Float32Array:
    """0.75 s of quiet, 1 s of voice, 0.5 s, 0.75 s of voice, 0.5 s: over a faint hiss."""
    sound = white(56000, 3e-4)
    sound[12000:28000] += voiced(1.0)
    sound[36000:48000] += voiced(0.75)
    return sound


def data_path(*parts: str) -> Path:
    """A file or folder of the real data, or skip."""
    root = os.environ.get("FACEVOICE_DATA")
    if not root:
        pytest.skip("FACEVOICE_DATA does not name the folder of real data")
    path = Path(root).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path
