"""Gather what the page shows while a prediction is made."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.output.clip.nodes import Node, node_of
from facevoice.output.clip.sound import Sound, read_sound
from facevoice.output.clip.strip import FaceStrip, Thumbnail
from facevoice.predict import Predictor
from facevoice.predict.prediction import Prediction
from facevoice.types import Evidence, Float64Array, MissingCode, Modality, Scores

MOST_STRETCHES: Final = 120
"""Windows of a long clip are averaged into so many stretches at most."""


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


@dataclass(frozen=True, slots=True)
class Clip:
    """Everything that the page shows of one input.

    name: the file's name without its folder, always printable.
    spans: (S, 2) seconds, the stretches of speech.
    gaps: in how many windows a modality was missing, by modality and reason.
    faces: some faces of the main person, evenly spaced over the clip.
    face_branch: name of the branch that says what each face shows; None if none can.
    """

    name: str
    info: media.MediaInfo
    bundle: Bundle
    prediction: Prediction
    root: Node
    stretches: tuple[Stretch, ...]
    spans: Float64Array
    gaps: Counter[tuple[Modality, MissingCode]]
    faces: tuple[Thumbnail, ...]
    face_branch: str | None
    sound: Sound | None

    @property
    def labels(self) -> tuple[str, ...]:
        """What is scored, in the order of all tables."""
        return self.bundle.tree.labels

    @property
    def start_seconds(self) -> float:
        """Where the part that was looked at begins."""
        return self.prediction.start_seconds or 0.0

    @property
    def stop_seconds(self) -> float:
        """Where it ends."""
        return self.prediction.stop_seconds or 0.0


class _Gathering:
    """What is kept of each window when it passes by."""

    def __init__(self, strip: FaceStrip) -> None:
        self.stretches: list[Stretch] = []
        self.spans: list[Float64Array] = []
        self.gaps: Counter[tuple[Modality, MissingCode]] = Counter()
        self.strip = strip

    def tapped(
        self, trace: Iterable[tuple[Evidence, Scores | None]]
    ) -> Iterator[tuple[Evidence, Scores | None]]:
        """Pass a trace on, looking at each window once."""
        for evidence, scores in trace:
            self.stretches.append(
                Stretch(
                    evidence.start_seconds,
                    evidence.stop_seconds,
                    None if scores is None else scores.values,
                    face=evidence.faces is not None,
                    voice=evidence.speech is not None,
                )
            )
            self.spans.append(evidence.speech_spans)
            self.gaps.update(evidence.missing.items())
            self.strip.look(evidence)
            yield evidence, scores


def look_at(
    predictor: Predictor,
    path: str | os.PathLike[str],
    *,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
) -> Clip:
    """Predict one input and keep what its page needs, in memory that does not grow with pixels.

    Raises:
        FacevoiceError: the file cannot be read, or the part is empty.
    """
    started = time.perf_counter()
    info = media.probe(Path(path))
    gathering = _Gathering(FaceStrip(predictor.bundle.tree))
    trace = predictor.trace(path, start_seconds=start_seconds, stop_seconds=stop_seconds, info=info)
    prediction = predictor.of_trace(
        gathering.tapped(trace), path=os.fspath(path), duration_seconds=info.duration_seconds
    )
    prediction = replace(prediction, timings={"total": time.perf_counter() - started})
    begin, end = prediction.start_seconds or 0.0, prediction.stop_seconds or 0.0
    spans = np.concatenate(gathering.spans) if gathering.spans else np.zeros((0, 2))
    return Clip(
        name=os.fsencode(Path(path).name).decode("utf-8", "replace"),
        info=info,
        bundle=predictor.bundle,
        prediction=prediction,
        root=node_of(predictor.bundle.tree, prediction.scores),
        stretches=merged(gathering.stretches, MOST_STRETCHES),
        spans=joined(spans),
        gaps=gathering.gaps,
        faces=gathering.strip.chosen(),
        face_branch=gathering.strip.branch_name,
        sound=read_sound(Path(path), begin, end) if info.has_audio and end > begin else None,
    )


def joined(spans: Float64Array, gap_seconds: float = 0.05) -> Float64Array:
    """Join spans that touch or nearly do, as speech that a window's edge cut in two.

    spans: (S, 2) seconds, in order. Returns (R, 2), R <= S.
    """
    result: list[list[float]] = []
    for start, stop in spans.tolist():
        if result and start <= result[-1][1] + gap_seconds:
            result[-1][1] = max(result[-1][1], stop)
        else:
            result.append([start, stop])
    return np.array(result, np.float64).reshape(-1, 2)


def merged(stretches: Sequence[Stretch], most: int) -> tuple[Stretch, ...]:
    """Average neighbours until at most ``most`` stretches are left."""
    size = -(-len(stretches) // most)
    if size <= 1:
        return tuple(stretches)
    groups = [stretches[at : at + size] for at in range(0, len(stretches), size)]
    return tuple(_average(group) for group in groups)


def _average(group: Sequence[Stretch]) -> Stretch:
    values = [stretch.values for stretch in group if stretch.values is not None]
    return Stretch(
        group[0].start_seconds,
        group[-1].stop_seconds,
        np.mean(values, axis=0) if values else None,
        face=any(stretch.face for stretch in group),
        voice=any(stretch.voice for stretch in group),
    )
