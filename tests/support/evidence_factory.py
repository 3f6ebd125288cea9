"""Made-up evidence of any kind."""

from dataclasses import replace

import numpy as np

from facevoice.types import Evidence, FaceTrack, MissingCode, Modality, Waveform

RATE_HZ = 16000


def make_evidence(
    *, faces: int = 3, speech_seconds: float = 1.0, seed: int = 0, start_seconds: float = 0.0
) -> Evidence:
    """Evidence with so many random faces, a second apart, and so much noise as speech."""
    rng = np.random.default_rng(seed)
    missing: dict[Modality, MissingCode] = {}
    track = None
    if faces:
        images = rng.integers(0, 256, (faces, 256, 256, 3), np.uint8)
        quality = np.linspace(0.7, 1.0, faces, dtype=np.float32)
        track = replace(FaceTrack.of_images(images), quality=quality)
    else:
        missing["face"] = "no_face"
    speech = None
    if speech_seconds:
        count = int(speech_seconds * RATE_HZ)
        speech = Waveform(rng.normal(0, 0.1, count).astype(np.float32), RATE_HZ, start_seconds)
    else:
        missing["voice"] = "no_speech"
    stop = start_seconds + max(faces, speech_seconds)
    return Evidence(track, speech, start_seconds, stop, missing=missing, people=min(faces, 1))
