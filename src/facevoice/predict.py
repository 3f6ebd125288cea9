"""Path or arrays -> Prediction."""

import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.branches import average
from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError
from facevoice.extract import Extractor
from facevoice.session import Device
from facevoice.types import (
    MODALITIES,
    Evidence,
    Float64Array,
    MissingCode,
    Modality,
    Scores,
    UInt8Array,
)

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


@dataclass(frozen=True, slots=True)
class _Window:
    """What is kept of a window once it is scored: no pictures, no sound."""

    scores: Scores | None
    seconds: Mapping[Modality, float]
    start_seconds: float
    stop_seconds: float
    missing: Mapping[Modality, MissingCode]
    people: int
    face_frames: int
    box: tuple[float, float, float, float] | None

    @classmethod
    def of(cls, evidence: Evidence, scores: Scores | None) -> "_Window":
        faces = evidence.faces
        box = None
        if faces is not None:
            left, top, right, bottom = (float(value) for value in np.median(faces.boxes, axis=0))
            box = (left, top, right, bottom)
        return cls(
            scores=scores,
            seconds={modality: evidence.seconds(modality) for modality in MODALITIES},
            start_seconds=evidence.start_seconds,
            stop_seconds=evidence.stop_seconds,
            missing=evidence.missing,
            people=evidence.people,
            face_frames=0 if faces is None else len(faces),
            box=box,
        )


class Predictor:
    """A loaded bundle with the detectors it needs: call it with a path."""

    def __init__(
        self, bundle: Bundle, *, device: Device = "cpu", threads: int | None = None
    ) -> None:
        self.bundle = bundle
        self._extractor = Extractor(device=device, threads=threads)

    def __call__(
        self,
        path: str | os.PathLike[str],
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
    ) -> Prediction:
        """Predict one video, sound file or picture.

        start_seconds, stop_seconds: the part to look at, in the container's presentation time.

        Raises:
            FacevoiceError: the file cannot be read, or the part is empty.
        """
        started = time.perf_counter()
        info = media.probe(Path(path))
        windows = [
            _Window.of(evidence, scores)
            for evidence, scores in self.trace(
                path, start_seconds=start_seconds, stop_seconds=stop_seconds, info=info
            )
        ]
        return self._prediction(
            windows,
            path=os.fspath(path),
            duration_seconds=info.duration_seconds,
            seconds=time.perf_counter() - started,
        )

    def trace(
        self,
        path: str | os.PathLike[str],
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        info: media.MediaInfo | None = None,
    ) -> Iterator[tuple[Evidence, Scores | None]]:
        """The evidence itself, window by window, with its scores: what a prediction rests on.

        info: of the file, if it was probed already.

        Raises:
            FacevoiceError: as calling the predictor does.
        """
        for evidence in self._extractor.windows(
            Path(path), start_seconds=start_seconds, stop_seconds=stop_seconds, info=info
        ):
            yield evidence, self.bundle.tree.score(evidence)

    def predict_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
    ) -> Iterator[Prediction]:
        """Predict inputs one by one; one that cannot be read gives a record with the error."""
        for path in paths:
            try:
                yield self(path, start_seconds=start_seconds, stop_seconds=stop_seconds)
            except FacevoiceError as error:
                yield self.failure(path, error)

    def failure(self, path: str | os.PathLike[str], error: FacevoiceError) -> Prediction:
        """The record of an input that could not be read."""
        return Prediction(
            path=os.fspath(path),
            bundle_name=self.bundle.name,
            bundle_sha256=self.bundle.sha256,
            scores=None,
            missing={},
            evidence=None,
            duration_seconds=None,
            start_seconds=None,
            stop_seconds=None,
            windows=0,
            error=(error.kind, str(error)),
        )

    def score(
        self,
        frames: Sequence[UInt8Array] | UInt8Array | None,
        times_seconds: Sequence[float] | Float64Array | None,
        audio: NDArray[Any] | None,
        rate_hz: int | None,
    ) -> Prediction:
        """Predict pictures and sound that are in memory already, as one piece of evidence.

        frames: (T, H, W, 3) uint8 RGB, or a sequence of (H, W, 3); None or empty without.
        times_seconds: (T,) presentation time of each frame, strictly increasing.
        audio: (N,) or (N, channels), float in [-1, 1] or int16, from time 0 on; None without.
        rate_hz: samples of ``audio`` per second.

        Raises:
            InvalidInputError: a wrong shape, dtype or order, or nothing at all.
        """
        started = time.perf_counter()
        evidence = self._extractor.of_arrays(frames, times_seconds, audio, rate_hz)
        return self.of_evidence(evidence, seconds=time.perf_counter() - started)

    def of_evidence(self, evidence: Evidence, *, seconds: float = 0.0) -> Prediction:
        """Predict evidence that was made elsewhere: face crops of a data set, cleaned speech.

        seconds: wall time that making it took, for the record.
        """
        window = _Window.of(evidence, self.bundle.tree.score(evidence))
        duration = evidence.stop_seconds - evidence.start_seconds
        return self._prediction([window], path=None, duration_seconds=duration, seconds=seconds)

    def of_trace(
        self,
        trace: Iterable[tuple[Evidence, Scores | None]],
        *,
        path: str | None,
        duration_seconds: float | None,
    ) -> Prediction:
        """The prediction of windows that were traced already."""
        windows = [_Window.of(evidence, scores) for evidence, scores in trace]
        return self._prediction(windows, path=path, duration_seconds=duration_seconds, seconds=0.0)

    def _prediction(
        self,
        windows: Sequence[_Window],
        *,
        path: str | None,
        duration_seconds: float | None,
        seconds: float,
    ) -> Prediction:
        scores = windows[0].scores
        if len(windows) > 1:
            scores = average(
                self.bundle.tree, [(window.seconds, window.scores) for window in windows]
            )
        longest = max(windows, key=lambda window: window.seconds["face"])
        with_face = longest if longest.box is not None else _first_with_face(windows)
        return Prediction(
            path=path,
            bundle_name=self.bundle.name,
            bundle_sha256=self.bundle.sha256,
            scores=scores,
            missing=_missing(windows),
            evidence=EvidenceSummary(
                face_frames=sum(window.face_frames for window in windows),
                face_seconds=math.fsum(window.seconds["face"] for window in windows),
                speech_seconds=math.fsum(window.seconds["voice"] for window in windows),
                people=max(window.people for window in windows),
                box=with_face.box,
            ),
            duration_seconds=duration_seconds,
            start_seconds=windows[0].start_seconds,
            stop_seconds=windows[-1].stop_seconds,
            windows=len(windows),
            timings={"total": seconds},
        )


def _first_with_face(windows: Sequence[_Window]) -> _Window:
    return next((window for window in windows if window.box is not None), windows[0])


def _missing(windows: Sequence[_Window]) -> dict[Modality, MissingCode]:
    """A modality is missing if it is in every window; the reason is the most frequent one."""
    result: dict[Modality, MissingCode] = {}
    for modality in MODALITIES:
        codes = [window.missing[modality] for window in windows if modality in window.missing]
        if len(codes) == len(windows):
            result[modality] = Counter(codes).most_common(1)[0][0]
    return result


def load(
    name_or_folder: str | os.PathLike[str] = "base",
    *,
    device: Device = "cpu",
    threads: int | None = None,
) -> Predictor:
    """Load a bundle by the name of one that ships, or by its folder, ready to predict.

    device: "cpu", or "cuda" with the package onnxruntime-gpu.
    threads: processor threads for the networks; None takes all cores.

    Raises:
        BundleError: no such bundle, or it does not hold together.
        HashMismatchError: a file of it was changed.
        InvalidInputError: the device is not available.
    """
    bundle = load_bundle(Path(name_or_folder), device=device, threads=threads)
    return Predictor(bundle, device=device, threads=threads)
