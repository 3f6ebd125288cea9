"""A file or arrays -> evidence: one person's aligned faces over time and the speech of that span.

A clip of up to ``whole_clip_seconds`` is one piece of evidence. A longer one is cut into windows
that are decoded, looked at and forgotten one after another: memory does not grow with length.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.faces.align import align
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.track import FaceFollower, main_track
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice, Speech, find_speech
from facevoice.types import (
    Evidence,
    Face,
    FaceTrack,
    Float64Array,
    Frame,
    MissingCode,
    Modality,
    UInt8Array,
    Waveform,
)

WHOLE_CLIP_SECONDS: Final = 10.0
"""A longer clip is scored in windows."""
WINDOW_SECONDS: Final = 3.0
FACES_WANTED: Final = 16
"""Frames that the paper's sequence branches look at."""
SLOWEST_SAMPLING_HZ: Final = 4.0
"""Below this a head moves too far from one sampled instant to the next to be followed."""
MOST_FACES: Final = 8
"""Faces of one instant that are kept as candidates for the main person: bounds the memory."""
PERSON_SECONDS: Final = 0.5
"""A face must be seen that long to count among the people."""

_SHORTEST_CLIP_SECONDS: Final = 0.1
_OVERHANG_SECONDS: Final = 0.5  # sound often outlasts the length that the container names
_ROUNDING: Final = 1e-6


@dataclass(slots=True)
class _Seen:
    """The faces of one window so far: per track the sampled instants at which it was seen."""

    times: list[float]
    faces: dict[int, list[tuple[float, Face, UInt8Array | None]]]
    present: list[list[int]]


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
        plan = _plan(info, start_seconds, stop_seconds)
        seen = self._face_windows(path, info, plan)
        sound = _sound_windows(path, info, plan)
        for number, faces, waveform in _together(seen, sound):
            speech = find_speech(_sound_or_silence(waveform, info), self._voice)
            begin, end = plan.bounds(number)
            yield _evidence(faces, speech, begin, end, plan.rate_hz, has_video=info.has_video)

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
        seen, follower = _Seen([], {}, []), FaceFollower(self._detector)
        for image, time in zip(images, times, strict=True):
            _look(follower, Frame(np.asarray(image), time), seen)
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
        return _evidence(chosen, speech, min(starts), max(ends), rate, has_video=has_video)

    def _still(self, frame: Frame) -> Evidence:
        seen = _Seen([], {}, [])
        _look(FaceFollower(self._detector), frame, seen)
        speech = find_speech(None, self._voice)
        return _evidence(seen, speech, 0.0, 0.0, math.inf, has_video=True)

    def _face_windows(
        self, path: Path, info: media.MediaInfo, plan: "_Plan"
    ) -> Iterator[tuple[int, _Seen]]:
        """The number of each window with a picture, and what was seen in it."""
        if not info.has_video:
            return
        follower = FaceFollower(self._detector)
        seen, current = _Seen([], {}, []), 0
        for frame in media.iter_frames(
            path, rate_hz=plan.rate_hz, start_seconds=plan.start, stop_seconds=plan.asked_stop
        ):
            number = plan.number(frame.time_seconds)
            if number > current:
                if seen.times:
                    yield current, seen
                seen, current = _Seen([], {}, []), number
            _look(follower, frame, seen)
        if seen.times:
            yield current, seen


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a file is cut: windows [start + k * window, start + (k + 1) * window).

    stop: where the file says it ends, or the stop that was asked for; None if nobody knows.
    asked_stop: the stop that was asked for. What a file holds beyond its own word is looked at.
    rate_hz: instants a second at which faces are looked for.
    """

    start: float
    stop: float | None
    asked_stop: float | None
    window: float
    rate_hz: float

    def number(self, time: float) -> int:
        return max(0, math.floor((time - self.start) / self.window + _ROUNDING))

    def bounds(self, number: int) -> tuple[float, float]:
        begin = self.start + number * self.window
        end = begin + self.window
        if self.stop is not None and begin < self.stop:
            end = min(end, self.stop)
        return begin, end


def _plan(info: media.MediaInfo, start: float | None, stop: float | None) -> _Plan:
    begin, end = _span(info, start, stop)
    length = math.inf if end is None else end - begin
    if length > WHOLE_CLIP_SECONDS:
        return _Plan(begin, end, stop, WINDOW_SECONDS, FACES_WANTED / WINDOW_SECONDS)
    rate = max(SLOWEST_SAMPLING_HZ, FACES_WANTED / max(length, _SHORTEST_CLIP_SECONDS))
    return _Plan(begin, end, stop, length + _OVERHANG_SECONDS, rate)


def _span(
    info: media.MediaInfo, start: float | None, stop: float | None
) -> tuple[float, float | None]:
    """The part to look at; its end is None if neither the user nor the file names one."""
    first = info.start_seconds
    last = None if info.duration_seconds is None else first + info.duration_seconds
    begin = first if start is None else max(start, first)
    ends = [time for time in (last, stop) if time is not None]
    end = min(ends) if ends else None
    asked = start is not None or stop is not None
    if asked and end is not None and end <= begin:
        length = "to an unknown end" if last is None else f"to {last:.3f} s"
        raise InvalidInputError(
            f"{info.path}: nothing lies between {'the start' if start is None else start} and"
            f" {'the end' if stop is None else stop}; the file runs from {first:.3f} {length}"
        )
    return begin, end


def _sound_windows(
    path: Path, info: media.MediaInfo, plan: _Plan
) -> Iterator[tuple[int, Waveform]]:
    """The number of each window that holds sound, and the sound."""
    if not info.has_audio:
        return
    for waveform in media.iter_waveform(
        path,
        rate_hz=SPEECH_RATE_HZ,
        window_seconds=plan.window,
        start_seconds=plan.start,
        stop_seconds=plan.asked_stop,
        origin_seconds=plan.start,
    ):
        yield plan.number(waveform.start_seconds), waveform


def _together(
    seen: Iterator[tuple[int, _Seen]], sound: Iterator[tuple[int, Waveform]]
) -> Iterator[tuple[int, _Seen | None, Waveform | None]]:
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


def _look(follower: FaceFollower, frame: Frame, seen: _Seen) -> None:
    found = follower.step(frame)
    seen.times.append(frame.time_seconds)
    seen.present.append([track_id for track_id, _ in found])
    largest = sorted(found, key=lambda item: -item[1].area)[:MOST_FACES]
    keep = {track_id for track_id, _ in largest}
    for track_id, face in found:
        aligned = align(frame.image, face.landmarks) if track_id in keep else None
        seen.faces.setdefault(track_id, []).append((frame.time_seconds, face, aligned))


def _evidence(
    seen: _Seen | None,
    speech: Speech,
    start: float,
    stop: float,
    rate: float,
    *,
    has_video: bool,
) -> Evidence:
    track = None if seen is None else _main_person(seen, rate)
    missing: dict[Modality, MissingCode] = {}
    if track is None:
        missing["face"] = "no_face" if has_video else "no_video_stream"
    if speech.missing is not None:
        missing["voice"] = speech.missing
    return Evidence(
        faces=track,
        speech=speech.waveform,
        start_seconds=start,
        stop_seconds=stop,
        speech_spans=speech.spans,
        missing=missing,
        people=0 if seen is None else _people(seen, rate),
    )


def _main_person(seen: _Seen, rate: float) -> FaceTrack | None:
    chosen = main_track(
        (track_id, face)
        for track_id, instants in seen.faces.items()
        for _, face, aligned in instants
        if aligned is not None
    )
    if chosen is None:
        return None
    kept = [(time, face, image) for time, face, image in seen.faces[chosen] if image is not None]
    return FaceTrack(
        images=np.stack([image for _, _, image in kept]),
        times_seconds=np.array([time for time, _, _ in kept]),
        boxes=np.stack([face.box for _, face, _ in kept]),
        quality=np.array([face.confidence for _, face, _ in kept], np.float32),
        track_id=chosen,
        seconds=len(kept) / rate,
    )


def _people(seen: _Seen, rate: float) -> int:
    """The most faces seen at one instant, of those seen for half a second in all.

    What is shorter than a second need be seen for half of it only; a single picture counts all.
    """
    needed = min(PERSON_SECONDS, len(seen.times) / rate / 2)
    lasting = {key for key, instants in seen.faces.items() if len(instants) / rate >= needed}
    return max((sum(key in lasting for key in keys) for keys in seen.present), default=0)
