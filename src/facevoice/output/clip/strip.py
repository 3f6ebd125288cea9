"""The strip of faces: a few small pictures of the main person, however long the clip."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from facevoice.branches import Branch, PerFaceBranch, leaves
from facevoice.output.html.thumbnails import thumbnail
from facevoice.types import Evidence, Float64Array, UInt8Array

MOST_FACES: Final = 16


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One aligned face.

    jpeg: 112x112 pixels.
    emotion, score: the arg-max of the strip's branch for this face; None if no branch has one.
    """

    jpeg: bytes = field(repr=False)
    time_seconds: float
    emotion: str | None
    score: float | None


class FaceStrip:
    """Collects every n-th face; n doubles whenever twice as many as needed are collected.

    The first branch of the tree that scores single faces labels each face; the strip
    shows the faces that this branch reads. This scores the faces of each window a second time.
    """

    def __init__(self, tree: Branch) -> None:
        # whether a branch scores single faces is known once it has seen some
        self._branches = [leaf for leaf in leaves(tree) if isinstance(leaf, PerFaceBranch)]
        self._kept: list[Thumbnail] = []
        self._every = 1
        self._seen = 0

    @property
    def branch_name(self) -> str | None:
        """The branch that scores single faces."""
        return self._branches[0].name if self._branches else None

    def look(self, evidence: Evidence) -> None:
        """Collect faces of one window."""
        track = evidence.faces
        if track is None:
            return
        chosen, each = self._scored(track.images)
        for number, face in enumerate(chosen):
            if number and np.array_equal(track.images[face], track.images[chosen[number - 1]]):
                continue  # the same picture still stands
            self._seen += 1
            if (self._seen - 1) % self._every:
                continue
            emotion = score = None
            if each is not None:
                values = each[number]
                emotion, score = self._branches[0].labels[int(values.argmax())], float(values.max())
            time = float(track.times_seconds[face])
            self._kept.append(Thumbnail(thumbnail(track.images[face]), time, emotion, score))
            if len(self._kept) >= 2 * MOST_FACES:
                del self._kept[1::2]
                self._every *= 2

    def _scored(self, images: UInt8Array) -> tuple[list[int], Float64Array | None]:
        """Which faces to show, and their own scores (T, K); None if no branch has any."""
        while self._branches:
            branch = self._branches[0]
            chosen = branch.chosen(len(images))
            each = branch.frames_of_looks(branch.look(images[chosen]))
            if each is not None:
                return chosen.tolist(), each
            del self._branches[0]
        return list(range(len(images))), None

    def chosen(self) -> tuple[Thumbnail, ...]:
        """At most 16 of the faces, spaced evenly."""
        count = min(len(self._kept), MOST_FACES)
        indices = (2 * np.arange(count) + 1) * len(self._kept) // (2 * max(count, 1))
        return tuple(self._kept[index] for index in indices.tolist())
