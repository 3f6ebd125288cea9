"""Who is seen in the sampled pictures of a film, for as long as its windows need to know."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facevoice.evidence.tracks import PATIENCE_SECONDS
from facevoice.types import Face, FaceTrack, Float64Array, UInt8Array
from facevoice.types.values import Value

MOST_FACES: Final = 8
"""Faces per picture that are candidates for the main person: bounds the memory."""
PERSON_SECONDS: Final = 0.5
"""How long a face must be seen to count as a person."""
SLIVER_SECONDS: Final = 0.5
SLIVER_SHARE: Final = 1 / 8
"""A face that is seen for less than both, the second of the window, tells too little of it. Half a
second is what makes a person; in windows of less than 4 s two of 16 instants are enough."""
_ROUNDING_SECONDS: Final = 1e-3  # an instant just before a bound counts as behind it
_LONGEST_STAND: Final = 2.0  # usual times between sampled instants; a longer one is a gap


@dataclass(frozen=True, slots=True, eq=False)
class Sight(Value):
    """One face at one sampled instant.

    track: the number of its track. person: its number, once it has been seen long enough.
    aligned: (256, 256, 3) uint8 RGB; None if only the largest faces are kept.
    seconds: how long the sight stands for: until the next sampled instant.
    """

    time_seconds: float
    track: int
    face: Face
    aligned: UInt8Array | None
    person: int | None = None
    seconds: float = 0.0


def _is_before(sight: Sight, bound: float) -> bool:
    return sight.time_seconds + _ROUNDING_SECONDS < bound


@dataclass(slots=True)
class _Track:
    """sights: number so far; person: its number, once it has been seen long enough."""

    sights: int = 0
    last_seconds: float = 0.0
    person: int | None = None


class Sights:
    """Keeps the faces of sampled pictures, and numbers the people in them.

    rate_hz: sampled instants per second. main_only: see ``WindowMaker``.
    """

    def __init__(self, rate_hz: float, *, main_only: bool) -> None:
        self._rate_hz, self._main_only = rate_hz, main_only
        self._sights: deque[Sight] = deque()
        self._instants: list[float] = []  # sampled, in order, as far back as sights are kept
        self._known: dict[int, _Track] = {}
        self._cuts: list[float] = []  # as far back as sights are kept
        self._people = self._sampled = 0

    def cut(self, time: float) -> None:
        """A new shot starts: nobody is seen across it."""
        self._cuts.append(time)

    def add(self, time: float, faces: tuple[tuple[int, Face, UInt8Array], ...]) -> None:
        """Add the faces of a sampled picture: (track number, face, aligned face) of each."""
        self._sampled += 1
        self._instants.append(time)
        largest = sorted(faces, key=lambda found: -found[1].area)[:MOST_FACES]
        kept = {track for track, _, _ in (largest if self._main_only else faces)}
        for track, face, aligned in faces:
            self._sights.append(Sight(time, track, face, aligned if track in kept else None))
            known = self._known.setdefault(track, _Track())
            known.sights, known.last_seconds = known.sights + 1, time

    def between(self, start: float, stop: float) -> dict[int, list[Sight]]:
        """The sights of each numbered person in [start, stop)."""
        inside = [
            sight
            for sight in self._sights
            if not _is_before(sight, start) and _is_before(sight, stop)
        ]
        self._number_people(inside)
        seen: dict[int, list[Sight]] = {}
        for sight in inside:
            person = self._known[sight.track].person
            if person is not None:
                seen.setdefault(person, []).append(sight)
        return seen

    def present(
        self, seen: Mapping[int, list[Sight]], spans: Float64Array, start: float, stop: float
    ) -> list[set[int]]:
        """Who is in view at each sampled instant of some spans; of [start, stop) if they have none.

        spans: (N, 2) seconds.
        """
        first, last = (bisect_left(self._instants, time) for time in (start, stop))
        inside = np.array(self._instants[first:last])
        spoken = ((spans[:, :1] <= inside) & (inside < spans[:, 1:])).any(axis=0)
        present: dict[float, set[int]] = {
            time: set() for time in inside[spoken if spoken.any() else slice(None)].tolist()
        }
        for person, sights in seen.items():
            for sight in sights:
                if sight.time_seconds in present:
                    present[sight.time_seconds].add(person)
        return list(present.values())

    def face_track(self, person: int, sights: list[Sight], window: float) -> FaceTrack | None:
        """The faces of a person in a window of so many seconds; None if they tell too little."""
        kept = [(sight, sight.aligned) for sight in sights if sight.aligned is not None]
        seconds = min(len(sights) / self._rate_hz, window)
        sliver = min(SLIVER_SECONDS, SLIVER_SHARE * window)
        if not kept or (seconds < sliver and np.isfinite(self._rate_hz)):
            return None
        picture = kept[-1][0].face.picture
        faces = [sight.face.on(picture) for sight, _ in kept]
        return FaceTrack(
            images=np.stack([aligned for _, aligned in kept]),
            times_seconds=np.array([sight.time_seconds for sight, _ in kept]),
            boxes=np.stack([face.box for face in faces]),
            quality=np.array([sight.face.confidence for sight, _ in kept], np.float32),
            landmarks=np.stack([face.landmarks for face in faces]),
            track_id=person,
            seconds=seconds,
            picture=picture,
        )

    def forget(self, before: float, stop: float) -> tuple[Sight, ...]:
        """Forget what no later window needs; return the sights of numbered people among it.

        stop: how far the source has come.
        """
        leaving = []
        while self._sights and _is_before(self._sights[0], before):
            leaving.append(self._sights.popleft())
        numbered = tuple(
            replace(sight, person=person, seconds=self._until_next(sight, stop))
            for sight in leaving
            if (person := self._known[sight.track].person) is not None
        )
        del self._instants[: max(0, bisect_right(self._instants, before) - 1)]
        del self._cuts[: bisect_right(self._cuts, before)]
        oldest = before - PATIENCE_SECONDS
        self._known = {
            key: track for key, track in self._known.items() if track.last_seconds >= oldest
        }
        return numbered

    def _number_people(self, inside: list[Sight]) -> None:
        """Number the tracks that have been seen for half a second.

        In material of less than a second, half of its sampled instants are enough.
        """
        needed = min(PERSON_SECONDS * self._rate_hz, self._sampled / 2)
        for sight in inside:
            track = self._known[sight.track]
            if track.person is None and track.sights >= needed:
                track.person, self._people = self._people, self._people + 1

    def _until_next(self, sight: Sight, stop: float) -> float:
        """How long a sight stands for: until the next sampled instant, cut or end of the source.

        So that the sights of one person never add up to more than the source lasts; where no
        instant follows soon, it stands for the usual time between two.
        """
        time, usual = sight.time_seconds, 1 / self._rate_hz
        later = bisect_right(self._instants, time)
        after = (self._instants[later] if later < len(self._instants) else np.inf) - time
        lasting = after if after <= _LONGEST_STAND * usual else usual
        cut = next((each for each in self._cuts if each > time), np.inf)
        return float(max(0.0, min(lasting, min(cut, stop) - time)))
