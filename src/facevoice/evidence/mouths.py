"""How the mouths of the people in sight move, some 15 times a second.

Landmarks are measured only at sampled instants; in between they are interpolated, which is why a
picture waits until the next sampled one. The face is aligned, so that what is left is its own
movement: changes of the mouth's region, of the upper face (a head that turns changes both), and
the contrast of the mouth, which grows as it opens.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from facevoice.faces.align import align_light
from facevoice.types import Face, Float32Array, Float64Array, UInt8Array

MOTIONS: Final = 9
"""Numbers a picture: see ``_motions``."""
MOST_MOUTHS: Final = 8
"""Largest faces of a picture that are watched."""

_SIDE: Final = 64  # pixels of the aligned face
_RATE_HZ: Final = 16.0
_SMALLEST_EYES: Final = 10.0  # pixels between the eyes; a smaller mouth is noise
_STILL: Final = 0.02
_CONTRAST: Final = 4.0
_LONGEST_GAP: Final = 0.5  # seconds without sight after which nothing is interpolated


@dataclass(slots=True)
class _Mouth:
    """landmarks and when they were measured; even: of the last aligned face; the motions so far."""

    landmarks: Float32Array
    seen: float
    even: tuple[Float64Array, Float64Array] | None = None
    times: deque[float] = field(default_factory=deque)
    motions: deque[Float64Array] = field(default_factory=deque)


class Pace:
    """Which pictures mouths are watched in: those that do not come too fast."""

    def __init__(self) -> None:
        self._last: float | None = None

    def take(self, time: float) -> bool:
        """Whether the next picture is one; call in order of time."""
        if self._last is not None and time - self._last < 0.9 / _RATE_HZ:
            return False
        self._last = time
        return True

    def cut(self) -> None:
        """A new shot starts with the next picture, which is one."""
        self._last = None


class Mouths:
    """Watches the mouths of tracks; remembers ``memory_seconds`` of each track in sight."""

    def __init__(self, memory_seconds: float) -> None:
        self._memory = memory_seconds
        self._mouths: dict[int, _Mouth] = {}
        self._waiting: list[tuple[float, UInt8Array]] = []

    def see(self, time: float, light: UInt8Array) -> None:
        """The next picture's brightness, (H, W) uint8; see ``Pace`` for which are needed."""
        self._waiting.append((time, light))

    def measure(self, time: float, faces: dict[int, Face]) -> None:
        """The landmarks at the sampled picture that came last, by track."""
        waiting, self._waiting = self._waiting, self._waiting[-1:]
        largest = sorted(faces, key=lambda track: -faces[track].area)[:MOST_MOUTHS]
        for track in largest:
            landmarks = faces[track].landmarks
            if float(np.hypot(*(landmarks[1] - landmarks[0]))) < _SMALLEST_EYES:
                continue
            mouth = self._mouths.get(track)
            if mouth is None or time - mouth.seen > _LONGEST_GAP:
                self._mouths[track] = _Mouth(landmarks, time)
                continue
            between = [(at, light) for at, light in waiting if mouth.seen < at <= time]
            aligned = []
            for at, light in between:
                share = np.float32((at - mouth.seen) / (time - mouth.seen))
                points = mouth.landmarks + share * (landmarks - mouth.landmarks)
                aligned.append(align_light(light, points, _SIDE))
            if aligned:
                _watch(mouth, [at for at, _ in between], np.stack(aligned))
            mouth.landmarks, mouth.seen = landmarks, time
        self._forget(time)

    def cut(self) -> None:
        """Forget what waits: nothing is interpolated across a cut."""
        self._waiting = []

    def motions(self, track: int, start: float, stop: float) -> tuple[Float64Array, Float64Array]:
        """Times (T,) and motions (T, MOTIONS) of a track in [start, stop)."""
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


def _watch(mouth: _Mouth, times: list[float], lights: UInt8Array) -> None:
    """The next aligned faces (T, 64, 64), all at once."""
    even = _even(lights[:, 38:62, 16:48]), _even(lights[:, 8:62, 10:54])
    before, mouth.even = mouth.even, (even[0][-1:], even[1][-1:])
    if before is None:
        times, lights = times[1:], lights[1:]
    else:
        even = np.concatenate([before[0], even[0]]), np.concatenate([before[1], even[1]])
    if times:
        mouth.times += times
        mouth.motions += list(_motions(*even, lights))


def _motions(mouths: Float64Array, faces: Float64Array, lights: UInt8Array) -> Float64Array:
    """(T, 9) what moved from each of T + 1 aligned faces to the next.

    mouths, faces: the mouth's region and the face in even light, T + 1 of each.
    lights: (T, 64, 64) the aligned faces themselves, without the first.

    Logarithms of the mean change of: the mouth's region, its upper, middle and lower third, the
    upper face, the mouth's middle; then of the mouth: deviation, vertical gradient, mean of the
    darkest pixels, in grey levels.
    """
    change = np.abs(np.diff(mouths, axis=0))
    above = np.abs(np.diff(faces[:, :26], axis=0))
    thirds = change[:, :8], change[:, 8:16], change[:, 16:]
    changes = [change, *thirds, above, change[:, 6:20, 8:24]]
    mouth = lights[:, 44:60, 22:42].astype(np.float64)
    darkest = np.partition(mouth.reshape(len(mouth), -1), 30, axis=1)[:, :30]
    return np.stack(
        [
            *(np.log(part.mean(axis=(1, 2)) + _STILL) for part in changes),
            mouth.std(axis=(1, 2)),
            np.abs(np.diff(mouth, axis=1)).mean(axis=(1, 2)),
            darkest.mean(axis=1),
        ],
        axis=1,
    )


def _even(parts: UInt8Array) -> Float64Array:
    """Each picture (T, H, W) without the light's level and contrast."""
    mean = parts.mean(axis=(1, 2), keepdims=True)
    deviation = parts.std(axis=(1, 2), keepdims=True)
    return np.asarray((parts - mean) / (deviation + _CONTRAST), np.float64)
