"""Speech and a face from the sample clip: what converted networks are compared on."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from facevoice.media import iter_frames, read_waveform
from facevoice.types import Float32Array

SAMPLE: Final = Path(__file__).parents[1] / "src" / "facevoice" / "samples" / "sample.mp4"


def sample_speech() -> Float32Array:
    """(N,) float32: up to 4 s at 16 kHz."""
    sound = read_waveform(SAMPLE, rate_hz=16000)
    if sound is None:
        raise SystemExit(f"{SAMPLE} has no sound")
    return sound.samples[:64000]


def example_pictures(side: int, channels: int) -> Float32Array:
    """(2, side, side, channels) in [0, 1]: the middle of the sample clip's picture, and noise."""
    frame = next(iter(iter_frames(SAMPLE))).image
    picture = Image.fromarray(frame)
    reach = min(picture.size) // 2
    middle = picture.width // 2
    picture = picture.crop((middle - reach, 0, middle + reach, 2 * reach)).resize((side, side))
    if channels == 1:
        picture = picture.convert("L")
    real = np.asarray(picture, np.float32).reshape(side, side, channels) / 255
    noise = np.random.default_rng(0).uniform(0, 1, real.shape).astype(np.float32)
    return np.stack([real, noise])
