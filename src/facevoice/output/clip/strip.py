"""The strip of faces: a few small pictures of the main person, however long the clip."""

import io
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from PIL import Image

from facevoice.branches import Branch, FrameBranch, leaves
from facevoice.types import Evidence, UInt8Array

MOST_FACES: Final = 16
THUMBNAIL_SIZE: Final = 112
_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One aligned face.

    jpeg: 112x112 pixels.
    emotion, score: what the strip's branch sees in this face; None if no branch scores faces.
    """

    jpeg: bytes = field(repr=False)
    time_seconds: float
    emotion: str | None
    score: float | None


class FaceStrip:
    """Collects every n-th face; n doubles whenever twice as many as needed are collected.

    The first branch of the tree that scores single frames says what each face shows, and its
    faces are those of the strip. For that it scores the faces of each window once more.
    """

    def __init__(self, tree: Branch) -> None:
        self._branch = next((leaf for leaf in leaves(tree) if isinstance(leaf, FrameBranch)), None)
        self._kept: list[Thumbnail] = []
        self._every = 1
        self._seen = 0

    @property
    def branch_name(self) -> str | None:
        """The branch that scores single faces."""
        return None if self._branch is None else self._branch.name

    def look(self, evidence: Evidence) -> None:
        """Collect faces of one window."""
        track = evidence.faces
        if track is None:
            return
        found = None if self._branch is None else self._branch.frame_scores(evidence)
        times = track.times_seconds if found is None else found[0]
        for number, time in enumerate(times.tolist()):
            self._seen += 1
            if (self._seen - 1) % self._every:
                continue
            emotion = score = None
            if found is not None and self._branch is not None:
                values = found[1][number]
                emotion, score = self._branch.labels[int(values.argmax())], float(values.max())
            image = track.images[int(np.argmin(np.abs(track.times_seconds - time)))]
            self._kept.append(Thumbnail(thumbnail(image), time, emotion, score))
            if len(self._kept) >= 2 * MOST_FACES:
                del self._kept[1::2]
                self._every *= 2

    def chosen(self) -> tuple[Thumbnail, ...]:
        """At most 16 of the faces, spaced evenly."""
        count = min(len(self._kept), MOST_FACES)
        indices = (2 * np.arange(count) + 1) * len(self._kept) // (2 * max(count, 1))
        return tuple(self._kept[index] for index in indices.tolist())


def thumbnail(image: UInt8Array) -> bytes:
    """A face picture (H, W, 3) uint8 RGB as a small JPEG."""
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    small = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
