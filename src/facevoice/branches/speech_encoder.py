"""Early layers of speech encoders over an utterance, and the model that scores them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from facevoice.branches.base import Context, Leaf, Node
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.speech.encoders import Encoder, EncoderPart, encoder_features
from facevoice.types import Evidence, Modality, Scores
from facevoice.types.checks import set_field


@dataclass(frozen=True, repr=False, eq=False)
class SpeechEncoder(Leaf):
    """Frozen encoders read the speech; a model scores the pooled states of their layers.

    Overlapping windows are each read whole. Read second by second and pooled, the states differ: on
    RAVDESS, a head that learnt from whole utterances then gets 0.62 right instead of 0.73, and one
    that learnt from single seconds 0.70. Whisper's layers depend on the place in the window.

    session: features (1, D) float32 -> probabilities (1, K), its last output.
    encoders: their features stand one after another; see ``facevoice.speech.encoders``.
    """

    modality: ClassVar[Modality | None] = "voice"
    session: Session
    encoders: Sequence[Encoder]

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        set_field(self, "encoders", tuple(self.encoders))
        if not self.encoders:
            raise BundleError(f"branch {self.name!r}: it has no encoder")

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "SpeechEncoder":
        """Read a node of kind ``speech_encoder``."""
        parts = [EncoderPart.of_dict(item) for item in node["encoders"]]
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            encoders=[Encoder(part, context.session(part.file)) for part in parts],
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech."""
        if evidence.speech is None:
            return None
        features = encoder_features(self.encoders, evidence.speech)
        return self.of_probabilities(self.session.run(features[None])[-1])

    def __repr__(self) -> str:
        return f"SpeechEncoder({self.name}: {', '.join(each.part.file for each in self.encoders)})"
