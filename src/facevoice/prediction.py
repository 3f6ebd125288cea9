"""What a prediction is: scores, what they rest on, what was missing; and its record as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from facevoice.types import MissingCode, Modality, Scores

SCHEMA_VERSION: Final = "1.0"
"""Of the record that ``Prediction.to_dict`` gives: docs/prediction.schema.json."""


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """How much the prediction rests on.

    face_frames: sampled instants at which the main person's face was seen.
    people: the most faces seen at one time, each for half a second or more.
    box: (4,) median box of the main person in pixels (left, top, right, bottom), or None; of a
        long clip in the window where the face was seen longest.
    """

    face_frames: int
    face_seconds: float
    speech_seconds: float
    people: int
    box: tuple[float, float, float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "face_frames": self.face_frames,
            "face_seconds": round(self.face_seconds, 3),
            "speech_seconds": round(self.speech_seconds, 3),
            "people": self.people,
            "box": None if self.box is None else [round(value, 1) for value in self.box],
        }


@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """What one input shows and says.

    path: as it was given; None for arrays.
    scores: over the bundle's labels, with parts by branch; None if nothing could be scored.
    missing: why a modality is absent, by "face" and "voice".
    duration_seconds: of the whole file as its container says; None if it does not, 0 for a picture.
    start_seconds, stop_seconds: the part that was looked at.
    windows: how many pieces of evidence were scored and averaged.
    abstained: whether the highest score is below the bundle's threshold: the emotion is then no
        more than a best guess. Always False for a bundle without a threshold.
    error: (kind, message) if the input could not be read; then scores is None.
    timings: wall seconds spent by stage.
    """

    path: str | None
    bundle_name: str
    bundle_sha256: str
    scores: Scores | None
    missing: Mapping[Modality, MissingCode]
    evidence: EvidenceSummary | None
    duration_seconds: float | None
    start_seconds: float | None
    stop_seconds: float | None
    windows: int
    abstained: bool = False
    error: tuple[str, str] | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def emotion(self) -> str | None:
        """The label with the highest score, None without scores."""
        return None if self.scores is None else self.scores.emotion

    @property
    def confidence(self) -> float | None:
        """The highest score, None without scores."""
        return None if self.scores is None else self.scores.confidence

    def to_dict(self) -> dict[str, Any]:
        """The record that ``--json`` prints, as docs/prediction.schema.json describes it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "path": self.path,
            "bundle": {"name": self.bundle_name, "sha256": self.bundle_sha256},
            "emotion": self.emotion,
            "confidence": None if self.confidence is None else round(self.confidence, 6),
            "abstained": self.abstained,
            "scores": None if self.scores is None else _rounded(self.scores),
            "parts": {} if self.scores is None else _parts(self.scores),
            "missing": dict(self.missing),
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
            "duration_seconds": _seconds(self.duration_seconds),
            "start_seconds": _seconds(self.start_seconds),
            "stop_seconds": _seconds(self.stop_seconds),
            "windows": self.windows,
            "error": None
            if self.error is None
            else {"kind": self.error[0], "message": self.error[1]},
        }

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Prediction({self.path}: error {self.error[0]}: {self.error[1]})"
        verdict = "nothing to score" if self.scores is None else f"{self.scores!r}"
        verdict = f"unsure: {verdict}" if self.abstained else verdict
        missing = "".join(f", no {name}: {code}" for name, code in self.missing.items())
        return f"Prediction({self.path}: {verdict}{missing})"


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _rounded(scores: Scores) -> dict[str, float]:
    return {label: round(value, 6) for label, value in scores.to_dict().items()}


def _parts(scores: Scores) -> dict[str, Any]:
    return {
        name: {"scores": _rounded(part), "parts": _parts(part)}
        for name, part in scores.parts.items()
    }
