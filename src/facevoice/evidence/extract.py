"""A file or arrays -> evidence: one person's aligned faces over time and the speech of that span.

A clip of up to ``plan.WHOLE_CLIP_SECONDS`` is one piece of evidence. A longer one is cut into
windows that are decoded, looked at and forgotten one after another: memory does not grow with
length.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.evidence.plan import Plan, plan_of
from facevoice.evidence.seen import Seen, evidence_of
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.track import FaceFollower
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice, find_speech
from facevoice.types import Evidence, Float64Array, Frame, UInt8Array, Waveform

__all__ = ["Extractor"]


class Extractor:
    """Reads files into evidence; holds the detectors, so one object serves many files.

    device, threads: for the detectors' networks.
    """

    def __init__(self, *, device: Device = "cpu", threads: int | None = None) -> None:
        self._detector = Mtcnn(device=device, threads=threads)
        self._voice = SileroVoice()

    def windows(
        self,
        path: Path,
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        info: media.MediaInfo | None = None,
    ) -> Iterator[Evidence]:
        """Evidence of a file, one window after another; a short clip is a single window.

        start_seconds, stop_seconds: the part to look at, in presentation time; None is the end.

        Raises:
            FacevoiceError: the file cannot be read (see ``media``), or the part is empty.
        """
        info = info if info is not None else media.probe(path)
        if info.kind == "image":
            (frame,) = media.iter_frames(path)
            yield self._still(frame)
            return
        plan = plan_of(info, start_seconds, stop_seconds)
        seen = self._face_windows(path, info, plan)
        sound = _sound_windows(path, info, plan)
        for number, faces, waveform in _together(seen, sound):
            speech = find_speech(_sound_or_silence(waveform, info), self._voice)
            begin, end = plan.bounds(number)
            yield evidence_of(faces, speech, begin, end, plan.rate_hz, has_video=info.has_video)

    def of_arrays(
        self,
        frames: Sequence[UInt8Array] | UInt8Array | None,
        times_seconds: Sequence[float] | Float64Array | None,
        audio: NDArray[Any] | None,
        rate_hz: int | None,
    ) -> Evidence:
        """Evidence of pictures and sound that are in memory already, as one window.

        frames: (T, H, W, 3) uint8 RGB, or a sequence of (H, W, 3); None or empty without.
        times_seconds: (T,) presentation times, strictly increasing.
        audio: (N,) or (N, channels), float in [-1, 1] or int16, from time 0 on; None without.
        rate_hz: samples of ``audio`` per second.

        Raises:
            InvalidInputError: a wrong shape, dtype or order, or nothing at all.
        """
        images = [] if frames is None else list(frames)
        times = [] if times_seconds is None else [float(time) for time in times_seconds]
        if len(images) != len(times):
            raise InvalidInputError(f"{len(images)} frames but {len(times)} times: give one each")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise InvalidInputError("times_seconds must increase strictly")
        if audio is not None and rate_hz is None:
            raise InvalidInputError("audio was given without rate_hz, its samples per second")
        if not images and audio is None:
            raise InvalidInputError("neither frames nor audio: there is nothing to score")
        waveform = None
        if audio is not None and rate_hz is not None:
            waveform = media.waveform_of(audio, rate_hz, SPEECH_RATE_HZ)
        seen, follower = Seen(), FaceFollower(self._detector)
        for image, time in zip(images, times, strict=True):
            seen.look(follower, Frame(np.asarray(image), time))
        spacing = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        ends = [times[-1] + spacing] if times else []
        starts = times[:1]
        if waveform is not None:
            ends.append(waveform.stop_seconds)
            starts.append(waveform.start_seconds)
        speech = find_speech(waveform, self._voice)
        rate = 1 / spacing if spacing > 0 else math.inf
        has_video = bool(images)
        chosen = seen if has_video else None
        return evidence_of(chosen, speech, min(starts), max(ends), rate, has_video=has_video)

    def _still(self, frame: Frame) -> Evidence:
        seen = Seen()
        seen.look(FaceFollower(self._detector), frame)
        speech = find_speech(None, self._voice)
        return evidence_of(seen, speech, 0.0, 0.0, math.inf, has_video=True)

    def _face_windows(
        self, path: Path, info: media.MediaInfo, plan: Plan
    ) -> Iterator[tuple[int, Seen]]:
        """The number of each window with a picture, and what was seen in it."""
        if not info.has_video:
            return
        follower = FaceFollower(self._detector)
        seen, current = Seen(), 0
        for frame in media.iter_frames(
            path, rate_hz=plan.rate_hz, start_seconds=plan.start, stop_seconds=plan.asked_stop
        ):
            number = plan.number(frame.time_seconds)
            if number > current:
                if seen.times:
                    yield current, seen
                seen, current = Seen(), number
            seen.look(follower, frame)
        if seen.times:
            yield current, seen


def _sound_windows(path: Path, info: media.MediaInfo, plan: Plan) -> Iterator[tuple[int, Waveform]]:
    """The number of each window that holds sound, and the sound."""
    if not info.has_audio:
        return
    pieces = media.iter_waveform(
        path,
        rate_hz=SPEECH_RATE_HZ,
        window_seconds=plan.window,
        start_seconds=plan.start,
        stop_seconds=plan.asked_stop,
        origin_seconds=plan.start,
    )
    current, waiting = 0, None
    for piece in pieces:
        number = plan.number(piece.start_seconds)
        if waiting is not None and number == current:
            waiting = _joined(waiting, piece)
            continue
        if waiting is not None:
            yield current, waiting
        current, waiting = number, piece
    if waiting is not None:
        yield current, waiting


def _joined(first: Waveform, second: Waveform) -> Waveform:
    """One waveform of two that follow one another, with zeros for a gap between them."""
    gap = max(0, round((second.start_seconds - first.stop_seconds) * first.rate_hz))
    samples = np.concatenate([first.samples, np.zeros(gap, np.float32), second.samples])
    return Waveform(samples, first.rate_hz, first.start_seconds)


def _together(
    seen: Iterator[tuple[int, Seen]], sound: Iterator[tuple[int, Waveform]]
) -> Iterator[tuple[int, Seen | None, Waveform | None]]:
    """Pair picture and sound by window number; every number up to the last one comes once."""
    faces, waveform = next(seen, None), next(sound, None)
    number = 0
    while number == 0 or faces is not None or waveform is not None:
        now_faces = now_waveform = None
        if faces is not None and faces[0] == number:
            now_faces, faces = faces[1], next(seen, None)
        if waveform is not None and waveform[0] == number:
            now_waveform, waveform = waveform[1], next(sound, None)
        yield number, now_faces, now_waveform
        number += 1


def _sound_or_silence(waveform: Waveform | None, info: media.MediaInfo) -> Waveform | None:
    """An empty waveform where a file with sound has none in this window: that is silence."""
    if waveform is None and info.has_audio:
        return Waveform(np.zeros(0, np.float32), SPEECH_RATE_HZ)
    return waveform
