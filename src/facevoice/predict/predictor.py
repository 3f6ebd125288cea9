"""Path or arrays -> Prediction."""

import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facevoice import media
from facevoice.branches import average
from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError
from facevoice.evidence import EvidenceReader
from facevoice.predict.prediction import EvidenceSummary, Prediction
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
        return cls(
            scores=scores,
            seconds={modality: evidence.seconds(modality) for modality in MODALITIES},
            start_seconds=evidence.start_seconds,
            stop_seconds=evidence.stop_seconds,
            missing=evidence.missing,
            people=evidence.people,
            face_frames=0 if faces is None else len(faces),
            box=None if faces is None else faces.median_box,
        )


class Predictor:
    """A loaded bundle with the detectors it needs: call it with a path."""

    def __init__(
        self, bundle: Bundle, *, device: Device = "cpu", threads: int | None = None
    ) -> None:
        self.bundle = bundle
        self._reader = EvidenceReader(device=device, threads=threads)

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
        for evidence in self._reader.clip(
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
        found = (error.kind, str(error))
        return Prediction.failed(os.fspath(path), self.bundle.name, self.bundle.sha256, found)

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
        evidence = self._reader.of_arrays(frames, times_seconds, audio, rate_hz)
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
            abstained=self.bundle.abstains(scores),
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
