"""What the page shows, gathered while the clip is predicted."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.output.clip.nodes import Node, node_of
from facevoice.output.clip.sound import Sound, read_sound
from facevoice.output.clip.strip import FaceStrip, Thumbnail
from facevoice.person import Baseline
from facevoice.predict import Predictor, read_against
from facevoice.predict.prediction import Prediction
from facevoice.types import Evidence, Float64Array, MissingCode, Modality, Scores
from facevoice.types.spans import Span, joined, neighbours

MOST_STRETCHES: Final = 120
"""Windows of a longer clip are averaged into this many stretches."""
_CUT_BY_A_WINDOW: Final = 0.05
"""Seconds; stretches of speech no further apart are one stretch, cut by a window's edge."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One window of a clip, or several of a long one that were averaged.

    values: (K,) fused scores, None if nothing could be scored.
    face, voice: whether there was any.
    """

    start_seconds: float
    stop_seconds: float
    values: Float64Array | None
    face: bool
    voice: bool

    def emotion(self, labels: Sequence[str]) -> str | None:
        """The label with the highest score; None if nothing could be scored."""
        return None if self.values is None else labels[int(self.values.argmax())]


@dataclass(frozen=True, slots=True)
class Clip:
    """Everything that the page shows of one input.

    name: the file's name without its folder, always printable.
    speech: the stretches of speech.
    gaps: number of windows in which a modality was missing, by modality and reason.
    faces: some faces of the main person, spaced evenly over the clip.
    face_branch: name of the branch that scores each face; None if none can.
    """

    name: str
    info: media.MediaInfo
    bundle: Bundle
    prediction: Prediction
    root: Node
    stretches: tuple[Stretch, ...]
    speech: tuple[Span, ...]
    gaps: Counter[tuple[Modality, MissingCode]]
    faces: tuple[Thumbnail, ...]
    face_branch: str | None
    sound: Sound | None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are scored, in the order of all tables."""
        return self.bundle.tree.labels

    @property
    def start_seconds(self) -> float:
        """Start of the part that was analysed."""
        return self.prediction.start_seconds or 0.0

    @property
    def stop_seconds(self) -> float:
        """Its end."""
        return self.prediction.stop_seconds or 0.0

    @property
    def span(self) -> Span:
        """The part that was analysed."""
        return self.start_seconds, self.stop_seconds


def look_at(
    predictor: Predictor,
    path: str | os.PathLike[str],
    *,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    audio_track: int | None = None,
    baseline: Baseline | None = None,
) -> Clip:
    """Predict one input and keep what its page needs, in memory that does not grow with the clip.

    Raises:
        FacevoiceError: the file cannot be read, the part is empty, or the baseline was enrolled
            with another bundle.
    """
    if baseline is not None:
        baseline.check(predictor.bundle)
    started = time.perf_counter()
    info = media.probe(Path(path), audio_track)
    stretches: list[Stretch] = []
    speech: list[Span] = []
    gaps: Counter[tuple[Modality, MissingCode]] = Counter()
    strip = FaceStrip(predictor.bundle.tree)

    def watched() -> Iterator[tuple[Evidence, Scores | None]]:
        for evidence, scores in predictor.trace(
            path, start_seconds=start_seconds, stop_seconds=stop_seconds, info=info
        ):
            stretches.append(_stretch(evidence, scores))
            speech.extend((start, stop) for start, stop in evidence.speech_spans.tolist())
            gaps.update(evidence.missing.items())
            strip.look(evidence)
            yield evidence, scores

    prediction = predictor.of_file(watched(), info, path=os.fspath(path))
    if baseline is not None:
        prediction = read_against(prediction, predictor.bundle, baseline)
    prediction = replace(prediction, timings={"total": time.perf_counter() - started})
    begin, end = prediction.start_seconds or 0.0, prediction.stop_seconds or 0.0
    return Clip(
        name=os.fsencode(Path(path).name).decode("utf-8", "replace"),
        info=info,
        bundle=predictor.bundle,
        prediction=prediction,
        root=node_of(predictor.bundle.tree, prediction.scores),
        stretches=merged(stretches, MOST_STRETCHES),
        speech=tuple(joined(speech, _CUT_BY_A_WINDOW)),
        gaps=gaps,
        faces=strip.chosen(),
        face_branch=strip.branch_name,
        sound=read_sound(Path(path), begin, end, info.audio_track)
        if info.has_audio and end > begin
        else None,
    )


def _stretch(evidence: Evidence, scores: Scores | None) -> Stretch:
    return Stretch(
        evidence.start_seconds,
        evidence.stop_seconds,
        None if scores is None else scores.values,
        face=evidence.faces is not None,
        voice=evidence.speech is not None,
    )


def merged(stretches: Sequence[Stretch], most: int) -> tuple[Stretch, ...]:
    """Average neighbours until at most ``most`` stretches are left."""
    groups = neighbours(stretches, most)
    return tuple(group[0] if len(group) == 1 else _average(group) for group in groups)


def _average(group: Sequence[Stretch]) -> Stretch:
    values = [stretch.values for stretch in group if stretch.values is not None]
    return Stretch(
        group[0].start_seconds,
        group[-1].stop_seconds,
        np.mean(values, axis=0) if values else None,
        face=any(stretch.face for stretch in group),
        voice=any(stretch.voice for stretch in group),
    )
