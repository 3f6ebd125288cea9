"""Follow people from picture to picture: cuts, faces, tracks.

This half of the work needs no sound: for a file it runs ahead, in a thread or process of its own.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.evidence.cuts import CutFinder, Settled
from facevoice.evidence.damage import with_damage
from facevoice.evidence.mouths import Mouths, Pace, TrackMotions
from facevoice.evidence.plan import Plan
from facevoice.evidence.prefetch import prefetched
from facevoice.evidence.tracks import Tracks
from facevoice.faces.align import align
from facevoice.faces.detect import Detector
from facevoice.faces.find import FaceFinder
from facevoice.media import View
from facevoice.types import Damage, Face, UInt8Array

VIEWS_AHEAD: Final = 12  # decoded pictures that may be queued: bounds the memory

_CALM_SECONDS: Final = 2.0  # the latest that someone who enters a calm shot is noticed


@dataclass(frozen=True, slots=True)
class Followed:
    """A picture and the people in it.

    time_seconds: presentation time.
    cut: whether it starts a new shot.
    faces: (track number, face, aligned face as (256, 256, 3) uint8 RGB) of each; None if this
        picture was not sampled.
    motions: of the mouths, since the last sampled picture; empty if they are not watched.
    until, resumes: see ``View``.
    """

    time_seconds: float
    cut: bool
    faces: tuple[tuple[int, Face, UInt8Array], ...] | None
    motions: tuple[TrackMotions, ...] = ()
    until: float | None = None
    resumes: float | None = None


class Follower:
    """Takes all pictures in order and returns each one followed, two pictures later.

    with_mouths: watch the mouths, for which the views need brightness.
    """

    def __init__(self, detector: Detector, *, with_mouths: bool = True) -> None:
        self._finder = FaceFinder(detector, calm_seconds=_CALM_SECONDS)
        self._tracks, self._cuts = Tracks(), CutFinder()
        self._unsettled: deque[View] = deque()
        self._pace = Pace() if with_mouths else None
        self._mouths = Mouths() if with_mouths else None
        self._afresh = self._doubt = False
        self._image: UInt8Array | None = None
        self._faces: list[Face] = []
        self._aligned: list[UInt8Array] = []
        self._numbers: list[int] = []

    def push(self, view: View) -> list[Followed]:
        """Take the next picture; return those that are settled by now."""
        if view.again:  # no new picture: it cannot start a shot
            self._unsettled.append(view)
            return self._again() if self._unsettled[0].again else []
        self._unsettled.append(view)
        return self._settled(self._cuts.push(view.time_seconds, view.thumbnail))

    def flush(self) -> list[Followed]:
        """Return the remaining pictures, settled without the ones after them."""
        return self._settled(self._cuts.flush())

    def _settled(self, pictures: Iterable[Settled]) -> list[Followed]:
        """Follow settled pictures, each for as long as it stands."""
        followed = []
        for settled in pictures:
            followed.append(self._follow(settled))
            followed += self._again()
        return followed

    def _again(self) -> list[Followed]:
        """Follow the views of the last picture that was followed, which still stands."""
        followed = []
        while self._unsettled and self._unsettled[0].again:
            view = self._unsettled.popleft()
            if self._pace is not None:  # a picture that stands says nothing about the mouth
                self._pace.take(view.time_seconds)
            followed.append(self._looked_at(view))
        return followed

    def _follow(self, settled: Settled) -> Followed:
        """Follow the oldest unsettled picture, now that it is known whether it starts a shot."""
        view = self._unsettled.popleft()
        cut = settled.kind == "cut"
        if cut:
            self._tracks.cut()
        self._watch(view, cut=cut)
        self._afresh |= settled.kind != "same"
        self._doubt |= settled.kind == "doubt"
        return self._looked_at(view, cut=cut)

    def _watch(self, view: View, *, cut: bool) -> None:
        """Hold the brightness of a new picture, if mouths are watched in it."""
        if self._pace is None or self._mouths is None:
            return
        if cut:
            self._pace.cut()
            self._mouths.cut()
        if self._pace.take(view.time_seconds) and view.light is not None:
            self._mouths.add_light(view.time_seconds, view.light)

    def _looked_at(self, view: View, *, cut: bool = False) -> Followed:
        """Find the faces in a picture, if it was sampled, and assign them to tracks."""
        time, image = view.time_seconds, view.image
        if image is None:
            return Followed(time, cut, None)
        if view.again and image is self._image:
            faces = self._finder.find_again(image, time)
        else:
            faces = self._finder.find(image, time, afresh=self._afresh)
        if view.again and faces is self._faces:
            self._tracks.stand(self._numbers, time)
        else:
            self._aligned = [align(image, face.landmarks) for face in faces]
            self._numbers = self._tracks.update(
                time, faces, self._aligned, doubt=self._doubt, again=view.again
            )
        self._image, self._faces = image, faces
        self._afresh = self._doubt = False
        found = tuple(zip(self._numbers, faces, self._aligned, strict=True))
        motions: tuple[TrackMotions, ...] = ()
        if self._mouths is not None:
            motions = self._mouths.measure(time, dict(zip(self._numbers, faces, strict=True)))
        return Followed(time, cut, found, motions, view.until, view.resumes)


def follow_file(
    path: Path, plan: Plan, detector: Callable[[], Detector], *, with_mouths: bool
) -> Generator[Followed | Damage, None, None]:
    """Yield all pictures of a file, followed, and the damage found on the way to them.

    They are decoded in a thread of their own.

    detector: makes the face detector. with_mouths: see ``Follower``.
    """
    views = partial(
        media.iter_views,
        path,
        rate_hz=plan.rate_hz,
        start_seconds=plan.start,
        stop_seconds=plan.asked_stop,
        with_light=with_mouths,
    )
    follower = Follower(detector(), with_mouths=with_mouths)
    last = plan.start
    read = with_damage(lambda damaged: views(damaged=damaged))
    with closing(prefetched(read, VIEWS_AHEAD)) as ready:
        for view in ready:
            if isinstance(view, Damage):
                yield view
                continue
            if view.time_seconds - last > plan.patience_seconds:
                yield from follower.flush()
            yield from follower.push(view)
            last = view.time_seconds
        yield from follower.flush()
