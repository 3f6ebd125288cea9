"""Predictions: scores, the evidence behind them and what was missing; their JSON record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.person import Personal, Reading, Reason
from facevoice.types import (
    UNDAMAGED,
    AudioTracks,
    Damage,
    Evidence,
    MissingCode,
    Modality,
    PictureSize,
    Scores,
)

SCHEMA_VERSION: Final = "1.1"
"""Version of the record that ``Prediction.to_dict`` returns: docs/prediction.schema.json."""

_READABLE: Final = ("1.0", SCHEMA_VERSION)


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """How much evidence a prediction rests on.

    face_frames: different pictures of the main person's face at the sampled instants; one that
        stands for long counts once.
    face_seconds, speech_seconds: how long the face was seen and speech lasted.
    people: the most people seen at one instant; a person is a face seen for half a second or more.
    box: (4,) median box of the main person in pixels (left, top, right, bottom), or None; in a
        long clip, that of the window in which the face was seen longest.
    picture_size: width and height in pixels of the picture that the box refers to: of the last one
        in the window that shows the face, if they differ. None without a box, or if unknown.
    """

    face_frames: int
    face_seconds: float
    speech_seconds: float
    people: int
    box: tuple[float, float, float, float] | None
    picture_size: PictureSize | None = None

    @classmethod
    def of(cls, evidence: Evidence) -> "EvidenceSummary":
        """Summarise the evidence of one window."""
        faces = evidence.faces
        return cls(
            face_frames=0 if faces is None else faces.different,
            face_seconds=evidence.face_seconds,
            speech_seconds=evidence.speech_seconds,
            people=evidence.people,
            box=None if faces is None else faces.median_box,
            picture_size=None if faces is None else faces.picture,
        )

    @classmethod
    def total(cls, windows: Sequence["EvidenceSummary"]) -> "EvidenceSummary":
        """Summarise windows that follow one another."""
        longest = max(windows, key=lambda window: (window.box is not None, window.face_seconds))
        return cls(
            face_frames=sum(window.face_frames for window in windows),
            face_seconds=math.fsum(window.face_seconds for window in windows),
            speech_seconds=math.fsum(window.speech_seconds for window in windows),
            people=max(window.people for window in windows),
            box=longest.box,
            picture_size=longest.picture_size,
        )

    def to_dict(self, *, exact: bool = False) -> dict[str, Any]:
        """Values for JSON; exact: do not round the numbers."""
        return {
            "face_frames": self.face_frames,
            "face_seconds": self.face_seconds if exact else round(self.face_seconds, 3),
            "speech_seconds": self.speech_seconds if exact else round(self.speech_seconds, 3),
            "people": self.people,
            "box": None
            if self.box is None
            else [value if exact else round(value, 1) for value in self.box],
            "picture_size": None if self.picture_size is None else list(self.picture_size),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "EvidenceSummary":
        """Read what ``to_dict`` returned."""
        size = record.get("picture_size")  # absent before version 1.1
        return cls(
            face_frames=int(record["face_frames"]),
            face_seconds=float(record["face_seconds"]),
            speech_seconds=float(record["speech_seconds"]),
            people=int(record["people"]),
            box=None if record["box"] is None else _box(*map(float, record["box"])),
            picture_size=None if size is None else (int(size[0]), int(size[1])),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """The scores of one input and what they rest on.

    path: as it was given; None for arrays.
    scores: over the bundle's labels, with parts by branch; None if nothing could be scored.
    missing: why a modality is absent, by "face" and "voice".
    duration_seconds: of the whole file, from its container; None if unknown, 0 for a picture.
    start_seconds, stop_seconds: the part that was predicted.
    windows: number of windows that were scored and averaged.
    audio_tracks: the sound tracks of the file; None without any.
    abstained: whether the highest score is below the bundle's threshold, so that the emotion is
        only a best guess. Always False for a bundle without a threshold.
    error: (kind, message) if the input could not be read; scores is then None.
    timings: wall-clock seconds by stage.
    damage: what was found damaged in the part that was predicted.
    personal: the input read against the person's own baseline; ``emotion`` and ``scores`` stay
        as they are without one. None if that was not asked for, or for a ``personal_reason``.
    personal_reason: why there is no personal answer although it was asked for, a word of
        ``facevoice.person.REASONS``.
    reading: what the input says of its person, which baselines are made of; None without scores,
        and in predictions that were read from a rounded record.
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
    audio_tracks: AudioTracks | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    damage: Damage = UNDAMAGED
    personal: Personal | None = None
    personal_reason: Reason | None = None
    reading: Reading | None = None

    @property
    def emotion(self) -> str | None:
        """The label with the highest score, None without scores."""
        return None if self.scores is None else self.scores.emotion

    @property
    def confidence(self) -> float | None:
        """The highest score, None without scores."""
        return None if self.scores is None else self.scores.confidence

    @classmethod
    def failed(
        cls, path: str | None, bundle_name: str, bundle_sha256: str, error: tuple[str, str]
    ) -> "Prediction":
        """Record an input that could not be read; error: its kind and message."""
        return cls(
            path=path,
            bundle_name=bundle_name,
            bundle_sha256=bundle_sha256,
            scores=None,
            missing={},
            evidence=None,
            duration_seconds=None,
            start_seconds=None,
            stop_seconds=None,
            windows=0,
            error=error,
        )

    def to_dict(self, *, exact: bool = False) -> dict[str, Any]:
        """The record that ``--json`` prints; docs/prediction.schema.json describes it.

        exact: do not round the numbers and add ``reading``, so that ``from_dict`` loses nothing but
            the timings.
        """
        digits = None if exact else 6
        record = {
            "schema_version": SCHEMA_VERSION,
            "path": self.path,
            "bundle": {"name": self.bundle_name, "sha256": self.bundle_sha256},
            "emotion": self.emotion,
            "confidence": _rounded(self.confidence, digits),
            "abstained": self.abstained,
            "scores": None if self.scores is None else _by_label(self.scores, digits),
            "parts": {} if self.scores is None else _parts(self.scores, digits),
            "personal": None if self.personal is None else _personal(self.personal, digits),
            "personal_reason": self.personal_reason,
            "missing": dict(self.missing),
            "evidence": None if self.evidence is None else self.evidence.to_dict(exact=exact),
            "duration_seconds": _rounded(self.duration_seconds, digits),
            "start_seconds": _rounded(self.start_seconds, digits),
            "stop_seconds": _rounded(self.stop_seconds, digits),
            "windows": self.windows,
            "audio_tracks": None if self.audio_tracks is None else self.audio_tracks.to_dict(),
            "damage": self.damage.to_dict(),
            "error": None
            if self.error is None
            else {"kind": self.error[0], "message": self.error[1]},
        }
        if exact and self.reading is not None:
            record["reading"] = self.reading.to_dict()
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Prediction":
        """Read a record that ``to_dict`` returned; it holds no timings.

        The scores of a rounded record are normalised to sum to 1.

        Raises:
            InvalidInputError: it is not such a record, or has another version.
        """
        try:
            version = record["schema_version"]
            if version not in _READABLE:
                raise InvalidInputError(  # noqa: TRY301 - not one of the errors of reading below
                    f"the record has version {version!r}; this facevoice reads {_READABLE}"
                )
            scores, evidence, error = record["scores"], record["evidence"], record["error"]
            personal, reading = record.get("personal"), record.get("reading")
            return cls(
                path=record["path"],
                bundle_name=record["bundle"]["name"],
                bundle_sha256=record["bundle"]["sha256"],
                scores=None if scores is None else _scores(scores, record["parts"]),
                missing=dict(record["missing"]),
                evidence=None if evidence is None else EvidenceSummary.from_dict(evidence),
                duration_seconds=record["duration_seconds"],
                start_seconds=record["start_seconds"],
                stop_seconds=record["stop_seconds"],
                windows=int(record["windows"]),
                audio_tracks=AudioTracks.from_dict(record.get("audio_tracks")),
                abstained=bool(record["abstained"]),
                error=None if error is None else (error["kind"], error["message"]),
                damage=Damage.from_dict(record.get("damage", {})),
                personal=None if personal is None else _read_personal(personal),
                personal_reason=record.get("personal_reason"),
                reading=None if reading is None else Reading.from_dict(reading),
            )
        except InvalidInputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as failure:
            raise InvalidInputError(f"not a record of a prediction: {failure!r}") from failure

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Prediction({self.path}: error {self.error[0]}: {self.error[1]})"
        verdict = "nothing to score" if self.scores is None else f"{self.scores!r}"
        verdict = f"unsure: {verdict}" if self.abstained else verdict
        missing = "".join(f", no {name}: {code}" for name, code in self.missing.items())
        damage = f", {self.damage!r}" if self.damage else ""
        return f"Prediction({self.path}: {verdict}{missing}{damage})"


def _rounded(value: float | None, digits: int | None) -> float | None:
    return value if value is None or digits is None else round(value, digits)


def _by_label(scores: Scores, digits: int | None) -> dict[str, float | None]:
    return {label: _rounded(value, digits) for label, value in scores.to_dict().items()}


def _parts(scores: Scores, digits: int | None) -> dict[str, Any]:
    return {
        name: {"scores": _by_label(part, digits), "parts": _parts(part, digits)}
        for name, part in scores.parts.items()
    }


def _personal(personal: Personal, digits: int | None) -> dict[str, Any]:
    return {
        "emotion": personal.emotion,
        "confidence": _rounded(personal.confidence, digits),
        "scores": _by_label(personal.scores, digits),
        "parts": _parts(personal.scores, digits),
        "clips": personal.clips,
        "seconds": _rounded(personal.seconds, None if digits is None else 3),
    }


def _read_personal(record: Mapping[str, Any]) -> Personal:
    scores = _scores(record["scores"], record["parts"])
    return Personal(scores, int(record["clips"]), float(record["seconds"]))


def _scores(values: Mapping[str, float], parts: Mapping[str, Any]) -> Scores:
    return Scores(
        labels=tuple(values),
        values=np.array(list(values.values()), np.float64),
        parts={name: _scores(part["scores"], part["parts"]) for name, part in parts.items()},
    )


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return left, top, right, bottom
