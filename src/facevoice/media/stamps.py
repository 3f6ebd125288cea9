"""Judges the time stamps of one stream by what follows them, and by how long its frames last.

A stamp is evidence, not truth: one may be damaged, a muxer may have clamped a whole series to one
value, and recordings that were joined each start their clock again. A stamp that is not where its
predecessors lead is judged by the frames after it: whether they return to the line, or run on from
the new place in step with their own durations.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median, median_low
from typing import Final, Literal, NamedTuple, Protocol

BACK_SECONDS: Final = 1.0
"""A larger step back that lasts means that the clock was restarted."""
JITTER_SECONDS: Final = 0.1
"""A smaller error of a stamp of sound is not counted as damage."""

_ON_LINE: Final = 0.015  # seconds; above the jitter of stamps, below the 20 ms of a lost packet
_IN_STEP: Final = (0.0015, 0.02)  # seconds (of rounding), and the share of a frame's length
_IN_STEP_ALL: Final = 0.03  # the same for a whole series: seconds, and the share of its length
_TOGETHER: Final = 0.25  # seconds between the starts of pictures and sound
_SLIVER: Final = 0.25  # seconds of sound before a gap at the start that may be misplaced
_CREEP: Final = 0.002  # seconds; clamped stamps of pictures advance by one tick, at most by 1 ms
_LONG_STEPS: Final = 2.5  # usual steps of pictures that need no second thought
_LONG_SECONDS: Final = 0.25  # nor does a step of so many seconds
_STRETCH: Final = 4.0  # usual steps, to which misplaced pictures may be spread
_SLOWEST: Final = 1 / 8  # of the usual step, on average; less is a clock that creeps
_STANDS: Final = 300.0  # seconds that a single picture at either end may stand apart
_STANDS_ALONE: Final = 60.0  # the same, if nothing else lasts until then
_STEPS_KEPT: Final = 15
_FEWEST_STEPS: Final = 3


class Stamped(NamedTuple):
    """A frame's stamp in seconds, and how long it lasts."""

    seconds: float
    length: float


How = Literal["in line", "off line", "mended"]
"""How a frame came by its time: stamped where its predecessors lead, or elsewhere, or mended."""


class Line(Protocol):
    """Where the frames of one stream lead: the next one is expected right after the last.

    last: the time of the last frame, None before the first; expected: of the next one, in seconds.
    """

    last: float | None
    expected: float

    def fits(self, at: float) -> bool:
        """Whether a stamp needs no judgement."""

    def mended(self, at: Stamped, later: Sequence[Stamped]) -> float | None:
        """The right time of a stamp that does not fit, if later ones return to the line."""

    def runs_on(self, at: Stamped, later: Sequence[Stamped]) -> bool:
        """Whether later frames confirm a stamp that does not fit."""

    def first(self, at: Stamped, later: Sequence[Stamped], beside: float | None) -> float:
        """The right time of the first frame of a stream.

        beside: where the other stream of the source starts; None if unknown.
        """

    def take(self, time: float, length: float, how: How) -> None:
        """Add the next frame, now that its time is decided."""


class SoundLine:
    """Sound is continuous: a frame starts where the samples before it end."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.expected = 0.0

    def fits(self, at: float) -> bool:
        """Whether a stamp is where the samples end."""
        return abs(at - self.expected) <= _ON_LINE

    def mended(self, at: Stamped, later: Sequence[Stamped]) -> float | None:
        """Where the samples end, if a later frame is far closer to the line."""
        near = min(JITTER_SECONDS, abs(at.seconds - self.expected) / 2)
        offsets = _offsets(self.expected + at.length, later)
        return self.expected if any(abs(off) <= near for off in offsets) else None

    def runs_on(self, at: Stamped, later: Sequence[Stamped]) -> bool:
        """Whether most steps, or the whole series, are as long as the samples."""
        if not later:
            return 0 < at.seconds - self.expected <= JITTER_SECONDS
        series = [at, *later]
        steps = [(after.seconds - now.seconds, now.length) for now, after in pairwise(series)]
        rounding, share = _IN_STEP
        in_step = sum(abs(step - length) <= rounding + share * length for step, length in steps)
        total = sum(length for _, length in steps)
        off = abs(sum(step for step, _ in steps) - total)
        whole = total >= _SLIVER and off <= _IN_STEP_ALL * (1 + total)
        return 2 * in_step >= len(steps) or whole

    def first(self, at: Stamped, later: Sequence[Stamped], beside: float | None) -> float:
        """The start that most frames agree on, unless the first ones are sound before a gap."""
        origins = [at.seconds, *_offsets(at.length, later)]
        origin = median(origins)
        agree = sum(abs(one - origin) <= JITTER_SECONDS for one in origins)
        if abs(origin - at.seconds) <= JITTER_SECONDS or 2 * agree <= len(origins):
            return at.seconds
        if origin < at.seconds:
            return origin
        early = [s for s, one in zip([at, *later], origins, strict=True) if one < origin - _ON_LINE]
        sliver = sum(stamped.length for stamped in early) < _SLIVER
        misplaced = origin - at.seconds > BACK_SECONDS or _is_beside(origin, beside)
        return origin if sliver and misplaced else at.seconds

    def take(self, time: float, length: float, how: How) -> None:
        """Go on by sample counts, so that stamps which creep do not pull the line along."""
        self.last = time
        self.expected = (time if how == "off line" else self.expected) + length


class PictureLine:
    """Pictures come at any time, each later than the one before, mostly at a steady rate.

    stop: until when the source lasts by its header, in seconds; inf if that is unknown, -inf if no
        header says so. A last picture that comes long after the others, and after that, is
        misplaced.
    usual: the usual step from one to the next in seconds, the mean of those near the median.
    """

    def __init__(self, stop: float = math.inf) -> None:
        self.last: float | None = None
        self.expected = 0.0
        self._stop = stop
        self._steps: deque[float] = deque(maxlen=_STEPS_KEPT)
        self.usual = 0.0

    @property
    def _creep(self) -> float:
        return _CREEP if self.usual > _STRETCH * _CREEP else 0.0

    def fits(self, at: float) -> bool:
        """Whether a stamp is later than the last, and not much later than usual."""
        longest = max(_LONG_STEPS * self.usual, _LONG_SECONDS)
        return self._creep < at - self._before <= longest

    @property
    def _before(self) -> float:
        return self.expected if self.last is None else self.last

    def mended(self, at: Stamped, later: Sequence[Stamped]) -> float | None:
        """Evenly spread up to the next picture that is between the last one and a stamp ahead."""
        last, longest = self._before, _STRETCH * self.usual
        own_step = at.seconds - last
        if 0 < own_step <= self._creep:  # a short step, or the first of many
            return None
        for number, (seconds, _) in enumerate(later, 2):
            step = (seconds - last) / number
            between = seconds < at.seconds if own_step > 0 else step <= longest
            if seconds - last > self._creep and between:
                return last + (step if step <= longest else self.usual)
        return None

    def runs_on(self, at: Stamped, later: Sequence[Stamped]) -> bool:
        """Whether most later pictures are later than the one before, at a rate that may be."""
        if not later:
            stop = self._stop + BACK_SECONDS
            refuted = -math.inf < stop < self._before
            alone = self._steps and stop < at.seconds and not refuted
            stands = _STANDS_ALONE if alone else _STANDS
            longest = max([stands, *(_LONG_STEPS * step for step in self._steps)])
            return 0 < at.seconds - self.expected <= longest
        steps = [after.seconds - now.seconds for now, after in pairwise([at, *later])]
        forward = sum(step > self._creep for step in steps)
        return 2 * forward >= len(steps) and sum(steps) >= _SLOWEST * len(steps) * self.usual

    def first(self, at: Stamped, later: Sequence[Stamped], beside: float | None) -> float:
        """As stamped, unless it is after a later picture, or long before all of them.

        That is long if the sound starts with the later ones.
        """
        steps = [after.seconds - now.seconds for now, after in pairwise(later)]
        forward = [step for step in steps if step > 0]
        if 2 * len(forward) <= len(steps) or not forward:
            return at.seconds
        usual = median(forward)
        origin = median(one.seconds - usual * number for number, one in enumerate(later, 1))
        near = max(_LONG_STEPS * usual, _LONG_SECONDS)
        longest = near if _is_beside(origin, beside) else _STANDS
        return at.seconds if -near <= origin - at.seconds <= longest else origin

    def take(self, time: float, length: float, how: How) -> None:
        """Go on by the usual step, which is learned from stamps that are right."""
        if self.last is not None and how != "mended" and time > self.last:
            self._steps.append(time - self.last)
        self.usual = length
        if len(self._steps) >= _FEWEST_STEPS:
            middle = median_low(self._steps)
            near = [step for step in self._steps if abs(step - middle) <= middle / 4]
            self.usual = sum(near) / len(near)
        self.last, self.expected = time, time + self.usual


def _is_beside(start: float, beside: float | None) -> bool:
    """Whether a stream that starts there does so together with the other one."""
    return beside is not None and abs(start - beside) <= _TOGETHER


def _offsets(line: float, frames: Sequence[Stamped]) -> list[float]:
    """How far successive frames are off the line, the first of which should be at ``line``."""
    offsets = []
    for seconds, length in frames:
        offsets.append(seconds - line)
        line += length
    return offsets
