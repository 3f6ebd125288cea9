"""The rows of one window: everyone who was seen in it, and the voice that is nobody's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevoice.bundle import Bundle
from facevoice.evidence.speaker import Verdict
from facevoice.speech.voice import Speech
from facevoice.timeline.scoring import Scorer
from facevoice.timeline.table import Box, Row, RowMissingCode, Speaker
from facevoice.types import Face, Float64Array, Modality, Scores


@dataclass(frozen=True, slots=True)
class Sight:
    """One face at one sampled instant.

    track: its track; ticket: under which its looks are kept; person: once it is named.
    scores: (K,) the face's own scores, NaN where no branch judges single faces; None if not asked.
    """

    time_seconds: float
    track: int
    face: Face
    ticket: int
    person: int | None = None
    scores: Float64Array | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Who was seen in a window: the sights of each person, in the order of time."""

    start_seconds: float
    stop_seconds: float
    sights: Mapping[int, Sequence[Sight]]
    sampling_hz: float
    has_video: bool


def rows_of(
    scorer: Scorer,
    bundle: Bundle,
    seen: Seen,
    speech: Speech,
    verdict: Verdict | None,
) -> tuple[Row, ...]:
    """By person; last a row without a person if nobody was seen, or if nobody spoke the speech.

    verdict: whose speech it is, by person; None without speech.
    """
    said = scorer.voice(speech.waveform, seen.start_seconds, seen.stop_seconds)
    whose: list[int | None] = [*sorted(seen.sights)]
    if not whose or (verdict is not None and verdict.person is None):
        whose.append(None)
    return tuple(_row(scorer, bundle, seen, person, said, speech, verdict) for person in whose)


def _row(
    scorer: Scorer,
    bundle: Bundle,
    seen: Seen,
    person: int | None,
    said: Mapping[int, Scores | None],
    speech: Speech,
    verdict: Verdict | None,
) -> Row:
    sights = [] if person is None else seen.sights[person]
    speaker = _speaker(person, verdict)
    # a row without a person holds the voice that nobody was found to speak
    own = said if speaker == "this" or (person is None and speaker == "unknown") else {}
    looked = scorer.face([sight.ticket for sight in sights])
    face, voice = scorer.blended(looked), scorer.blended(own)
    scores = scorer.blended({**looked, **own})
    missing: dict[Modality, RowMissingCode] = {}
    if face is None:
        missing["face"] = _why_no_face(sights, has_video=seen.has_video)
    if voice is None:
        missing["voice"] = _why_no_voice(speech, speaker, heard=bool(own))
    spoken = speech.waveform.duration_seconds if speech.waveform is not None else 0.0
    return Row(
        start_seconds=seen.start_seconds,
        stop_seconds=seen.stop_seconds,
        person=person,
        seen_seconds=len(sights) / seen.sampling_hz,
        speech_seconds=spoken,
        speaking_seconds=spoken if own else 0.0,
        speaker=speaker,
        speaker_confidence=math.nan if verdict is None else verdict.confidence,
        scores=scores,
        face=face,
        voice=voice,
        missing=missing,
        abstained=bundle.abstains(scores),
        people=len(seen.sights),
        box=_median_box(sights),
        quality=float(np.median([s.face.confidence for s in sights])) if sights else math.nan,
    )


def _speaker(person: int | None, verdict: Verdict | None) -> Speaker:
    if verdict is None:
        return "nobody"
    if verdict.person is None:
        return "unknown"
    return "this" if verdict.person == person else "other"


def _why_no_face(sights: Sequence[Sight], *, has_video: bool) -> RowMissingCode:
    if sights:
        return "no_branch"
    return "no_face" if has_video else "no_video_stream"


def _why_no_voice(speech: Speech, speaker: Speaker, *, heard: bool) -> RowMissingCode:
    if speech.missing is not None:
        return speech.missing
    if heard or speaker == "this":
        return "no_branch"
    return "other_speaker" if speaker == "other" else "unknown_speaker"


def _median_box(sights: Sequence[Sight]) -> Box | None:
    if not sights:
        return None
    left, top, right, bottom = np.median([sight.face.box for sight in sights], axis=0).tolist()
    return left, top, right, bottom
