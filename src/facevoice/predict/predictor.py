"""Predict a file, arrays or evidence with a loaded bundle."""

import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from facevoice import media
from facevoice.branches import average
from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError
from facevoice.evidence import EvidenceReader
from facevoice.evidence.other_tracks import audio_tracks
from facevoice.person import Baseline, Reading, personal_of
from facevoice.predict.prediction import EvidenceSummary, Prediction
from facevoice.session import Device
from facevoice.types import (
    MODALITIES,
    UNDAMAGED,
    Damage,
    Evidence,
    Float64Array,
    MissingCode,
    Modality,
    Scores,
    UInt8Array,
    require,
)


class _Window(NamedTuple):
    """What is kept of a window once it is scored: no pictures, no sound."""

    evidence: EvidenceSummary
    weights: Mapping[Modality, float]
    scores: Scores | None
    missing: Mapping[Modality, MissingCode]
    start_seconds: float
    stop_seconds: float
    damage: Damage


class Predictor:
    """A loaded bundle and the detectors that it needs; call it with a path."""

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
        audio_track: int | None = None,
        baseline: Baseline | None = None,
    ) -> Prediction:
        """Predict one video, sound file or picture.

        start_seconds, stop_seconds: the part to predict, in presentation time; None: the file's
            own start or end.
        audio_track: number of the sound track, from 0; None: the main one.
        baseline: of the person shown; the prediction then has a ``personal`` answer as well, or a
            ``personal_reason`` why it has none.

        Raises:
            FacevoiceError: the file cannot be read, the part is empty, or there is no such track.
            InvalidInputError: the baseline is no ``Baseline``, or was enrolled with another bundle.
        """
        if baseline is not None:
            require(
                isinstance(baseline, Baseline),
                f"baseline must be a Baseline, such as Baseline.load({baseline!r})",
            )
            baseline.check(self.bundle)
        started = time.perf_counter()
        info = media.probe(Path(path), audio_track)
        trace = self.trace(path, start_seconds=start_seconds, stop_seconds=stop_seconds, info=info)
        prediction = self.of_file(trace, info, path=os.fspath(path))
        if baseline is not None:
            prediction = read_against(prediction, self.bundle, baseline)
        return replace(prediction, timings={"total": time.perf_counter() - started})

    def trace(
        self,
        path: str | os.PathLike[str],
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        audio_track: int | None = None,
        info: media.MediaInfo | None = None,
    ) -> Iterator[tuple[Evidence, Scores | None]]:
        """Yield the evidence of each window with its scores: what a prediction rests on.

        Arguments and errors as in a call.

        info: of the file and this track, if it has been probed already.
        """
        for evidence in self._reader.clip(
            Path(path),
            start_seconds=start_seconds,
            stop_seconds=stop_seconds,
            audio_track=audio_track,
            info=info,
        ):
            yield evidence, self.bundle.tree.score(evidence)

    def of_file(
        self,
        trace: Iterable[tuple[Evidence, Scores | None]],
        info: media.MediaInfo,
        *,
        path: str,
    ) -> Prediction:
        """Summarise the scored windows of a file, at least one; path: as it was given."""
        prediction = self.of_trace(trace, path=path, duration_seconds=info.duration_seconds)
        tracks = audio_tracks(
            info.path,
            info,
            spoken="voice" not in prediction.missing,
            start_seconds=prediction.start_seconds,
            stop_seconds=prediction.stop_seconds,
        )
        return replace(prediction, audio_tracks=tracks)

    def predict_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        audio_track: int | None = None,
        baseline: Baseline | None = None,
    ) -> Iterator[Prediction]:
        """Predict inputs one by one; an input that cannot be read yields a record of the error.

        Arguments as in a call.

        Raises:
            InvalidInputError: the baseline was enrolled with another bundle.
        """
        if baseline is not None:
            baseline.check(self.bundle)
        for path in paths:
            try:
                yield self(
                    path,
                    start_seconds=start_seconds,
                    stop_seconds=stop_seconds,
                    audio_track=audio_track,
                    baseline=baseline,
                )
            except FacevoiceError as error:
                yield self.failure(path, error)

    def failure(self, path: str | os.PathLike[str], error: FacevoiceError) -> Prediction:
        """Record an input that could not be read."""
        found = (error.kind, str(error))
        return Prediction.failed(os.fspath(path), self.bundle.name, self.bundle.sha256, found)

    def score(
        self,
        frames: Sequence[UInt8Array] | UInt8Array | None,
        times_seconds: Sequence[float] | Float64Array | None,
        audio: NDArray[Any] | None,
        rate_hz: int | None,
    ) -> Prediction:
        """Predict pictures and sound in memory, as one window.

        frames: (T, H, W, 3) uint8 RGB, or a sequence of (H, W, 3); None or empty: no pictures.
        times_seconds: (T,) presentation time of each frame, strictly increasing.
        audio: (N,) or (N, channels), starting at time 0; None: no sound. Floats are in [-1, 1];
            int8, int16, int32 and uint8 use the full range of their type; wider integers have no
            agreed scale and are refused.
        rate_hz: samples of ``audio`` per second, 1,000 to 1,000,000.

        Raises:
            InvalidInputError: a wrong shape, type, order or unit, or neither frames nor audio.
                Times that are typically less than 0.001 s or more than 10 s apart are not taken for
                seconds.
        """
        started = time.perf_counter()
        evidence = self._reader.of_arrays(frames, times_seconds, audio, rate_hz)
        prediction = self.of_evidence(evidence)
        return replace(prediction, timings={"total": time.perf_counter() - started})

    def of_evidence(self, evidence: Evidence) -> Prediction:
        """Predict existing evidence, such as the face crops of a corpus or cleaned speech."""
        trace = [(evidence, self.bundle.tree.score(evidence))]
        duration = evidence.stop_seconds - evidence.start_seconds
        return self.of_trace(trace, path=None, duration_seconds=duration)

    def of_trace(
        self,
        trace: Iterable[tuple[Evidence, Scores | None]],
        *,
        path: str | None,
        duration_seconds: float | None,
    ) -> Prediction:
        """Summarise scored windows, at least one, as a prediction; several are averaged."""
        windows = [
            _Window(
                EvidenceSummary.of(evidence),
                {modality: evidence.weight(modality) for modality in MODALITIES},
                scores,
                evidence.missing,
                evidence.start_seconds,
                evidence.stop_seconds,
                evidence.damage,
            )
            for evidence, scores in trace
        ]
        scores = windows[0].scores
        if len(windows) > 1:
            weighed = [(window.weights, window.scores) for window in windows]
            scores = average(self.bundle.tree, weighed)
        return Prediction(
            path=path,
            bundle_name=self.bundle.name,
            bundle_sha256=self.bundle.sha256,
            scores=scores,
            missing=_missing(windows),
            evidence=EvidenceSummary.total([window.evidence for window in windows]),
            duration_seconds=duration_seconds,
            start_seconds=windows[0].start_seconds,
            stop_seconds=windows[-1].stop_seconds,
            windows=len(windows),
            abstained=self.bundle.abstains(scores),
            timings={"total": 0.0},
            damage=sum((window.damage for window in windows), UNDAMAGED),
            reading=None if scores is None else self._reading(scores, windows),
        )

    def _reading(self, scores: Scores, windows: Sequence[_Window]) -> Reading:
        weights = {
            modality: math.fsum(window.weights[modality] for window in windows)
            for modality in MODALITIES
        }
        total = EvidenceSummary.total([window.evidence for window in windows])
        seconds = max(total.face_seconds, total.speech_seconds)
        return Reading.of(self.bundle.tree, scores, weights, seconds)


def read_against(prediction: Prediction, bundle: Bundle, baseline: Baseline) -> Prediction:
    """The prediction with a personal answer beside the plain one; no network runs.

    bundle: the one that made it.

    Raises:
        InvalidInputError: another bundle made the prediction or the baseline, or the prediction
            was read from a record with rounded numbers.
    """
    baseline.check(bundle)
    baseline.check_prediction(prediction)
    personal, reason = personal_of(
        bundle.tree,
        bundle.population,
        baseline.statistics,
        prediction.scores,
        prediction.reading,
    )
    return replace(prediction, personal=personal, personal_reason=reason)


def _missing(windows: Sequence[_Window]) -> dict[Modality, MissingCode]:
    """The modalities that every window lacks, with the most frequent reason.

    A face that is seen too little in one window was not seen enough in all of them.
    """
    result: dict[Modality, MissingCode] = {}
    for modality in MODALITIES:
        codes = [window.missing[modality] for window in windows if modality in window.missing]
        if len(codes) == len(windows):
            most = Counter(codes).most_common(1)[0][0]
            result[modality] = "too_little" if "too_little" in codes else most
    return result


def load(
    name_or_folder: str | os.PathLike[str] = "base",
    *,
    device: Device = "cpu",
    threads: int | None = None,
) -> Predictor:
    """Load a bundle, by its name or its folder, ready to predict.

    device: "cpu", or "cuda" with the package onnxruntime-gpu (untested).
    threads: CPU threads of the networks; None: all cores.

    Raises:
        BundleError: there is no such bundle, or it is inconsistent.
        HashMismatchError: one of its files was changed.
        InvalidInputError: the device is not available.
        MissingDependencyError: a branch needs an extra that is not installed.
    """
    bundle = load_bundle(Path(name_or_folder), device=device, threads=threads)
    bundle.check_extras()
    return Predictor(bundle, device=device, threads=threads)
