"""Real recordings: find_speech agrees with annotations made by ear."""

import csv
from pathlib import Path

import numpy as np
import pytest

from facevoice.media import read_waveform
from facevoice.speech import SPEECH_RATE_HZ, SileroVoice, find_speech, remove_noise
from facevoice.types import Waveform
from support.speech_sounds import data_path


@pytest.fixture(scope="module")
def silero() -> SileroVoice:
    return SileroVoice()


def sound_of(path: Path) -> Waveform | None:
    return read_waveform(path, rate_hz=SPEECH_RATE_HZ)


def test_speech_in_the_clips(silero: SileroVoice) -> None:
    table = data_path("clips", "expected.csv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = []
    for row in rows:
        speech = find_speech(sound_of(table.parent / row["file"]), silero)
        reasons = row["voice_reason"].split("|")
        heard = speech.missing is None
        agrees = {"yes": heard, "no": speech.missing in reasons, "either": True}[row["voice"]]
        if not agrees:
            wrong.append((row["file"], row["voice"], row["voice_reason"], speech))
    assert not wrong


def test_clean_recordings_are_preserved(silero: SileroVoice) -> None:
    """Studio speech keeps a speech-to-distortion ratio above 20 dB; half of it above 40 dB."""
    files = sorted(data_path("ravdess_speech").glob("*.flac"))[::97]
    ratios = []
    for path in files:
        sound = sound_of(path)
        assert sound is not None
        spans = np.rint(silero(sound) * SPEECH_RATE_HZ).astype(int)
        assert len(spans) > 0, path.name
        cleaned = remove_noise(sound).samples
        for start, stop in spans:
            speech, error = sound.samples[start:stop], (cleaned - sound.samples)[start:stop]
            ratios.append(10 * np.log10(np.square(speech).sum() / np.square(error).sum()))
    assert min(ratios) > 20
    assert np.median(ratios) > 40
