"""Views of pictures at graded cost, each for as long as it stands: until the next one.

A film of few or irregular pictures shows each of them for long: a freeze that was not written, a
recording of a screen. Whoever samples it several times a second sees the same picture again.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from facevoice.media.clock import TIME_TOLERANCE
from facevoice.media.pixels import ONE_THREAD, Converter
from facevoice.media.stream_decoder import Timed
from facevoice.types import Damage, Damaged, UInt8Array, ignored

THUMBNAIL: Final = (48, 64)
"""Height and width of thumbnails, whatever the shape of the picture."""
PAUSE_SECONDS: Final = 60.0
"""Longest stretch of a steady film with neither a new picture nor sound in which one stands."""

_STAMP_ROUNDING: Final = 1e-3  # seconds; Matroska and FLV round time stamps to milliseconds
_WRONG_BY: Final = 2.0  # times the true length of a picture
_LONGEST_SECONDS: Final = 300.0  # that a picture may stand
_LONGEST_STEADY: Final = 10.0  # between pictures of a film; after a longer gap it was interrupted


@dataclass(frozen=True, slots=True)
class View:
    """One decoded picture, upright, as thumbnail, brightness and colour.

    time_seconds: presentation time.
    thumbnail: (48, 64, 3) uint8 RGB, area means of the picture as it is stored (not rotated).
    light: (H, W) uint8 brightness, of the size that ``image`` would have; None if not requested.
    image: (H, W, 3) uint8 RGB; None if colour was not requested at this instant.
    until: if this is the picture before, which still stands at a later sampled instant: how long
        it goes on to stand, at most until the next instant. None: a new picture.
    resumes: of a picture that still stands, if others of its film come fast and the next one takes
        longer than ``PAUSE_SECONDS``: when that comes. Without sound, this is a gap.
    """

    time_seconds: float
    thumbnail: UInt8Array
    light: UInt8Array | None
    image: UInt8Array | None
    until: float | None = None
    resumes: float | None = None

    @property
    def again(self) -> bool:
        """Whether this is the picture before, which still stands."""
        return self.until is not None

    def standing(
        self, instants: Iterable[float], until: float, resumes: float | None = None
    ) -> "Iterator[View]":
        """This picture at later instants, the last of which lasts until then."""
        times = [*instants, until]
        for time, next_time in pairwise(times):
            yield replace(self, time_seconds=time, until=next_time, resumes=resumes)


class Sampling:
    """Selects the first picture at or after each instant start + k / rate.

    rate_hz: None selects all pictures. start_seconds: None starts at the first picture.
    """

    def __init__(self, rate_hz: float | None, start_seconds: float | None) -> None:
        self._rate_hz = rate_hz
        self._start = start_seconds
        self._next = 0

    def take(self, time: float) -> bool:
        """Whether to select the picture at ``time``; call in order of time."""
        if self._rate_hz is None:
            return True
        if self._start is None:
            self._start = time
        passed = self._passed(time)
        if passed < self._next:
            return False
        self._next = passed + 1
        return True

    def _passed(self, time: float) -> int:
        """The number of the last instant at or before ``time``."""
        return math.floor((time + _STAMP_ROUNDING - (self._start or 0.0)) * (self._rate_hz or 0.0))

    def missed(self, time: float, since: float, *, ends: bool = False) -> list[float]:
        """The instants from ``since`` up to ``time`` for which no picture was selected.

        They count as selected from now on. The last of them is left to the picture that comes at
        ``time``, unless it ``ends`` there.
        """
        if self._rate_hz is None or self._start is None:
            return []
        rate, start = self._rate_hz, self._start
        first, self._next = self._next, max(self._next, self._passed(time) + ends)
        latest = min(self._next, math.ceil((since + _LONGEST_SECONDS - start) * rate))
        instants = (start + number / rate for number in range(first, latest))
        return [instant for instant in instants if since < instant < time - TIME_TOLERANCE]


class Viewer:
    """Makes views of the decoded pictures of one stream; with_light: see ``iter_views``."""

    def __init__(self, *, with_light: bool = True) -> None:
        self._with_light = with_light
        self._converter, self._thumbnails = Converter(), VideoReformatter()

    def view(self, timed: Timed[VideoFrame], *, in_colour: bool) -> View | None:
        """Convert one picture; None if it is damaged."""
        time, picture, ratio, _ = timed
        height, width = THUMBNAIL
        try:
            small = self._thumbnails.reformat(
                picture,
                width,
                height,
                "rgb24",
                interpolation=Interpolation.AREA,
                **ONE_THREAD,
            )
            thumbnail = np.asarray(small.to_ndarray(), np.uint8)
        except (FFmpegError, ValueError):
            return None
        light = self._converter.convert(picture, ratio, "gray") if self._with_light else None
        image = self._converter.convert(picture, ratio, "rgb24") if in_colour else None
        if (self._with_light and light is None) or (in_colour and image is None):
            return None
        return View(time, thumbnail, light, image)


class Views:
    """Makes views of the decoded pictures of one stream: of each as it comes, and while it stands.

    rate_hz: sampled instants per second, see ``Sampling``: at each of them there is a view in
        colour, of the last picture again if no new one has come.
    start_seconds: of the span. What stands at its start is the picture before it.
    damaged: called with each corrupt picture of the span. It is not viewed, and the picture before
        it does not stand in for it.
    """

    def __init__(
        self,
        rate_hz: float,
        start_seconds: float | None,
        viewer: "Viewer",
        damaged: Damaged = ignored,
    ) -> None:
        self._damaged = damaged
        self._sampling = Sampling(rate_hz, start_seconds)
        self._start = -math.inf if start_seconds is None else start_seconds - TIME_TOLERANCE
        self._viewer = viewer
        self._standing: Timed[VideoFrame] | None = None
        self._view: View | None = None
        self._last = -math.inf
        self._gaps: deque[tuple[float, float]] = deque(maxlen=2)  # and what those pictures say

    def push(self, timed: Timed[VideoFrame]) -> Iterator[View]:
        """Take the next picture; one that is not later than its predecessor is left out."""
        at = timed.seconds
        if timed.corrupt:
            yield from self._gone(at)
            return
        if at <= self._last:
            return
        if self._standing is not None:
            gap = at - self._standing.seconds
            if gap > _LONGEST_SECONDS and self._is_steady:  # nothing was recorded
                usual = self._standing.seconds + self._shortest_gap
                yield from self._again(usual, ends=True)
            else:
                yield from self._again(at)
                self._gaps.append((gap, _duration(self._standing.frame)))
        self._standing, self._view, self._last = timed, None, at
        if at >= self._start:
            self._view = self._viewer.view(timed, in_colour=self._sampling.take(at))
            if self._view is not None:
                yield self._view

    def _gone(self, time: float) -> Iterator[View]:
        """A corrupt picture takes the last one off: what is shown from then on is unknown."""
        if time >= self._start:
            self._damaged(Damage(corrupt_pictures=1))
        if time > self._last:
            yield from self._again(time, ends=True)
            self._standing, self._view, self._last = None, None, time

    def until(self, stop: float, resumes: float) -> Iterator[View]:
        """The next picture comes at ``resumes``, which is ``stop`` or later, and does not count."""
        yield from self._again(stop, ends=True, resumes=resumes)

    def end(self, stop: float | None) -> Iterator[View]:
        """There are no more pictures: the last one lasts as it says, or as those before it.

        The longer counts, unless those before it did not last as they say: what a picture says may
        come from a wrong rate in a header.
        """
        if self._standing is not None:
            lasting = self._shortest_gap
            wrong = [stated > _WRONG_BY * gap for gap, stated in self._gaps]
            if not wrong or not all(wrong):
                lasting = max(lasting, _duration(self._standing.frame))
            time = self._standing.seconds + lasting
            end = time if stop is None else min(time, stop)
            if not self._gaps:  # what a single picture says is a hint: it counts for a minute
                minute = min(end, self._standing.seconds + PAUSE_SECONDS)
                yield from self._again(minute, ends=True)
            yield from self._again(end, ends=True, resumes=time)

    @property
    def _is_steady(self) -> bool:
        return 0 < self._shortest_gap < _LONGEST_STEADY

    @property
    def _shortest_gap(self) -> float:
        return min((gap for gap, _ in self._gaps), default=0.0)

    def _again(
        self, time: float, *, ends: bool = False, resumes: float | None = None
    ) -> Iterator[View]:
        """The last picture, at the sampled instants that pass before ``time``.

        resumes: when the next picture comes; None: at ``time``.
        """
        if self._standing is None:
            return
        instants = self._sampling.missed(time, self._standing.seconds, ends=ends)
        if instants and (self._view is None or self._view.image is None):
            self._view = self._viewer.view(self._standing, in_colour=True)
        if self._view is not None:  # it is not damaged
            until = min(time, self._standing.seconds + _LONGEST_SECONDS)
            resumes = time if resumes is None else resumes
            lasting = resumes - self._standing.seconds
            pauses = lasting > PAUSE_SECONDS and (self._is_steady or (ends and not self._gaps))
            yield from self._view.standing(instants, until, resumes if pauses else None)


def _duration(picture: VideoFrame) -> float:
    """How long a picture lasts in seconds; 0 if it does not say."""
    if not picture.duration or picture.time_base is None:
        return 0.0
    return max(0.0, float(picture.duration * picture.time_base))
