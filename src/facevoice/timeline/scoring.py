"""Windows of evidence -> rows of scores; each face and each speech meets a network once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facevoice.branches import Blend, Branch, leaves
from facevoice.branches.base import PerFaceBranch
from facevoice.bundle import Bundle
from facevoice.evidence import EvidenceWindow, Sight, Verdict
from facevoice.speech.voice import Speech
from facevoice.timeline.table import Row, RowMissingCode, Speaker
from facevoice.types import (
    Evidence,
    Face,
    FaceTrack,
    Float64Array,
    Modality,
    Scores,
    UInt8Array,
)

LeafScore = Callable[[Branch], Scores | None]


@dataclass(frozen=True, slots=True)
class FaceSight:
    """One face of a named person at one sampled instant.

    scores: (K,) the face's own scores, NaN where no branch judges single faces; None if not asked.
    """

    time_seconds: float
    person: int
    face: Face
    scores: Float64Array | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One finished window.

    rows: by person, the row without a person last.
    sights: every sight of a named person that no later window will hold; each comes once.
    cuts: presentation times of new shots found since the window before.
    """

    start_seconds: float
    stop_seconds: float
    rows: tuple[Row, ...]
    sights: tuple[FaceSight, ...]
    cuts: tuple[float, ...]


def score_tree(branch: Branch, leaf_score: LeafScore) -> Scores | None:
    """The scores of a tree whose leaves are scored by ``leaf_score``, blended as it blends them."""
    if not isinstance(branch, Blend):
        return leaf_score(branch)
    return branch.combine(
        {member.name: score_tree(member, leaf_score) for member in branch.members}
    )


class WindowScorer:
    """Scores the windows of one film, in order.

    Windows overlap: what a ``PerFaceBranch`` saw in a face is kept until the face has left; other
    branches score every window afresh.

    frame_scores: give each sight the face's own scores.
    """

    def __init__(self, bundle: Bundle, *, frame_scores: bool = False) -> None:
        self._bundle, self._tree, self._frame_scores = bundle, bundle.tree, frame_scores
        self._looks: dict[tuple[int, int, float], Float64Array] = {}
        self._said: dict[tuple[int, int, int], Scores | None] = {}

    def __len__(self) -> int:
        """How many looks at faces are kept."""
        return len(self._looks)

    def window(self, seen: EvidenceWindow) -> Window:
        """The rows of the next window: one per person; last the voice that belongs to no one."""
        self._said = {}
        whose: list[int | None] = [*sorted(seen.faces)]
        if not whose or (seen.speaker is not None and seen.speaker.person is None):
            whose.append(None)
        rows = tuple(self._row(seen, person) for person in whose)
        sights = self._sights(seen.sights)
        for sight in seen.sights:
            for leaf in leaves(self._tree):
                self._looks.pop((id(leaf), sight.person or 0, sight.time_seconds), None)
        return Window(seen.start_seconds, seen.stop_seconds, rows, sights, seen.cuts)

    def score(self, evidence: Evidence) -> Scores | None:
        """The tree's scores of evidence: equal to ``tree.score(evidence)``."""
        return score_tree(self._tree, lambda leaf: self._leaf(leaf, evidence))

    def _leaf(self, leaf: Branch, evidence: Evidence) -> Scores | None:
        """One leaf's scores; what it reads has been scored before, or is scored now."""
        faces = None if leaf.modality == "voice" else evidence.faces
        speech = None if leaf.modality == "face" else evidence.speech
        if faces is None and speech is None:
            return None
        key = id(leaf), id(faces), id(speech)
        if key not in self._said:
            if isinstance(leaf, PerFaceBranch) and faces is not None:
                self._said[key] = leaf.of_looks(self._seen(leaf, faces))
            else:
                self._said[key] = leaf.score(evidence)
        return self._said[key]

    def _seen(self, leaf: PerFaceBranch, track: FaceTrack) -> Float64Array:
        """What a leaf says to the faces that it chooses of a track: (M, D)."""
        chosen = leaf.chosen(len(track))
        times = track.times_seconds[chosen].tolist()
        return self._looked(leaf, track.track_id, times, track.images[chosen])

    def _looked(
        self, leaf: PerFaceBranch, person: int, times: Sequence[float], images: UInt8Array
    ) -> Float64Array:
        """What a leaf says to faces (M, 256, 256, 3), (M, D); the new ones together."""
        keys = [(id(leaf), person, time) for time in times]
        new = [index for index, key in enumerate(keys) if key not in self._looks]
        if new:
            looks = leaf.look(images[new])
            self._looks.update(zip((keys[index] for index in new), looks, strict=True))
        return np.stack([self._looks[key] for key in keys])

    def _row(self, seen: EvidenceWindow, person: int | None) -> Row:
        speaker = _speaker(person, seen.speaker)
        # a row without a person holds the voice that nobody in view was found to speak
        own = speaker == "this" or (person is None and speaker == "unknown")
        track = None if person is None else seen.faces[person]
        whole = seen.evidence(person, with_speech=own)
        face = self.score(seen.evidence(person, with_speech=False))
        voice = self.score(seen.evidence(None)) if own else None
        spoken = seen.speech.waveform.duration_seconds if seen.speech.waveform is not None else 0.0
        scores = self.score(whole)
        missing: dict[Modality, RowMissingCode] = {}
        if face is None:
            missing["face"] = "no_branch" if track is not None else whole.missing["face"]
        if voice is None:
            missing["voice"] = _why_no_voice(seen.speech, speaker, heard=own)
        return Row(
            start_seconds=seen.start_seconds,
            stop_seconds=seen.stop_seconds,
            person=person,
            seen_seconds=whole.face_seconds,
            speech_seconds=spoken,
            speaking_seconds=spoken if own else 0.0,
            speaker=speaker,
            speaker_confidence=math.nan if seen.speaker is None else seen.speaker.confidence,
            scores=scores,
            face=face,
            voice=voice,
            missing=missing,
            abstained=self._bundle.abstains(scores),
            people=seen.people,
            box=None if track is None else track.median_box,
            quality=math.nan if track is None else float(np.median(track.quality)),
        )

    def _sights(self, leaving: Sequence[Sight]) -> tuple[FaceSight, ...]:
        scores: list[Float64Array | None] = [None] * len(leaving)
        if self._frame_scores:
            scores = [self._alone(sight) for sight in leaving]
        return tuple(
            FaceSight(sight.time_seconds, sight.person or 0, sight.face, each)
            for sight, each in zip(leaving, scores, strict=True)
        )

    def _alone(self, sight: Sight) -> Float64Array:
        """A face's own scores (K,), blended over the leaves that judge single faces."""

        def leaf_score(leaf: Branch) -> Scores | None:
            if sight.aligned is None or not isinstance(leaf, PerFaceBranch):
                return None
            images, times = sight.aligned[None], [sight.time_seconds]
            looks = self._looked(leaf, sight.person or 0, times, images)
            frames = leaf.frames_of_looks(looks)
            return None if frames is None else Scores(leaf.labels, frames[0])

        scores = score_tree(self._tree, leaf_score)
        return np.full(len(self._tree.labels), np.nan) if scores is None else scores.values


def _speaker(person: int | None, verdict: Verdict | None) -> Speaker:
    if verdict is None:
        return "nobody"
    if verdict.person is None:
        return "unknown"
    return "this" if verdict.person == person else "other"


def _why_no_voice(speech: Speech, speaker: Speaker, *, heard: bool) -> RowMissingCode:
    if speech.missing is not None:
        return speech.missing
    if heard or speaker == "this":
        return "no_branch"
    return "other_speaker" if speaker == "other" else "unknown_speaker"
