"""Speech as a picture: the paper's VGG-19 on the spectrogram (voice stream, step 2)."""

import numpy as np

from facevoice.branches.base import check_classes, check_temperature, softmax, tempered
from facevoice.session import Session
from facevoice.speech.spectrogram import SpectrogramSettings, spectrogram_images
from facevoice.types import Evidence, Modality, Scores


class SpectrogramNet:
    """A network looks at the spectrogram picture(s) of the speech; their softmax is averaged.

    session: (N, C, H, W) float32 -> logits (N, K); C is 1, or 3 for nets made for RGB.
    settings: every number of the picture.
    """

    modality: Modality | None = "voice"

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...],
        session: Session,
        settings: SpectrogramSettings,
        *,
        channels: int = 1,
        temperature: float = 1.0,
    ) -> None:
        check_temperature(name, temperature)
        self.name = name
        self.labels = labels
        self.temperature = temperature
        self._session = session
        self._settings = settings
        self._channels = channels

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech."""
        if evidence.speech is None:
            return None
        images = spectrogram_images(evidence.speech, self._settings)[:, None]
        (logits,) = self._session.run(np.repeat(images, self._channels, axis=1))
        check_classes(self.name, logits.shape[1], self.labels)
        return Scores(self.labels, tempered(softmax(logits).mean(axis=0), self.temperature))

    def __repr__(self) -> str:
        size = f"{self._settings.height}x{self._settings.width}"
        return f"SpectrogramNet({self.name}: {size} {self._settings.scale})"
