"""The nouns of facevoice: frozen, checked at birth, printing shapes instead of pixels.

Pictures are RGB, times are the container's presentation time in seconds, intervals are half-open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError, LabelMismatchError

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

EMOTIONS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The default label set, in the order of the paper's Fig. 2."""

ALIGNED_SIZE: Final = 256
"""Side of an aligned face picture in pixels (the paper, face stream, step 1)."""

Modality = Literal["face", "voice"]
MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)

MissingCode = Literal[
    "no_video_stream", "no_face", "no_audio_stream", "silent", "no_speech", "too_short"
]
MISSING_CODES: Final[tuple[MissingCode, ...]] = get_args(MissingCode)

TIE_TOLERANCE: Final = 2.0**-39
"""Scores that differ by less (about 2e-12) are equal; the first label of equals wins."""

_SUM_TOLERANCE: Final = 1e-4
_EXACT_TOLERANCE: Final = 1e-9  # a sum that near to 1 is left alone, so that scores pass unchanged


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise InvalidInputError(message)


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} of shape {value.shape}, dtype {value.dtype}"
    return f"{value!r}"


def _frozen_array(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: a frozen dataclass must not have writable insides."""
    view = array.view()
    view.flags.writeable = False
    return view


def _set(instance: object, name: str, value: object) -> None:
    object.__setattr__(instance, name, value)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled item of a corpus.

    ``group`` names who must never stand on both sides of a split: a speaker, a film, a dialogue.
    """

    id: str
    path: Path
    label: str | None
    split: str
    group: str


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A decoded picture and when it is shown.

    image: (H, W, 3) uint8 RGB, upright (the container's rotation is applied).
    time_seconds: presentation time.
    """

    image: UInt8Array
    time_seconds: float

    def __post_init__(self) -> None:
        ok = self.image.ndim == 3 and self.image.shape[2] == 3 and self.image.dtype == np.uint8
        _require(ok, f"Frame.image must be (H, W, 3) uint8 RGB, got {_describe(self.image)}")
        _set(self, "image", _frozen_array(self.image))

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height} at {self.time_seconds:.3f} s)"


@dataclass(frozen=True, slots=True, repr=False)
class Waveform:
    """Mono sound.

    samples: (N,) float32, nominally in [-1, 1].
    rate_hz: samples per second.
    start_seconds: presentation time of the first sample.
    """

    samples: Float32Array
    rate_hz: int
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        ok = self.samples.ndim == 1 and self.samples.dtype == np.float32
        _require(ok, f"Waveform.samples must be (N,) float32, got {_describe(self.samples)}")
        _require(self.rate_hz > 0, f"Waveform.rate_hz must be positive, got {self.rate_hz}")
        finite = bool(np.isfinite(self.samples).all())
        _require(finite, "Waveform.samples hold NaN or infinity: replace them by zeros")
        _set(self, "samples", _frozen_array(self.samples))

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    @property
    def stop_seconds(self) -> float:
        """Presentation time just after the last sample."""
        return self.start_seconds + self.duration_seconds

    def __repr__(self) -> str:
        return (
            f"Waveform({self.duration_seconds:.3f} s at {self.rate_hz} Hz"
            f" from {self.start_seconds:.3f} s)"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Face:
    """One detected face.

    box: (4,) float32, left, top, right, bottom in pixels; may reach beyond the picture.
    landmarks: (5, 2) float32, x and y in pixels: left eye, right eye, nose, left and right mouth
        corner, where left is the viewer's left.
    confidence: 0 to 1.
    """

    box: Float32Array
    landmarks: Float32Array
    confidence: float

    def __post_init__(self) -> None:
        _require(self.box.shape == (4,), f"Face.box must be (4,), got {_describe(self.box)}")
        ok = self.landmarks.shape == (5, 2)
        _require(ok, f"Face.landmarks must be (5, 2), got {_describe(self.landmarks)}")
        ordered = bool(self.box[2] > self.box[0] and self.box[3] > self.box[1])
        _require(ordered, f"Face.box must be left, top, right, bottom, got {self.box.tolist()}")
        _set(self, "box", _frozen_array(np.asarray(self.box, np.float32)))
        _set(self, "landmarks", _frozen_array(np.asarray(self.landmarks, np.float32)))

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return f"Face(box=({box}), confidence={self.confidence:.3f})"


@dataclass(frozen=True, slots=True, repr=False)
class FaceTrack:
    """One person's aligned faces over time: the sampled instants at which the face was seen.

    images: (T, 256, 256, 3) uint8 RGB, aligned by five landmarks; T >= 1.
    times_seconds: (T,) float64, strictly increasing.
    boxes: (T, 4) float32, left, top, right, bottom in pixels of the upright picture.
    quality: (T,) float32, the detector's confidence, 0 to 1.
    track_id: which person, unique within one file.
    seconds: how long the face was seen (sampled instants times their spacing).
    """

    images: UInt8Array
    times_seconds: Float64Array
    boxes: Float32Array
    quality: Float32Array
    track_id: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        shape = self.images.shape
        ok = (
            self.images.dtype == np.uint8
            and self.images.ndim == 4
            and shape[0] >= 1
            and shape[1:] == (ALIGNED_SIZE, ALIGNED_SIZE, 3)
        )
        _require(
            ok,
            f"FaceTrack.images must be (T, {ALIGNED_SIZE}, {ALIGNED_SIZE}, 3) uint8 RGB with"
            f" T >= 1, got {_describe(self.images)}",
        )
        count = shape[0]
        for name, wanted in (
            ("times_seconds", (count,)),
            ("boxes", (count, 4)),
            ("quality", (count,)),
        ):
            array = getattr(self, name)
            _require(
                array.shape == wanted,
                f"FaceTrack.{name} must be {wanted} to match the images, got {_describe(array)}",
            )
        increasing = bool(np.all(np.diff(self.times_seconds) > 0))
        _require(increasing, "FaceTrack.times_seconds must increase strictly")
        for name in ("images", "times_seconds", "boxes", "quality"):
            _set(self, name, _frozen_array(getattr(self, name)))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def take(self, indices: NDArray[np.intp]) -> "FaceTrack":
        """The same person at chosen instants; indices: (M,), increasing."""
        return FaceTrack(
            images=self.images[indices],
            times_seconds=self.times_seconds[indices],
            boxes=self.boxes[indices],
            quality=self.quality[indices],
            track_id=self.track_id,
            seconds=self.seconds,
        )

    @classmethod
    def of_images(cls, images: UInt8Array) -> "FaceTrack":
        """A track from face pictures that are aligned already: (T, 256, 256, 3) uint8 RGB.

        Times are the indices; boxes span the picture; quality is 1.
        """
        count = images.shape[0]
        whole = np.array([0, 0, ALIGNED_SIZE, ALIGNED_SIZE], np.float32)
        return cls(
            images=images,
            times_seconds=np.arange(count, dtype=np.float64),
            boxes=np.tile(whole, (count, 1)),
            quality=np.ones(count, np.float32),
            seconds=float(count),
        )

    def __repr__(self) -> str:
        first, last = self.times_seconds[0], self.times_seconds[-1]
        return f"FaceTrack(#{self.track_id}, {len(self)} faces, {first:.3f}-{last:.3f} s)"


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """What one person shows and says in [start_seconds, stop_seconds): all that a branch may read.

    faces: the person's aligned faces, or None.
    speech: the speech alone (noise removed, what is not speech cut away), mono, or None.
    speech_spans: (S, 2) float64, start and stop of each stretch of speech, presentation time.
    missing: why a modality is absent, by its name; a modality is absent exactly if it stands here.
    people: the most faces seen at one time, each for half a second or more.
    """

    faces: FaceTrack | None
    speech: Waveform | None
    start_seconds: float
    stop_seconds: float
    speech_spans: Float64Array = field(default_factory=lambda: np.zeros((0, 2)))
    missing: Mapping[Modality, MissingCode] = field(default_factory=dict)
    people: int = 0

    def __post_init__(self) -> None:
        _require(
            self.stop_seconds >= self.start_seconds,
            f"Evidence must not end before it starts: {self.start_seconds}-{self.stop_seconds} s",
        )
        present: dict[Modality, object | None] = {"face": self.faces, "voice": self.speech}
        for modality, value in present.items():
            absent = modality in self.missing
            _require(
                (value is None) == absent,
                f"Evidence.missing must name a reason for {modality} exactly if it is None",
            )
        for code in self.missing.values():
            known = ", ".join(MISSING_CODES)
            _require(code in MISSING_CODES, f"unknown missing code {code!r}; known: {known}")
        spans = self.speech_spans
        ok = spans.ndim == 2 and spans.shape[1] == 2
        _require(ok, f"Evidence.speech_spans must be (S, 2) seconds, got {_describe(spans)}")
        _set(self, "speech_spans", _frozen_array(spans))
        _set(self, "missing", MappingProxyType(dict(self.missing)))

    @property
    def face_seconds(self) -> float:
        """How long the face was seen."""
        return self.faces.seconds if self.faces is not None else 0.0

    @property
    def speech_seconds(self) -> float:
        """How long speech lasted."""
        return self.speech.duration_seconds if self.speech is not None else 0.0

    def seconds(self, modality: Modality) -> float:
        """How much evidence of one modality there is, in seconds."""
        return self.face_seconds if modality == "face" else self.speech_seconds

    def __repr__(self) -> str:
        missing = "".join(f", no {name}: {code}" for name, code in self.missing.items())
        return (
            f"Evidence({self.start_seconds:.3f}-{self.stop_seconds:.3f} s, faces={self.faces!r},"
            f" speech={self.speech!r}{missing})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """A distribution over labels, with the scores that it was made of.

    labels: (K,) names, all different.
    values: (K,) float64, >= 0, sum 1.
    parts: the members' scores by branch name; empty for a leaf.
    """

    labels: tuple[str, ...]
    values: Float64Array
    parts: Mapping[str, "Scores"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        count = len(self.labels)
        _require(count > 0, "Scores need at least one label")
        _require(len(set(self.labels)) == count, f"Scores.labels repeat a name: {self.labels}")
        ok = values.shape == (count,)
        _require(ok, f"Scores.values must be ({count},) like the labels, got {_describe(values)}")
        sound = bool(np.isfinite(values).all() and (values >= 0).all())
        _require(sound, f"Scores.values must be finite and >= 0, got {values.tolist()}")
        total = float(values.sum())
        _require(abs(total - 1) <= _SUM_TOLERANCE, f"Scores.values must sum to 1, got {total:.6f}")
        for name, part in self.parts.items():
            if part.labels != self.labels:
                raise LabelMismatchError(
                    f"part {name!r} scores {part.labels} but the whole scores {self.labels}"
                )
        exact = values if abs(total - 1) <= _EXACT_TOLERANCE else values / total
        _set(self, "values", _frozen_array(exact))
        _set(self, "parts", MappingProxyType(dict(self.parts)))

    def __getitem__(self, label: str) -> float:
        try:
            return float(self.values[self.labels.index(label)])
        except ValueError:
            known = ", ".join(self.labels)
            raise KeyError(f"no label {label!r} among: {known}") from None

    @property
    def emotion(self) -> str:
        """The label with the highest score; the first of equals (see ``TIE_TOLERANCE``)."""
        return self.labels[int(np.argmax(self.values >= self.values.max() - TIE_TOLERANCE))]

    @property
    def confidence(self) -> float:
        """The highest score."""
        return float(self.values.max())

    def to_dict(self) -> dict[str, float]:
        """Scores by label."""
        return {label: float(value) for label, value in zip(self.labels, self.values, strict=True)}

    def __repr__(self) -> str:
        scores = ", ".join(f"{label} {self[label]:.2f}" for label in self.labels)
        parts = f", parts={list(self.parts)}" if self.parts else ""
        return f"Scores({self.emotion}: {scores}{parts})"
