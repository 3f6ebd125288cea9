"""Match faces from one sampled picture to the next, causally, by place, size and appearance.

A track is a person in view. It survives a short loss if a face that surely looks the same returns
near its place; it ends at a cut, when its face is suddenly a different one, and when it has not
been seen for ``PATIENCE_SECONDS``. Ended tracks are forgotten, so memory does not grow with the
number of people ever seen. No one is recognised across cuts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from facevoice.evidence.appearance import describe, likeness
from facevoice.faces.detect import overlap, stack_boxes
from facevoice.types import Face, Float32Array, UInt8Array

PATIENCE_SECONDS: Final = 3.0
"""How long a face may be lost before its track ends."""
_SLACK_SECONDS: Final = 1e-6
_FOLLOWED_SECONDS: Final = 0.45
"""For a face that was lost for longer, overlap alone does not identify it."""
_LEAST_OVERLAP: Final = 0.2
_BRIEF_SECONDS: Final = 1.0
_ALIKE: Final = 0.5
"""Least likeness at which a face that was lost briefly, or that jumped, counts as found again. Of
the pairs of faces in one picture 8 in 10 share less, and the tracks of both claim their own."""
_SURE: Final = 0.8
"""Least likeness (see ``appearance``) at which a lost face counts as found again. Faces in one
picture share at most 0.72, six speakers in front of one wall 0.76 in 95 of 100 pairs."""
_STALE: Final = 0.2  # by which each second of loss weakens a claim
_NEAR: Final = 1.0  # sides of the face's box per second that a lost face may have moved
_SIZES: Final = 1.6  # largest ratio of two sizes of one face
_SWAPPED: Final = 0.88
"""After a picture that may start a new shot, a face less alike than this is a different one:
between successive sampled instants one person shares 0.95 (median), different ones at most 0.88.
In a film of few pictures, where those are further apart, ``_SURE`` is enough."""
_NEW_VIEW: Final = 0.85  # a face less alike to all views of its track than this is a new view
_MOST_VIEWS: Final = 8


@dataclass(slots=True)
class _Track:
    """face: at the last sight. views: descriptions of the face, the last sight first."""

    number: int
    face: Face
    views: list[Float32Array]
    seen_seconds: float


class Tracks:
    """Assigns each face of each sampled picture the number of its track.

    Numbers count from 0 in order of first sight and are not reused.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._shown_seconds = -np.inf

    def __len__(self) -> int:
        """Number of tracks in memory."""
        return len(self._tracks)

    def cut(self) -> None:
        """End all tracks."""
        self._tracks = []

    def update(
        self,
        time: float,
        faces: list[Face],
        aligned: list[UInt8Array],
        *,
        doubt: bool = False,
        again: bool = False,
    ) -> list[int]:
        """Return the track number of each face of the next picture.

        time: seconds.
        faces: all of one picture; of another size than the last one, it shows the same scene.
        aligned: (256, 256, 3) uint8 RGB of each face.
        doubt: whether there may have been a cut since the last picture.
        again: whether this is the last picture, which still stands.
        """
        oldest = time - PATIENCE_SECONDS - _SLACK_SECONDS
        self._tracks = [track for track in self._tracks if track.seen_seconds >= oldest]
        described = [describe(picture) for picture in aligned]
        for track in self._tracks if faces else ():
            track.face = track.face.on(faces[0].picture)
        known = stack_boxes([track.face for track in self._tracks])
        shared = overlap(known, stack_boxes(faces))
        brief = time - self._shown_seconds <= _FOLLOWED_SECONDS + _SLACK_SECONDS
        least = _SWAPPED if brief else _SURE
        if not again:
            self._shown_seconds = time
        claims = []
        for row, track in enumerate(self._tracks):
            for column, face in enumerate(faces):
                claim = _claim(track, face, described[column], time, float(shared[row, column]))
                swapped = doubt and likeness(track.views[0], described[column]) < least
                if claim is not None and not swapped:
                    claims.append((claim, row, column))
        chosen = _greedy(claims)
        return [
            self._assign(chosen.get(column), face, described[column], time)
            for column, face in enumerate(faces)
        ]

    def stand(self, numbers: Iterable[int], time: float) -> None:
        """The last picture still stands, with these tracks in it."""
        seen = set(numbers)
        for track in self._tracks:
            if track.number in seen:
                track.seen_seconds = time

    def _assign(self, row: int | None, face: Face, view: Float32Array, time: float) -> int:
        if row is None:
            track = _Track(self._next_number, face, [view], time)
            self._next_number += 1
            self._tracks.append(track)
            return track.number
        track = self._tracks[row]
        old = track.views[1:]
        if max((likeness(known, track.views[0]) for known in old), default=0.0) < _NEW_VIEW:
            old = [track.views[0], *old][: _MOST_VIEWS - 1]
        track.face, track.views, track.seen_seconds = face, [view, *old], time
        return track.number


def _claim(
    track: _Track, face: Face, view: Float32Array, time: float, shared: float
) -> float | None:
    """How strongly a track claims a face; None: it does not."""
    away = time - track.seen_seconds - _SLACK_SECONDS
    if not _is_near(track.face.box, face.box, away):
        return None
    alike = max(likeness(known, view) for known in track.views)
    followed = away <= _FOLLOWED_SECONDS and shared >= _LEAST_OVERLAP
    found_again = alike >= (_ALIKE if away <= _BRIEF_SECONDS else _SURE)
    # of two tracks that claim one face, the one seen more recently is preferred
    return shared + alike - _STALE * away if followed or found_again else None


def _is_near(first: Float32Array, second: Float32Array, seconds: float) -> bool:
    """Whether a face may have moved from one box to the other in that many seconds."""
    sides = [float(np.sqrt((box[2:] - box[:2]).prod())) for box in (first, second)]
    apart = float(np.hypot(*(first[:2] + first[2:] - second[:2] - second[2:]))) / 2
    similar = max(sides) <= _SIZES * min(sides)
    return similar and apart <= _NEAR * min(sides) * max(1.0, seconds)


def _greedy(claims: list[tuple[float, int, int]]) -> dict[int, int]:
    """Tracks by face, the strongest claim first; each track and face is used once."""
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for _, row, column in sorted(claims, reverse=True):
        if row not in taken and column not in chosen:
            taken.add(row)
            chosen[column] = row
    return chosen
