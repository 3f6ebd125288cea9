"""Pictures in, who is where in them out: cuts, faces, tracks.

The half of the work that needs pictures alone: for a file it runs ahead, in a thread or a process
of its own.
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
from facevoice.evidence.people import Tracks
from facevoice.evidence.plan import Plan
from facevoice.evidence.prefetch import prefetched
from facevoice.faces.align import align
from facevoice.faces.detect import Detector
from facevoice.faces.find import FaceFinder
from facevoice.media import View
from facevoice.types import Face, UInt8Array

VIEWS_AHEAD: Final = 12  # pictures that wait: bounds the memory

_CALM_SECONDS: Final = 2.0  # at most so late is somebody noticed who walks into a calm shot


@dataclass(frozen=True, slots=True)
class Followed:
    """A picture, looked at.

    time_seconds, light: see ``View``; None where no mouth needs it. cut: it starts a new shot.
    faces: with the number of each one's track and the aligned face, (256, 256, 3) uint8 RGB; None
        if this picture was not sampled.
    """

    time_seconds: float
    light: UInt8Array | None
    cut: bool
    faces: tuple[tuple[int, Face, UInt8Array], ...] | None


class Follower:
    """Takes all pictures in order; gives each back followed, two pictures late.

    with_light: hand on the brightness of as many pictures as mouths are watched in.
    """

    def __init__(self, detector: Detector, *, with_light: bool = True) -> None:
        self._finder = FaceFinder(detector, calm_seconds=_CALM_SECONDS)
        self._tracks, self._cuts = Tracks(), CutFinder()
        self._unsettled: deque[View] = deque()
        self._pace = Pace() if with_light else None
        self._afresh = self._doubt = False

    def __len__(self) -> int:
        """How many tracks are remembered."""
        return len(self._tracks)

    def push(self, view: View) -> list[Followed]:
        """Take the next picture."""
        self._unsettled.append(view)
        return [
            self._follow(settled) for settled in self._cuts.push(view.time_seconds, view.thumbnail)
        ]

    def flush(self) -> list[Followed]:
        """Settle the pictures that wait without knowing the next ones."""
        return [self._follow(settled) for settled in self._cuts.flush()]

    def _follow(self, settled: Settled) -> Followed:
        """The next picture that waits, of which is known whether it starts a new shot."""
        view = self._unsettled.popleft()
        cut = settled.kind == "cut"
        if cut:
            self._tracks.cut()
        light = self._needed_light(view, cut=cut)
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

    def _needed_light(self, view: View, *, cut: bool) -> UInt8Array | None:
        if self._pace is None:
            return None
        if cut:
            self._pace.cut()
        return view.light if self._pace.take(view.time_seconds) else None


def follow_file(
    path: Path, plan: Plan, detector: Callable[[], Detector], *, with_light: bool
) -> Generator[Followed, None, None]:
    """All pictures of a file, followed; decoding has its own thread.

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
