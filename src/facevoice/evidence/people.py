"""Who is who from one sampled picture to the next, causally: place, size and looks.

A track is a person in sight. It survives a short loss if the same face comes back near its place
and surely looks the same; it ends at a cut, when its face is suddenly another one, and when it was
not seen for ``patience_seconds``. Ended tracks are forgotten, so memory does not grow with the
number of people ever seen. Nobody is recognised across cuts.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from facevoice.evidence.appearance import describe, likeness
from facevoice.faces.detect import overlap, stack_boxes
from facevoice.types import Face, Float32Array, UInt8Array

PATIENCE_SECONDS: Final = 3.0
"""How long a face may be out of sight before its track ends."""
_SLACK_SECONDS: Final = 1e-6
_FOLLOWED_SECONDS: Final = 0.45
"""After so long out of sight overlap alone no longer tells who it is."""
_LEAST_OVERLAP: Final = 0.2
_BRIEF_SECONDS: Final = 1.0
_ALIKE: Final = 0.5
"""Likeness from which a face that was lost briefly, or that jumped, counts as found again. Of two
faces in one picture 8 in 10 pairs share less, and those two are claimed by their own tracks."""
_SURE: Final = 0.8
"""Likeness (see ``appearance``) from which a lost face counts as found again. Faces in one picture
share 0.72 at most, six speakers before one wall 0.76 in 95 of 100 pairs."""
_STALE: Final = 0.2  # of the strength of a claim that a second out of sight costs
_NEAR: Final = 1.0  # sides of the face's box, a second, that a lost face may be away
_SIZES: Final = 1.6  # times larger or smaller
_SWAPPED: Final = 0.88
"""After a picture that may start a new shot, a face less alike than this is another one: one person
from one sampled instant to the next shares 0.95 in the median, different ones 0.88 at most."""
_NEW_VIEW: Final = 0.85  # a face less alike than this to all views is a new view of its track
_MOST_VIEWS: Final = 8


@dataclass(slots=True)
class _Track:
    """box: of the last sight. views: how the face looked, the last sight first."""

    number: int
    box: Float32Array
    views: list[Float32Array]
    seen_seconds: float


class Tracks:
    """Gives each face of each sampled picture the number of its track.

    Numbers count from 0 in the order of first sight and are never used again.
    """

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
        self._tracks: list[_Track] = []
        self._next_number = 0

    def __len__(self) -> int:
        """How many tracks are remembered."""
        return len(self._tracks)

    def cut(self) -> None:
        """End all tracks."""
        self._tracks = []

    def update(
        self, time: float, faces: list[Face], aligned: list[UInt8Array], *, doubt: bool = False
    ) -> list[int]:
        """Number the faces of the next picture.

        aligned: (256, 256, 3) uint8 RGB for each face.
        doubt: there may have been a cut since the last picture.
        """
        oldest = time - self.patience_seconds - _SLACK_SECONDS
        self._tracks = [track for track in self._tracks if track.seen_seconds >= oldest]
        looks = [describe(picture) for picture in aligned]
        known = np.array([track.box for track in self._tracks], np.float32).reshape(-1, 4)
        shared = overlap(known, stack_boxes(faces))
        claims = []
        for row, track in enumerate(self._tracks):
            for column, face in enumerate(faces):
                claim = _claim(track, face, looks[column], time, float(shared[row, column]))
                swapped = doubt and likeness(track.views[0], looks[column]) < _SWAPPED
                if claim is not None and not swapped:
                    claims.append((claim, row, column))
        chosen = _greedy(claims)
        return [
            self._sight(chosen.get(column), face, looks[column], time)
            for column, face in enumerate(faces)
        ]

    def _sight(self, row: int | None, face: Face, looks: Float32Array, time: float) -> int:
        if row is None:
            track = _Track(self._next_number, face.box, [looks], time)
            self._next_number += 1
            self._tracks.append(track)
            return track.number
        track = self._tracks[row]
        old = track.views[1:]
        if max((likeness(view, track.views[0]) for view in old), default=0.0) < _NEW_VIEW:
            old = [track.views[0], *old][: _MOST_VIEWS - 1]
        track.box, track.views, track.seen_seconds = face.box, [looks, *old], time
        return track.number


def _claim(
    track: _Track, face: Face, looks: Float32Array, time: float, shared: float
) -> float | None:
    """How strongly a track claims a face, greater is stronger; None: it does not."""
    away = time - track.seen_seconds - _SLACK_SECONDS
    if not _is_near(track.box, face.box, away):
        return None
    alike = max(likeness(view, looks) for view in track.views)
    followed = away <= _FOLLOWED_SECONDS and shared >= _LEAST_OVERLAP
    found_again = alike >= (_ALIKE if away <= _BRIEF_SECONDS else _SURE)
    # of two tracks that claim one face the one that was seen later is preferred
    return shared + alike - _STALE * away if followed or found_again else None


def _is_near(first: Float32Array, second: Float32Array, seconds: float) -> bool:
    """Whether a face may have moved from one box to the other in that time."""
    sides = [float(np.sqrt((box[2:] - box[:2]).prod())) for box in (first, second)]
    apart = float(np.hypot(*(first[:2] + first[2:] - second[:2] - second[2:]))) / 2
    similar = max(sides) <= _SIZES * min(sides)
    return similar and apart <= _NEAR * min(sides) * max(1.0, seconds)


def _greedy(claims: list[tuple[float, int, int]]) -> dict[int, int]:
    """Tracks by face: the strongest claim first, each track and face once."""
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for _, row, column in sorted(claims, reverse=True):
        if row not in taken and column not in chosen:
            taken.add(row)
            chosen[column] = row
    return chosen
