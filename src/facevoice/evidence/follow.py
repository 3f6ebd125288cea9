"""Follow people from picture to picture: cuts, faces, tracks.

This half of the work needs no sound: for a file it runs ahead, in a thread or process of its own.
"""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.evidence.cuts import CutFinder, Settled
from facevoice.evidence.mouths import Pace
from facevoice.evidence.plan import Plan
from facevoice.evidence.prefetch import prefetched
from facevoice.evidence.tracks import Tracks
from facevoice.faces.align import align
from facevoice.faces.detect import Detector
from facevoice.faces.find import FaceFinder
from facevoice.media import View
from facevoice.types import Face, UInt8Array

VIEWS_AHEAD: Final = 12  # decoded pictures that may be queued: bounds the memory

_CALM_SECONDS: Final = 2.0  # the latest that someone who enters a calm shot is noticed


@dataclass(frozen=True, slots=True)
class Followed:
    """A picture and the people in it.

    time_seconds: presentation time.
    light: (H, W) uint8 brightness; None if no mouth is watched in this picture.
    cut: whether it starts a new shot.
    faces: (track number, face, aligned face as (256, 256, 3) uint8 RGB) of each; None if this
        picture was not sampled.
    """

    time_seconds: float
    light: UInt8Array | None
    cut: bool
    faces: tuple[tuple[int, Face, UInt8Array], ...] | None


class Follower:
    """Takes all pictures in order and returns each one followed, two pictures later.

    with_light: pass on the brightness of the pictures in which mouths are watched.
    """

    def __init__(self, detector: Detector, *, with_light: bool = True) -> None:
        self._finder = FaceFinder(detector, calm_seconds=_CALM_SECONDS)
        self._tracks, self._cuts = Tracks(), CutFinder()
        self._unsettled: deque[View] = deque()
        self._pace = Pace() if with_light else None
        self._afresh = self._doubt = False

    def push(self, view: View) -> list[Followed]:
        """Take the next picture; return those that are settled by now."""
        self._unsettled.append(view)
        return [
            self._follow(settled) for settled in self._cuts.push(view.time_seconds, view.thumbnail)
        ]

    def flush(self) -> list[Followed]:
        """Return the remaining pictures, settled without the ones after them."""
        return [self._follow(settled) for settled in self._cuts.flush()]

    def _follow(self, settled: Settled) -> Followed:
        """Follow the oldest unsettled picture, now that it is known whether it starts a shot."""
        view = self._unsettled.popleft()
        cut = settled.kind == "cut"
        if cut:
            self._tracks.cut()
            if self._pace is not None:
                self._pace.cut()
        watched = self._pace is not None and self._pace.take(view.time_seconds)
        light = view.light if watched else None
        self._afresh |= settled.kind != "same"
        self._doubt |= settled.kind == "doubt"
        if view.image is None:
            return Followed(view.time_seconds, light, cut, None)
        faces = self._finder.find(view.image, view.time_seconds, afresh=self._afresh)
        aligned = [align(view.image, face.landmarks) for face in faces]
        numbers = self._tracks.update(view.time_seconds, faces, aligned, doubt=self._doubt)
        self._afresh = self._doubt = False
        found = tuple(zip(numbers, faces, aligned, strict=True))
        return Followed(view.time_seconds, light, cut, found)


def follow_file(
    path: Path, plan: Plan, detector: Callable[[], Detector], *, with_light: bool
) -> Generator[Followed, None, None]:
    """Yield all pictures of a file, followed; they are decoded in a thread of their own.

    detector: makes the face detector. with_light: see ``Follower``.
    """
    views = media.iter_views(
        path,
        rate_hz=plan.rate_hz,
        start_seconds=plan.start,
        stop_seconds=plan.asked_stop,
        with_light=with_light,
    )
    follower = Follower(detector(), with_light=with_light)
    last = plan.start
    with closing(prefetched(views, VIEWS_AHEAD)) as ready:
        for view in ready:
            if view.time_seconds - last > plan.patience_seconds:
                yield from follower.flush()
            yield from follower.push(view)
            last = view.time_seconds
        yield from follower.flush()
