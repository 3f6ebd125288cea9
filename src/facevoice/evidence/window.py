"""One window of evidence: who is seen and what is heard in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from facevoice.evidence.sights import Sight
from facevoice.evidence.speaker import Verdict
from facevoice.faces.detect import area_of
from facevoice.speech.voice import Speech
from facevoice.types import UNDAMAGED, Damage, Evidence, FaceTrack, MissingCode, Modality
from facevoice.types.values import Value

NO_SPEECH: Final = Speech(None, np.zeros((0, 2)), "no_speech")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EvidenceWindow(Value):
    """Who is seen and what is heard in [start_seconds, stop_seconds).

    faces: everyone who is seen for more than a sliver of the window, by the person's number, which
        is also the track's id.
    speech: of everyone who is heard. speaker: whose speech it is; None if there is no speech or
        if it was not to be attributed.
    people: the most people seen at one instant.
    sights: those of numbered people that no later window holds; each appears in one window only.
    cuts: presentation times of the new shots found since the previous window.
    faceless: why a person has no face here: the code of ``evidence(None)``.
    damage: what was found damaged since the previous window.
    """

    start_seconds: float
    stop_seconds: float
    faces: Mapping[int, FaceTrack]
    speech: Speech
    speaker: Verdict | None
    people: int
    sights: tuple[Sight, ...]
    cuts: tuple[float, ...]
    faceless: MissingCode = "no_face"
    damage: Damage = UNDAMAGED

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", MappingProxyType(dict(self.faces)))

    @property
    def main_person(self) -> int | None:
        """The person with the greatest sum of face size times confidence, the first among equals.

        The size is the square root of the box's area; the sum is over the sampled instants.
        """
        prominence = {person: _prominence(track) for person, track in self.faces.items()}
        return min(prominence, key=lambda person: (-prominence[person], person), default=None)

    def evidence(self, person: int | None, *, with_speech: bool = True) -> Evidence:
        """The face of one person (None: no face) and, with ``with_speech``, the speech."""
        track = None if person is None else self.faces[person]
        speech = self.speech if with_speech else NO_SPEECH
        missing: dict[Modality, MissingCode] = {}
        if track is None:
            missing["face"] = self.faceless
        if speech.missing is not None:
            missing["voice"] = speech.missing
        return Evidence(
            faces=track,
            speech=speech.waveform,
            start_seconds=self.start_seconds,
            stop_seconds=self.stop_seconds,
            speech_spans=speech.spans,
            missing=missing,
            people=self.people,
            damage=self.damage,
        )

    def __repr__(self) -> str:
        return (
            f"EvidenceWindow({self.start_seconds:.3f}-{self.stop_seconds:.3f} s,"
            f" {len(self.faces)} people, {self.speech!r})"
        )


def _prominence(track: FaceTrack) -> float:
    sides = (track.boxes[:, 2:] - track.boxes[:, :2]) / np.sqrt(area_of(track.picture))
    return float((track.quality * np.sqrt(sides.prod(axis=1))).sum())
