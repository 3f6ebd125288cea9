"""Speech as a picture: the paper's VGG-19 on the spectrogram (voice stream, step 2)."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from facevoice.branches.base import Context, Leaf, Node, softmax, tempered
from facevoice.session import Session
from facevoice.speech.spectrogram import SpectrogramSettings, spectrogram_images
from facevoice.types import Evidence, Modality, Scores


@dataclass(frozen=True, repr=False, eq=False)
class SpectrogramNet(Leaf):
    """A network looks at the spectrogram picture(s) of the speech; their softmax is averaged.

    session: (N, C, H, W) float32 -> logits (N, K); C is 1, or 3 for nets made for RGB.
    settings: every number of the picture.
    """

    modality: ClassVar[Modality | None] = "voice"
    session: Session
    settings: SpectrogramSettings
    channels: int = field(default=1, kw_only=True)

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "SpectrogramNet":
        """Read a node of kind ``spectrogram_net``."""
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            settings=SpectrogramSettings.from_dict(node["input"]),
            channels=int(node["channels"]),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech."""
        if evidence.speech is None:
            return None
        images = spectrogram_images(evidence.speech, self.settings)[:, None]
        (logits,) = self.session.run(np.repeat(images, self.channels, axis=1))
        self.check_outputs(logits.shape[1])
        return Scores(self.labels, tempered(softmax(logits).mean(axis=0), self.temperature))

    def __repr__(self) -> str:
        size = f"{self.settings.height}x{self.settings.width}"
        return f"SpectrogramNet({self.name}: {size} {self.settings.scale})"
