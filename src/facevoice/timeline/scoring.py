"""Score windows of evidence into rows; no network sees the same face or speech twice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevoice.branches import Branch, PerFaceBranch, PiecewiseBranch, leaves, score_tree
from facevoice.bundle import Bundle
from facevoice.evidence import EvidenceWindow, Sight, Verdict
from facevoice.faces.blendshapes import Expression, ExpressionReader
from facevoice.speech.voice import Speech
from facevoice.timeline.heard import HeardSpeech
from facevoice.timeline.personal import OwnBaselines
from facevoice.timeline.table import Row, RowMissingCode, Speaker
from facevoice.types import (
    Damage,
    Evidence,
    Face,
    Float64Array,
    Modality,
    Scores,
    UInt8Array,
)
from facevoice.types.spans import Span
from facevoice.types.values import Value


@dataclass(frozen=True, slots=True, eq=False)
class FaceSight(Value):
    """The face of a numbered person at one sampled instant.

    scores: (K,) of this face alone, NaN if no branch scores single faces; None if not requested.
    seconds: how long the sight stands for: until the next sampled instant or cut.
    expression: its blendshapes and the pose of its head in the picture; None if not requested.
    """

    time_seconds: float
    person: int
    face: Face
    scores: Float64Array | None = None
    seconds: float = 0.0
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One complete window.

    rows: by person; the row without a person is last.
    sights: those of numbered people that no later window holds; each appears in one window only.
    cuts: presentation times of the new shots found since the previous window.
    damage: what was found damaged since the previous window.
    speech_spans: the stretches of anyone's speech in the window.
    """

    start_seconds: float
    stop_seconds: float
    rows: tuple[Row, ...]
    sights: tuple[FaceSight, ...]
    cuts: tuple[float, ...]
    damage: Damage
    speech_spans: tuple[Span, ...]


class WindowScorer:
    """Scores the windows of one film, in order.

    Windows overlap: the looks of a ``PerFaceBranch`` at a face are kept until the face has left,
    and what a ``PiecewiseBranch`` has heard until no window holds it (see ``HeardSpeech``); other
    branches score every window afresh.

    frame_scores: score each sight's face by itself, too.
    expressions: reads each sight's blendshapes and pose; None: they are not asked for.
    own: what reads people against their own baselines; None: that is not asked for.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        frame_scores: bool = False,
        expressions: ExpressionReader | None = None,
        own: OwnBaselines | None = None,
    ) -> None:
        self._bundle, self._tree, self._frame_scores = bundle, bundle.tree, frame_scores
        self._expressions, self._own = expressions, own
        self._looks: dict[tuple[int, int, float], Float64Array] = {}
        self._leaf_scores: dict[tuple[int, int, int], Scores | None] = {}
        self._heard = {
            id(leaf): HeardSpeech(leaf)
            for leaf in leaves(self._tree)
            if isinstance(leaf, PiecewiseBranch) and leaf.in_pieces
        }

    def window(self, window: EvidenceWindow) -> Window:
        """Score the next window: one row per person, and one for a voice of no one in view."""
        self._leaf_scores = {}
        people: list[int | None] = [*sorted(window.faces)]
        if not people or (window.speaker is not None and window.speaker.person is None):
            people.append(None)
        rows = tuple(self._row(window, person) for person in people)
        sights = tuple(
            FaceSight(
                sight.time_seconds,
                sight.person or 0,
                sight.face,
                self._scores_alone(sight) if self._frame_scores else None,
                sight.seconds,
                self._expression(sight),
            )
            for sight in window.sights
        )
        for sight in window.sights:
            for leaf in leaves(self._tree):
                self._looks.pop((id(leaf), sight.person or 0, sight.time_seconds), None)
        return Window(
            window.start_seconds,
            window.stop_seconds,
            rows,
            sights,
            window.cuts,
            window.damage,
            tuple((start, stop) for start, stop in window.speech.spans.tolist()),
        )

    def score(self, evidence: Evidence) -> Scores | None:
        """Score evidence of this window; ``tree.score(evidence)``, but see ``HeardSpeech``."""
        return score_tree(self._tree, lambda leaf: self._leaf(leaf, evidence))

    def _leaf(self, leaf: Branch, evidence: Evidence) -> Scores | None:
        """Score one leaf, unless it has scored the same face and speech in this window already."""
        faces = None if leaf.modality == "voice" else evidence.faces
        speech = None if leaf.modality == "face" else evidence.speech
        if faces is None and speech is None:
            return None
        key = id(leaf), id(faces), id(speech)
        if key not in self._leaf_scores:
            if isinstance(leaf, PerFaceBranch) and faces is not None:
                chosen = leaf.chosen(len(faces))
                times = faces.times_seconds[chosen].tolist()
                looks = self._looks_at(leaf, faces.track_id, times, faces.images, chosen)
                self._leaf_scores[key] = leaf.of_looks(looks, faces.quality[chosen])
            elif id(leaf) in self._heard:
                self._leaf_scores[key] = self._heard[id(leaf)].score(evidence)
            else:
                self._leaf_scores[key] = leaf.score(evidence)
        return self._leaf_scores[key]

    def _looks_at(
        self,
        leaf: PerFaceBranch,
        person: int,
        times: Sequence[float],
        images: UInt8Array,
        chosen: NDArray[np.intp],
    ) -> Float64Array:
        """A leaf's looks (M, D) at M chosen of the faces (T, 256, 256, 3), seen at ``times`` (M,).

        The new ones are made in one batch.
        """
        keys = [(id(leaf), person, time) for time in times]
        new = [index for index, key in enumerate(keys) if key not in self._looks]
        if new:
            looks = leaf.look(images[chosen[new]])
            self._looks.update(zip((keys[index] for index in new), looks, strict=True))
        return np.stack([self._looks[key] for key in keys])

    def _row(self, window: EvidenceWindow, person: int | None) -> Row:
        speaker = _speaker(person, window.speaker)
        # the row without a person holds speech that was attributed to no one in view
        own = speaker == "this" or (person is None and speaker == "unknown")
        track = None if person is None else window.faces[person]
        whole = window.evidence(person, with_speech=own)
        speech = window.speech
        face = self.score(window.evidence(person, with_speech=False))
        voice = self.score(window.evidence(None)) if own else None
        spoken = speech.waveform.duration_seconds if speech.waveform is not None else 0.0
        scores = self.score(whole)
        missing: dict[Modality, RowMissingCode] = {}
        if face is None:
            missing["face"] = "no_branch" if track is not None else whole.missing["face"]
        if voice is None:
            missing["voice"] = _why_no_voice(speech, speaker, heard=own)
        row = Row(
            start_seconds=window.start_seconds,
            stop_seconds=window.stop_seconds,
            person=person,
            seen_seconds=whole.face_seconds,
            speech_seconds=spoken,
            speaking_seconds=spoken if own else 0.0,
            speaker=speaker,
            speaker_confidence=math.nan if window.speaker is None else window.speaker.confidence,
            scores=scores,
            face=face,
            voice=voice,
            missing=missing,
            abstained=self._bundle.abstains(scores),
            people=window.people,
            box=None if track is None else track.median_box,
            picture_size=None if track is None else track.picture,
            quality=math.nan if track is None else float(np.median(track.quality)),
        )
        return row if self._own is None else self._own.take(row, whole)

    def _scores_alone(self, sight: Sight) -> Float64Array:
        """Scores of one face (K,), blended over the leaves that score single faces."""

        def leaf_score(leaf: Branch) -> Scores | None:
            if sight.aligned is None or not isinstance(leaf, PerFaceBranch):
                return None
            images, times = sight.aligned[None], [sight.time_seconds]
            looks = self._looks_at(leaf, sight.person or 0, times, images, np.zeros(1, np.intp))
            frames = leaf.frames_of_looks(looks)
            return None if frames is None else Scores(leaf.labels, frames[0])

        scores = score_tree(self._tree, leaf_score)
        return np.full(len(self._tree.labels), np.nan) if scores is None else scores.values

    def _expression(self, sight: Sight) -> Expression | None:
        if self._expressions is None or sight.aligned is None:
            return None
        return self._expressions.of_aligned(sight.aligned, sight.face.landmarks)


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
