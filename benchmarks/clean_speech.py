"""How long speech takes to clean, find and draw, beside noisereduce and silero-vad, in one run.

noisereduce pads a clip with 1.9 s of zeros on both sides, which is part of what it costs.
Rounds are interleaved, so that a busy machine slows all alike; the least of the rounds counts.
Run: ``python benchmarks/clean_speech.py [--seconds 3] [--rounds 15] [file]``.
"""
# ruff: noqa: E402 - the thread counts must be set before numpy loads

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import noisereduce
import numpy as np
import silero_vad
import torch

from facevoice.media import read_waveform
from facevoice.speech import (
    SPEECH_RATE_HZ,
    SileroVoice,
    SpectrogramSettings,
    remove_noise,
    spectrogram_images,
)
from facevoice.speech.denoise import DenoiseSettings
from facevoice.types import Waveform

SAME = DenoiseSettings(most_deviation_db=1000, smooth_hz=500, smooth_seconds=0.05)


def hum(seconds: float) -> Waveform:
    """Pulses that come and go over hiss."""
    count = round(seconds * SPEECH_RATE_HZ)
    time_axis = np.arange(count) / SPEECH_RATE_HZ
    pulses = sum(np.sin(2 * np.pi * 130 * k * time_axis) / k for k in range(1, 30))
    loudness = np.maximum(0, np.sin(2 * np.pi * time_axis))
    hiss = 0.005 * np.random.default_rng(0).standard_normal(count)
    return Waveform((0.1 * pulses * loudness + hiss).astype(np.float32), SPEECH_RATE_HZ)


def least_ms(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of each call, the least of the rounds; the calls take turns."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            least[name] = min(least[name], 1e3 * (time.perf_counter() - start))
    return least


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    sound = hum(chosen.seconds)
    if chosen.file:
        read = read_waveform(chosen.file, rate_hz=SPEECH_RATE_HZ, stop_seconds=chosen.seconds)
        sound = read or sound
    noise = Waveform(np.array(sound.samples[: SPEECH_RATE_HZ // 4]), SPEECH_RATE_HZ)
    detector, linear = SileroVoice(), SpectrogramSettings()
    mel = SpectrogramSettings(scale="mel", n_fft=1024, height=64, high_hz=8000.0, time="window")
    model, tensor = silero_vad.load_silero_vad(onnx=True), torch.from_numpy(sound.samples.copy())

    def theirs(**options: object) -> object:
        return noisereduce.reduce_noise(y=sound.samples, sr=SPEECH_RATE_HZ, n_fft=512, **options)

    calls: dict[str, Callable[[], object]] = {
        "remove_noise": lambda: remove_noise(sound),
        "remove_noise, noisereduce's parameters": lambda: remove_noise(
            sound, noise=noise, settings=SAME
        ),
        "noisereduce, the same parameters": lambda: theirs(
            stationary=True, y_noise=noise.samples, prop_decrease=0.9
        ),
        "noisereduce, its default mode": theirs,
        "SileroVoice": lambda: detector(sound),
        "silero-vad's get_speech_timestamps": lambda: silero_vad.get_speech_timestamps(
            tensor, model
        ),
        "spectrogram_images, linear 224": lambda: spectrogram_images(sound, linear),
        "spectrogram_images, mel 64": lambda: spectrogram_images(sound, mel),
    }
    least = least_ms(calls, chosen.rounds)
    print(f"{sound.duration_seconds:.2f} s of sound, one thread, least of {chosen.rounds} rounds")
    for name, value in least.items():
        print(f"{value:8.2f} ms  {name}")
    noise_ratio = (
        least["noisereduce, the same parameters"] / least["remove_noise, noisereduce's parameters"]
    )
    voice_ratio = least["silero-vad's get_speech_timestamps"] / least["SileroVoice"]
    print(f"remove_noise is {noise_ratio:.1f} times as fast as noisereduce")
    print(f"SileroVoice is {voice_ratio:.1f} times as fast as silero-vad")
    parts = ("SileroVoice", "remove_noise", "spectrogram_images, linear 224")
    total = sum(least[part] for part in parts)
    print(f"voice stream up to the network's picture: {total:.1f} ms")


if __name__ == "__main__":
    main()
