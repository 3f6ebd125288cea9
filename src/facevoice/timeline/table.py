"""What a timeline is: frozen, checked tables of who shows what, when. numpy only.

Times are the container's presentation time in seconds; every interval is half-open. What could
not be measured is None, or NaN in arrays.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import LabelMismatchError
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.person import Personal, Reason
from facevoice.types import (
    MISSING_CODES,
    MODALITIES,
    UNDAMAGED,
    AudioTracks,
    Damage,
    Float32Array,
    Float64Array,
    MissingCode,
    Modality,
    PictureSize,
    Scores,
    UInt8Array,
)
from facevoice.types.checks import freeze_array, frozen_array, require, set_field
from facevoice.types.values import Value

Box = tuple[float, float, float, float]

Speaker = Literal["this", "other", "unknown", "nobody"]
SPEAKERS: Final[tuple[Speaker, ...]] = get_args(Speaker)

PersonalMode = Literal["whole", "causal"]

RowMissingCode = MissingCode | Literal["other_speaker", "unknown_speaker", "no_branch"]
ROW_MISSING_CODES: Final = (*MISSING_CODES, "other_speaker", "unknown_speaker", "no_branch")
"""Why a row lacks a modality. The last three: the speech is another person's; no one in view was
found to speak; the bundle has no branch that reads this modality."""

_SUM_TOLERANCE: Final = 1e-6
_Timed = TypeVar("_Timed", "Timeline", "Row", "Person", "Segment", "FrameTable")


@dataclass(frozen=True, slots=True, eq=False)
class Row(Value):
    """One person in one window.

    A row whose person is None holds a window in which no one is seen, or speech that was
    attributed to no one in view: no speech is lost, and none is assigned to a face without
    evidence.

    start_seconds, stop_seconds: the window.
    person: who, as in ``Timeline.people``.
    seen_seconds: how long the face was seen in the window; 0 without a person.
    speech_seconds: how long anyone spoke in the window.
    speaking_seconds: how much of that is attributed to this row: all of it if speaker is "this",
        and in a row without a person if it was attributed to no one in view; else 0.
    speaker: whose speech the window holds, seen from this row: "this" person's, an "other" seen
        person's, "unknown" (no one in view was found to speak) or "nobody" (there is no speech).
    speaker_confidence: how certain that is, 0 to 1: of "unknown", that no one in view speaks; NaN
        without speech.
    scores: face and voice fused, calibrated; None if neither is there.
    face, voice: each modality alone, calibrated; None where ``missing`` says why. The voice is this
        person's own; that of others is in their rows.
    missing: why a modality is absent; it has an entry exactly if its scores are None.
    abstained: whether the highest score is below the bundle's threshold, as in ``Prediction``.
    people: how many people were seen in the window.
    box: (4,) median box in pixels of the upright picture (left, top, right, bottom); None unseen.
    picture_size: width and height in pixels of the picture that the box refers to: of the last
        one in the window that shows this face, if they differ. None unseen, or if unknown.
    quality: the detector's median confidence, 0 to 1; NaN unseen.
    personal: the fused scores read against the person's own baseline, with parts; ``scores`` stay
        as they are without one. None if that was not asked for, or for a ``personal_reason``.
    personal_reason: why there is no personal answer although it was asked for, a word of
        ``facevoice.person.REASONS``: a row without a person has "no_baseline", unless there are no
        pictures at all and the one who speaks was enrolled.
    """

    start_seconds: float
    stop_seconds: float
    person: int | None
    seen_seconds: float
    speech_seconds: float
    speaking_seconds: float
    speaker: Speaker
    speaker_confidence: float
    scores: Scores | None
    face: Scores | None
    voice: Scores | None
    missing: Mapping[Modality, RowMissingCode] = field(default_factory=dict)
    abstained: bool = False
    people: int = 0
    box: Box | None = None
    picture_size: PictureSize | None = None
    quality: float = math.nan
    personal: Personal | None = None
    personal_reason: Reason | None = None

    def __post_init__(self) -> None:
        _require_span("Row", self.start_seconds, self.stop_seconds)
        absent = {name for name in MODALITIES if getattr(self, name) is None}
        require(
            absent == set(self.missing),
            f"Row.missing must name a reason for {sorted(absent)}, which are None, and no other",
        )
        unknown = set(self.missing.values()) - set(ROW_MISSING_CODES)
        known = ", ".join(ROW_MISSING_CODES)
        require(not unknown, f"unknown missing codes {sorted(unknown)}; known: {known}")
        nothing = len(absent) == len(MODALITIES)
        require((self.scores is None) == nothing, "Row.scores must be None exactly if all are")
        require(self.speaker in SPEAKERS, f"Row.speaker must be one of {SPEAKERS}")
        require(
            (self.speaker == "nobody") == math.isnan(self.speaker_confidence),
            "Row.speaker_confidence must be NaN exactly if nobody speaks",
        )
        lone = self.personal is None or (self.scores is not None and self.personal_reason is None)
        require(lone, "Row.personal goes with scores and without a reason why it is absent")
        set_field(self, "missing", MappingProxyType(dict(self.missing)))

    @property
    def emotion(self) -> str | None:
        """The label with the highest fused score, None without scores."""
        return None if self.scores is None else self.scores.emotion

    @property
    def confidence(self) -> float:
        """The highest fused score; NaN without scores."""
        return math.nan if self.scores is None else self.scores.confidence

    @property
    def sound_alone(self) -> bool:
        """Whether the file or source has no pictures at all."""
        return self.missing.get("face") == "no_video_stream"


@dataclass(frozen=True, slots=True, eq=False)
class Person(Value):
    """One person over the whole timeline.

    id: counts from 0 in the order of first sight.
    first_seen_seconds, last_seen_seconds: where the first sight begins and the last one ends; a
        sight lasts until the next sampled instant, or until a cut.
    seconds_seen: how long the face was seen.
    seconds_speaking: speech attributed to this person; an instant that several windows hold
        counts once.
    shares: share of the scored time by emotion, sum 1; empty if no window could be scored.
    portrait: (96, 96, 3) uint8 RGB, the aligned face at the instant where it is largest, surest
        and most frontal, for pages; None if no picture was kept, or read back from a table.
    personal_shares: as ``shares``, of the time that has personal answers, and by them.
    """

    id: int
    first_seen_seconds: float
    last_seen_seconds: float
    seconds_seen: float
    seconds_speaking: float
    shares: Mapping[str, float]
    portrait: UInt8Array | None = field(default=None, repr=False, compare=False)
    personal_shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_span(f"Person {self.id}", self.first_seen_seconds, self.last_seen_seconds)
        for name in ("shares", "personal_shares"):
            shares = getattr(self, name)
            total = math.fsum(shares.values())
            whole = not shares or abs(total - 1) <= _SUM_TOLERANCE
            require(whole, f"Person.{name} must sum to 1 or be empty, got {total}")
            object.__setattr__(self, name, MappingProxyType(dict(shares)))
        if self.portrait is not None:
            freeze_array(self, "portrait", (None, None, 3), "(H, W, 3) uint8", np.uint8)

    @property
    def emotion(self) -> str | None:
        """What this person showed most; None if nothing could be scored."""
        return _largest(self.shares)

    @property
    def personal_emotion(self) -> str | None:
        """The same by the personal answers; None if there are none."""
        return _largest(self.personal_shares)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch in which one person shows one emotion: windows merged with hysteresis.

    person: their id; None for a voice that belongs to no one in view.
    score: mean of the emotion's fused score, 0 to 1.
    undecided: the other label between which and the emotion the mean scores do not decide, see
        ``Scores``; None if they do.
    personal_emotion: the label with the highest mean personal score over the stretch; None without
        personal answers, and in ``Timeline.personal_segments``.
    """

    person: int | None
    start_seconds: float
    stop_seconds: float
    emotion: str
    score: float
    undecided: str | None = None
    personal_emotion: str | None = None

    def __post_init__(self) -> None:
        _require_span("Segment", self.start_seconds, self.stop_seconds)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FrameTable(Value):
    """Every face that was analysed: one row per sampled instant and person, by time, then person.

    times_seconds: (N,) float64. person: (N,) int64.
    boxes: (N, 4) float32, left, top, right, bottom in pixels of the upright picture.
    landmarks: (N, 5, 2) float32 pixels, in the order of ``Face.landmarks``.
    quality: (N,) float32, the detector's confidence.
    scores: (N, K) float64, the face's own scores; NaN where no branch scored this face.
    blendshapes: (N, 52) float32, 0 to 1, in the order of ``faces.blendshapes.BLENDSHAPES``; NaN
        where the picture of the face was not kept; None unless they were asked for.
    head_poses: (N, 3) float32 degrees, yaw, pitch and roll as in ``faces.head_pose.HeadPose``;
        likewise.
    picture_sizes: (N, 2) int64, width and height in pixels of the picture that the box and the
        landmarks refer to; 0 where they are unknown; None if all are.
    """

    times_seconds: Float64Array
    person: NDArray[np.int64]
    boxes: Float32Array
    landmarks: Float32Array
    quality: Float32Array
    scores: Float64Array
    blendshapes: Float32Array | None = None
    head_poses: Float32Array | None = None
    picture_sizes: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.times_seconds)
        require(
            (self.blendshapes is None) == (self.head_poses is None),
            "FrameTable needs both blendshapes and head_poses, or neither",
        )
        shapes: dict[str, tuple[int, ...]] = {
            "times_seconds": (count,),
            "person": (count,),
            "boxes": (count, 4),
            "landmarks": (count, 5, 2),
            "quality": (count,),
            "scores": (count, *self.scores.shape[1:2]),
        }
        if self.blendshapes is not None:
            shapes |= {"blendshapes": (count, len(BLENDSHAPES)), "head_poses": (count, 3)}
        if self.picture_sizes is not None:
            shapes["picture_sizes"] = (count, 2)
        for name, shape in shapes.items():
            array: NDArray[Any] = getattr(self, name)
            require(array.shape == shape, f"FrameTable.{name} must be {shape}, got {array.shape}")
            set_field(self, name, frozen_array(array))
        pairs = list(zip(self.times_seconds.tolist(), self.person.tolist(), strict=True))
        ordered = all(first < second for first, second in pairwise(pairs))
        require(ordered, "FrameTable must be sorted by time, then person, without repeats")

    def __len__(self) -> int:
        return len(self.times_seconds)

    def __repr__(self) -> str:
        return f"FrameTable({len(self)} faces of {len(np.unique(self.person))} people)"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Timeline(Value):
    """Who shows what, when, in one file.

    path: as it was given.
    duration_seconds: of the whole file as its container says; None if it does not.
    start_seconds, stop_seconds: the part that was analysed.
    window_seconds, hop_seconds: windows are [start + k * hop, start + k * hop + window), the last
        one cut at the stop.
    labels: what is scored.
    cuts: (C,) float64, the presentation time of the first picture after each cut, increasing.
    people: everyone with a row, by id.
    rows: by window, then person; the row without a person comes last in its window.
    segments: by person (None last), then time.
    frames: the faces behind the rows, if they were asked for.
    audio_tracks: the sound tracks of the file; None without any.
    damage: what was found damaged in the part that was analysed.
    speech_spans: (S, 2) float64, the stretches of anyone's speech, in order; None if unknown, as
        in a timeline of version 1.0.
    personal: how the rows were read against the people's own baselines: "whole", against all
        windows of the person; "causal", against the earlier ones; None if that was not asked for.
    personal_segments: as ``segments``, but by the personal scores; None if not asked for.
    """

    path: str
    duration_seconds: float | None
    start_seconds: float
    stop_seconds: float
    window_seconds: float
    hop_seconds: float
    labels: tuple[str, ...]
    bundle_name: str
    bundle_sha256: str
    cuts: Float64Array
    people: tuple[Person, ...]
    rows: tuple[Row, ...]
    segments: tuple[Segment, ...]
    frames: FrameTable | None = None
    audio_tracks: AudioTracks | None = None
    damage: Damage = UNDAMAGED
    speech_spans: Float64Array | None = None
    personal: PersonalMode | None = None
    personal_segments: tuple[Segment, ...] | None = None

    def __post_init__(self) -> None:
        _require_span("Timeline", self.start_seconds, self.stop_seconds)
        positive = self.window_seconds >= self.hop_seconds > 0
        require(positive, "Timeline needs 0 < hop <= window seconds: otherwise instants are lost")
        increasing = self.cuts.ndim == 1 and bool(np.all(np.diff(self.cuts) > 0))
        require(increasing, "Timeline.cuts must be (C,) and increase")
        ids = [person.id for person in self.people]
        require(ids == sorted(set(ids)), f"Timeline.people must be by id, each once: {ids}")
        named = {row.person for row in self.rows if row.person is not None}
        require(named == set(ids), f"Timeline.people {ids} must be those of the rows {named}")
        keys = [(row.start_seconds, _last_if_none(row.person)) for row in self.rows]
        require(keys == sorted(set(keys)), "Timeline.rows must be by window, then person, once")
        for row in self.rows:
            if row.scores is not None and row.scores.labels != self.labels:
                raise LabelMismatchError(
                    f"a row scores {row.scores.labels}, the timeline {self.labels}"
                )
        asked = self.personal is not None
        require(
            asked == (self.personal_segments is not None),
            "Timeline.personal_segments must be None exactly if personal is",
        )
        set_field(self, "cuts", frozen_array(self.cuts))
        if self.speech_spans is not None:
            freeze_array(self, "speech_spans", (None, 2), "(S, 2) float64", np.float64)

    def rows_of(self, person: int | None) -> tuple[Row, ...]:
        """One person's rows in the order of time; None: the rows without a person."""
        return tuple(row for row in self.rows if row.person == person)

    def shifted(self, seconds: float) -> "Timeline":
        """The same timeline on another clock: ``seconds`` are added to all times."""

        def moved(item: _Timed, *names: str) -> _Timed:
            return replace(item, **{name: getattr(item, name) + seconds for name in names})

        span = ("start_seconds", "stop_seconds")
        seen = ("first_seen_seconds", "last_seen_seconds")
        return replace(
            moved(self, *span, "cuts"),
            people=tuple(moved(person, *seen) for person in self.people),
            rows=tuple(moved(row, *span) for row in self.rows),
            segments=tuple(moved(segment, *span) for segment in self.segments),
            personal_segments=None
            if self.personal_segments is None
            else tuple(moved(segment, *span) for segment in self.personal_segments),
            frames=None if self.frames is None else moved(self.frames, "times_seconds"),
            speech_spans=None if self.speech_spans is None else self.speech_spans + seconds,
        )

    def __repr__(self) -> str:
        return (
            f"Timeline({self.path}: {self.start_seconds:.3f}-{self.stop_seconds:.3f} s,"
            f" {len(self.people)} people, {len(self.rows)} rows, {len(self.segments)} segments,"
            f" {len(self.cuts)} cuts)"
        )


def _largest(shares: Mapping[str, float]) -> str | None:
    return max(shares, key=lambda label: shares[label], default=None)


def _last_if_none(person: int | None) -> float:
    return math.inf if person is None else person


def _require_span(noun: str, start: float, stop: float) -> None:
    sound = math.isfinite(start) and math.isfinite(stop) and stop >= start
    require(sound, f"{noun} must span finite seconds in order, got {start} to {stop}")
