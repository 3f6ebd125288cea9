"""Early layers of speech encoders over an utterance, and the model that scores them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np

from facevoice.branches.base import Context, Leaf, Node, tempered
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.speech.encoders import Encoder, EncoderPart, pooled
from facevoice.types import Evidence, Float32Array, Modality, Scores, Waveform
from facevoice.types.checks import set_field

CENTRED_MODEL: Final = "centred_model"
"""The key of a node that names the second model's file."""

CENTRED_TEMPERATURE: Final = "centred_temperature"
"""The key of a node that flattens the second model's scores."""


@dataclass(frozen=True, repr=False, eq=False)
class SpeechEncoder(Leaf):
    """Frozen encoders read the speech; a model scores the pooled states of their layers.

    session: features (1, D) float32 -> probabilities (1, K), its last output.
    encoders: their features stand one after another; see ``facevoice.speech.encoders``.
    in_pieces: overlapping windows read only what is new, since the model has learnt from speech in
        pieces as well as from whole utterances. A model that has not gets it wrong more often:
        the states depend on how much is read at once.
    centred: a second model of the same features, for scores that are read against a person's own
        mean; see ``facevoice.person``.
    centred_temperature: > 0; divides its logits, as ``temperature`` those of the first.
    """

    modality: ClassVar[Modality | None] = "voice"
    session: Session
    encoders: Sequence[Encoder]
    in_pieces: bool = field(default=False, kw_only=True)
    centred: Session | None = field(default=None, kw_only=True)
    centred_temperature: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        set_field(self, "encoders", tuple(self.encoders))
        if not self.encoders:
            raise BundleError(f"branch {self.name!r}: it has no encoder")
        if not (np.isfinite(self.centred_temperature) and self.centred_temperature > 0):
            raise BundleError(
                f"branch {self.name!r}: {CENTRED_TEMPERATURE} must be positive, got"
                f" {self.centred_temperature}"
            )

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "SpeechEncoder":
        """Read a node of kind ``speech_encoder``."""
        parts = [EncoderPart.of_dict(item) for item in node["encoders"]]
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            encoders=[Encoder(part, context.session(part.file)) for part in parts],
            in_pieces=node.get("in_pieces", False) is True,
            centred=context.session(node[CENTRED_MODEL]) if CENTRED_MODEL in node else None,
            centred_temperature=float(node.get(CENTRED_TEMPERATURE, 1.0)),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech."""
        return None if evidence.speech is None else self.of_heard(self.hear(evidence.speech, 0))

    def hear(self, speech: Waveform, first: int) -> Sequence[Float32Array]:
        """The states of each layer from a sample on; see PiecewiseBranch."""
        return [layer for encoder in self.encoders for layer in encoder.states(speech, first)]

    def of_heard(self, states: Sequence[Float32Array]) -> Scores:
        """The scores of the states of all pieces; see PiecewiseBranch."""
        features = pooled(states)[None]
        scores = self.of_probabilities(self.session.run(features)[-1])
        if self.centred is None:
            return scores
        second = self.centred.run(features)[-1]
        self.check_outputs(second.shape[1])
        calibrated = tempered(second[0].astype(np.float64), self.centred_temperature)
        return replace(scores, centred=calibrated)

    def __repr__(self) -> str:
        return f"SpeechEncoder({self.name}: {', '.join(each.part.file for each in self.encoders)})"
