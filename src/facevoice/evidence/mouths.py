"""How the mouths of the people in view move, up to 30 times per second.

Changes are measured per second between successive pictures, so that their mean over any span does
not depend on the film's frame rate. Landmarks are measured only at sampled instants and
interpolated in between, so each picture is held until the next sampled one. Faces are aligned, so
that only their own movement is left: changes of the mouth's region, of the upper face (a turning
head changes both), and the contrast of the mouth, which grows as it opens.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from facevoice.faces.align import align_light
from facevoice.types import Face, Float64Array, UInt8Array

MOTIONS: Final = 9
"""Numbers per picture: see ``_motions``; the first six are changes per second."""
CHANGES: Final = 6
MOST_MOUTHS: Final = 8
"""Faces per picture that are watched, the largest first."""

_SIDE: Final = 64  # pixels of the aligned face
_RATE_HZ: Final = 30.0
_SMALLEST_EYES: Final = 10.0  # pixels between the eyes; the mouth of a smaller face is noise
_CONTRAST: Final = 4.0
_SHORTEST_GAP: Final = 0.02  # seconds; a shorter one would make noise a motion
_LONGEST_GAP: Final = 0.5  # seconds; across a longer loss nothing is interpolated


@dataclass(slots=True)
class _Mouth:
    """face: as measured at ``seen``. even: the mouth and face in even light, at ``last``."""

    face: Face
    seen: float
    even: tuple[Float64Array, Float64Array] | None = None
    last: float = 0.0
    times: deque[float] = field(default_factory=deque)
    motions: deque[Float64Array] = field(default_factory=deque)


class Pace:
    """Chooses the pictures in which mouths are watched: at most some 30 per second."""

    def __init__(self) -> None:
        self._last = -math.inf

    def take(self, time: float) -> bool:
        """Whether the next picture is chosen; call in order of time."""
        if time - self._last < 0.9 / _RATE_HZ:
            return False
        self._last = time
        return True

    def cut(self) -> None:
        """Choose the next picture in any case: it starts a new shot."""
        self._last = -math.inf


class Mouths:
    """Watches the mouths of tracks; holds the last ``memory_seconds`` of each track in view."""

    def __init__(self, memory_seconds: float) -> None:
        self._memory = memory_seconds
        self._mouths: dict[int, _Mouth] = {}
        self._waiting: list[tuple[float, UInt8Array]] = []

    def add_light(self, time: float, light: UInt8Array) -> None:
        """Add the brightness of the next picture that ``Pace`` chose, (H, W) uint8."""
        self._waiting.append((time, light))

    def measure(self, time: float, faces: dict[int, Face]) -> None:
        """Measure the faces, by track, of the sampled picture whose light was added last."""
        waiting, self._waiting = self._waiting, self._waiting[-1:]
        largest = sorted(faces, key=lambda track: -faces[track].area)[:MOST_MOUTHS]
        for track in largest:
            face = faces[track]
            landmarks = face.landmarks
            if float(np.hypot(*(landmarks[1] - landmarks[0]))) < _SMALLEST_EYES:
                continue
            mouth = self._mouths.get(track)
            if mouth is None or time - mouth.seen > _LONGEST_GAP:
                self._mouths[track] = _Mouth(face, time)
                continue
            between = [
                (at, light)
                for at, light in waiting
                if mouth.seen < at <= time and face.picture in {None, light.shape[::-1]}
            ]
            if mouth.face.picture != face.picture:
                mouth.even = None  # another sharpness or shape is no motion
            last = mouth.face.on(face.picture).landmarks
            aligned = []
            for at, light in between:
                share = np.float32((at - mouth.seen) / (time - mouth.seen))
                points = last + share * (landmarks - last)
                aligned.append(align_light(light, points, _SIDE))
            if aligned:
                _add_motions(mouth, [at for at, _ in between], np.stack(aligned))
            mouth.face, mouth.seen = face, time
        self._forget(time)

    def cut(self) -> None:
        """Drop the pictures that are held: nothing is interpolated across a cut."""
        self._waiting = []

    def motions(self, track: int, start: float, stop: float) -> tuple[Float64Array, Float64Array]:
        """Times (T,) in seconds and motions (T, MOTIONS) of a track in [start, stop)."""
        mouth = self._mouths.get(track)
        if mouth is None:
            return np.zeros(0), np.zeros((0, MOTIONS))
        times = np.array(mouth.times)
        inside = (times >= start) & (times < stop)
        return times[inside], np.array(mouth.motions).reshape(-1, MOTIONS)[inside]

    def _forget(self, time: float) -> None:
        oldest = time - self._memory
        for track in [key for key, mouth in self._mouths.items() if mouth.seen < oldest]:
            del self._mouths[track]
        for mouth in self._mouths.values():
            while mouth.times and mouth.times[0] < oldest:
                mouth.times.popleft()
                mouth.motions.popleft()


def _add_motions(mouth: _Mouth, times: list[float], lights: UInt8Array) -> None:
    """Add the motions of the next aligned faces (T, 64, 64)."""
    even = _evenly_lit(lights[:, 38:62, 16:48]), _evenly_lit(lights[:, 8:62, 10:54])
    before, mouth.even = mouth.even, (even[0][-1:], even[1][-1:])
    earlier, mouth.last = mouth.last, times[-1]
    if before is None:
        earlier, times, lights = times[0], times[1:], lights[1:]
    else:
        even = np.concatenate([before[0], even[0]]), np.concatenate([before[1], even[1]])
    if times:
        mouth.times += times
        mouth.motions += list(_motions(*even, lights, np.diff([earlier, *times])))


def _motions(
    mouths: Float64Array, faces: Float64Array, lights: UInt8Array, seconds: Float64Array
) -> Float64Array:
    """The motions (T, 9) between T + 1 successive aligned faces.

    mouths, faces: the mouth's region and the face in even light, T + 1 of each.
    lights: (T, 64, 64) the aligned faces, without the first.
    seconds: (T,) between the successive faces: pictures do not lie on the grid of time exactly.

    Mean change per second of the mouth's region, of its upper, middle and lower third, of the upper
    face and of the mouth's middle; then the mouth's standard deviation, vertical gradient and mean
    of the darkest pixels, in grey levels.
    """
    gaps = np.maximum(seconds, _SHORTEST_GAP)[:, None, None]
    change = np.abs(np.diff(mouths, axis=0)) / gaps
    above = np.abs(np.diff(faces[:, :26], axis=0)) / gaps
    thirds = change[:, :8], change[:, 8:16], change[:, 16:]
    changes = [change, *thirds, above, change[:, 6:20, 8:24]]
    mouth = lights[:, 44:60, 22:42].astype(np.float64)
    darkest = np.partition(mouth.reshape(len(mouth), -1), 30, axis=1)[:, :30]
    return np.stack(
        [
            *(part.mean(axis=(1, 2)) for part in changes),
            mouth.std(axis=(1, 2)),
            np.abs(np.diff(mouth, axis=1)).mean(axis=(1, 2)),
            darkest.mean(axis=1),
        ],
        axis=1,
    )


def _evenly_lit(parts: UInt8Array) -> Float64Array:
    """Remove the level and contrast of the light from each picture: (T, H, W)."""
    mean = parts.mean(axis=(1, 2), keepdims=True)
    deviation = parts.std(axis=(1, 2), keepdims=True)
    return np.asarray((parts - mean) / (deviation + _CONTRAST), np.float64)
