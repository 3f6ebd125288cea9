"""Everything that a branch may read about one person, or why it is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from facevoice.types.checks import Float64Array, freeze_array, require, set_field
from facevoice.types.damage import UNDAMAGED, Damage
from facevoice.types.faces import FaceTrack
from facevoice.types.media import Waveform
from facevoice.types.values import Value

Modality = Literal["face", "voice"]
MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)

MissingCode = Literal[
    "no_video_stream",
    "no_face",
    "too_little",
    "no_audio_stream",
    "silent",
    "no_speech",
    "too_short",
]
MISSING_CODES: Final[tuple[MissingCode, ...]] = get_args(MissingCode)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Evidence(Value):
    """Everything that a branch may read about one person in [start_seconds, stop_seconds).

    faces: the person's aligned faces, or None.
    speech: the person's speech only (noise removed, other sound cut out), mono, or None.
    speech_spans: (S, 2) float64, start and stop of each stretch of speech in presentation seconds.
    missing: why a modality is absent, by its name; lists exactly the absent modalities.
    people: the most faces visible at one time, each of them for half a second or more.
    damage: what was found damaged in the source since the evidence before this one.
    """

    faces: FaceTrack | None
    speech: Waveform | None
    start_seconds: float
    stop_seconds: float
    speech_spans: Float64Array = field(default_factory=lambda: np.zeros((0, 2)))
    missing: Mapping[Modality, MissingCode] = field(default_factory=dict)
    people: int = 0
    damage: Damage = UNDAMAGED

    def __post_init__(self) -> None:
        require(
            self.stop_seconds >= self.start_seconds,
            f"Evidence must not end before it starts: {self.start_seconds}-{self.stop_seconds} s",
        )
        present: dict[Modality, object | None] = {"face": self.faces, "voice": self.speech}
        for modality, value in present.items():
            require(
                (value is None) == (modality in self.missing),
                f"Evidence.missing must give a reason for {modality} exactly if it is None",
            )
        for code in self.missing.values():
            known = ", ".join(MISSING_CODES)
            require(code in MISSING_CODES, f"unknown missing code {code!r}; known: {known}")
        freeze_array(self, "speech_spans", (None, 2), "(S, 2) seconds")
        set_field(self, "missing", MappingProxyType(dict(self.missing)))

    @property
    def face_seconds(self) -> float:
        """How long the face was visible, in seconds."""
        return self.faces.seconds if self.faces is not None else 0.0

    @property
    def speech_seconds(self) -> float:
        """Duration of the speech in seconds."""
        return self.speech.duration_seconds if self.speech is not None else 0.0

    def weight(self, modality: Modality) -> float:
        """How much evidence for one modality there is: its seconds, a face's times its quality."""
        if modality == "voice" or self.faces is None:
            return self.speech_seconds if modality == "voice" else 0.0
        return self.face_seconds * float(self.faces.quality.mean())

    def __repr__(self) -> str:
        missing = "".join(f", no {name}: {code}" for name, code in self.missing.items())
        return (
            f"Evidence({self.start_seconds:.3f}-{self.stop_seconds:.3f} s, faces={self.faces!r},"
            f" speech={self.speech!r}{missing})"
        )
