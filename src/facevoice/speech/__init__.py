"""Finds and cleans speech; spectrograms and features of it. All sound is 16 kHz, mono, float32."""

from facevoice.speech.denoise import remove_noise
from facevoice.speech.spectrogram import (
    SpectrogramSettings,
    log_spectrogram,
    spectrogram_images,
    stft_magnitude,
)
from facevoice.speech.voice import (
    SPEECH_RATE_HZ,
    SileroVoice,
    Speech,
    VoiceDetector,
    VoiceRules,
    find_speech,
)

__all__ = [
    "SPEECH_RATE_HZ",
    "SileroVoice",
    "SpectrogramSettings",
    "Speech",
    "VoiceDetector",
    "VoiceRules",
    "find_speech",
    "log_spectrogram",
    "remove_noise",
    "spectrogram_images",
    "stft_magnitude",
]
