"""How the mouths of the people in view move, up to 30 times per second.

Changes are measured per second between successive pictures, so that their mean over any span does
not depend on the film's frame rate. Landmarks are measured only at sampled instants and
interpolated in between, so each picture is held until the next sampled one. Faces are aligned, so
that only their own movement is left: changes of the mouth's region, of the upper face (a turning
head changes both), and the contrast of the mouth, which grows as it opens.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from facevoice.faces.align import align_light
from facevoice.types import Face, Float64Array, UInt8Array

MOTIONS: Final = 9
"""Numbers per picture: see ``_motions``; the first six are changes per second."""
CHANGES: Final = 6
MOST_MOUTHS: Final = 8
"""Faces per picture that are watched, the largest first."""

_SIDE: Final = 64  # pixels of the aligned face
_FACE: Final = (10, 8, 54, 62)  # the part of it that is drawn; the slices are parts of this one
_UPPER: Final = np.s_[:, :26]
_MOUTH: Final = np.s_[:, 30:54, 6:38]
_LIPS: Final = np.s_[:, 36:52, 12:32]
_RATE_HZ: Final = 30.0
_SMALLEST_EYES: Final = 10.0  # pixels between the eyes; the mouth of a smaller face is noise
_CONTRAST: Final = 4.0
_SHORTEST_GAP: Final = 0.02  # seconds; a shorter one would make noise a motion
_LONGEST_GAP: Final = 0.5  # seconds; across a longer loss nothing is interpolated


class TrackMotions(NamedTuple):
    """The new motions of one track's mouth.

    times: (T,) in seconds. motions: (T, MOTIONS). Both are empty where the mouth is watched from
    now on, without regard to what was seen of it before.
    """

    track: int
    times: Float64Array
    motions: Float64Array


@dataclass(slots=True)
class _Mouth:
    """face: as measured at ``seen``. even: the mouth and face in even light, at ``last``."""

    face: Face
    seen: float
    even: tuple[Float64Array, Float64Array] | None = None
    last: float = 0.0


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
    """Watches the mouths of tracks; holds the pictures since the last sampled one."""

    def __init__(self) -> None:
        self._mouths: dict[int, _Mouth] = {}
        self._waiting: list[tuple[float, UInt8Array]] = []

    def add_light(self, time: float, light: UInt8Array) -> None:
        """Add the brightness of the next picture that ``Pace`` chose, (H, W) uint8."""
        self._waiting.append((time, light))

    def measure(self, time: float, faces: dict[int, Face]) -> tuple[TrackMotions, ...]:
        """Measure the faces, by track, of the sampled picture whose light was added last.

        Returns what is new of each.
        """
        new = []
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
                new.append(TrackMotions(track, np.zeros(0), np.zeros((0, MOTIONS))))
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
                aligned.append(align_light(light, points, _SIDE, _FACE))
            if aligned:
                times, motions = _new_motions(mouth, [at for at, _ in between], np.stack(aligned))
                if len(times):
                    new.append(TrackMotions(track, times, motions))
            mouth.face, mouth.seen = face, time
        oldest = time - _LONGEST_GAP
        self._mouths = {key: mouth for key, mouth in self._mouths.items() if mouth.seen >= oldest}
        return tuple(new)

    def cut(self) -> None:
        """Drop the pictures that are held: nothing is interpolated across a cut."""
        self._waiting = []


class RecentMotions:
    """The motions of all mouths that were seen in the last ``memory_seconds``."""

    def __init__(self, memory_seconds: float) -> None:
        self._memory = memory_seconds
        self._tracks: dict[int, deque[TrackMotions]] = {}

    def add(self, time: float, new: Iterable[TrackMotions]) -> None:
        """Add what was measured at ``time``; forget what lies too far behind it."""
        for found in new:
            held = self._tracks.setdefault(found.track, deque())
            if len(found.times):
                held.append(found)
            else:
                held.clear()
        oldest = time - self._memory
        for held in self._tracks.values():
            while held and held[0].times[-1] < oldest:
                held.popleft()
        self._tracks = {track: held for track, held in self._tracks.items() if held}

    def between(self, track: int, start: float, stop: float) -> tuple[Float64Array, Float64Array]:
        """Times (T,) in seconds and motions (T, MOTIONS) of a track in [start, stop)."""
        held = self._tracks.get(track)
        if not held:
            return np.zeros(0), np.zeros((0, MOTIONS))
        times = np.concatenate([found.times for found in held])
        inside = (times >= start) & (times < stop)
        return times[inside], np.concatenate([found.motions for found in held])[inside]


def _new_motions(
    mouth: _Mouth, times: list[float], lights: UInt8Array
) -> tuple[Float64Array, Float64Array]:
    """The times (T,) and motions (T, MOTIONS) that the next aligned faces (T, 54, 44) add."""
    even = _evenly_lit(lights[_MOUTH]), _evenly_lit(lights)
    before, mouth.even = mouth.even, (even[0][-1:], even[1][-1:])
    earlier, mouth.last = mouth.last, times[-1]
    if before is None:
        earlier, times, lights = times[0], times[1:], lights[1:]
    else:
        even = np.concatenate([before[0], even[0]]), np.concatenate([before[1], even[1]])
    if not times:
        return np.zeros(0), np.zeros((0, MOTIONS))
    return np.array(times), _motions(*even, lights, np.diff([earlier, *times]))


def _motions(
    mouths: Float64Array, faces: Float64Array, lights: UInt8Array, seconds: Float64Array
) -> Float64Array:
    """The motions (T, 9) between T + 1 successive aligned faces.

    mouths, faces: the mouth's region and the face in even light, T + 1 of each.
    lights: (T, 54, 44) the aligned faces, without the first.
    seconds: (T,) between the successive faces: pictures do not lie on the grid of time exactly.

    Mean change per second of the mouth's region, of its upper, middle and lower third, of the upper
    face and of the mouth's middle; then the mouth's standard deviation, vertical gradient and mean
    of the darkest pixels, in grey levels.
    """
    gaps = np.maximum(seconds, _SHORTEST_GAP)[:, None, None]
    change = np.abs(np.diff(mouths, axis=0)) / gaps
    above = np.abs(np.diff(faces[_UPPER], axis=0)) / gaps
    thirds = change[:, :8], change[:, 8:16], change[:, 16:]
    changes = [change, *thirds, above, change[:, 6:20, 8:24]]
    mouth = lights[_LIPS].astype(np.float64)
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
    light = parts.astype(np.float64)
    light -= light.mean(axis=(1, 2), keepdims=True)
    deviation = np.sqrt((light**2).mean(axis=(1, 2), keepdims=True))
    light /= deviation + _CONTRAST
    return light
