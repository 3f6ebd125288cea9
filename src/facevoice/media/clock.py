"""Presentation times of the frames of one stream, made of their stamps and their durations."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Generic, Protocol, TypeVar

from facevoice.media.stamps import (
    BACK_SECONDS,
    JITTER_SECONDS,
    How,
    Line,
    PictureLine,
    Stamped,
)
from facevoice.types import is_finite, require

TIME_TOLERANCE: Final = 1e-6
"""Rounding error in seconds that is allowed where a time is compared with a bound."""

UNRELATED_SECONDS: Final = 86_400.0
"""Streams of one source whose first stamps are further apart share no clock."""

LOOK_SECONDS: Final = 2.0
"""Sound after a doubtful stamp that is read to judge it."""

_AHEAD: Final = 3600.0  # seconds; a larger jump ahead means that the clock was restarted
_APART: Final = 10.0  # seconds allowed between the pictures and the sound of a live source
_SOON_SECONDS: Final = 0.25  # between the first two pictures, without a second thought
_FEW_FAULTS: Final = 0.1  # share of stamps that run backwards; those are damaged, not unreliable
_MOST_HELD: Final = 400  # frames of sound; they may be very short


class HasStamps(Protocol):
    """A packet, or a decoded frame."""

    @property
    def pts(self) -> int | None:
        """Presentation stamp in units of the time base."""

    @property
    def dts(self) -> int | None:
        """Decoding stamp in units of the time base."""

    @property
    def time_base(self) -> Fraction | None:
        """In seconds; None: that of the stream."""


Item = TypeVar("Item", bound=HasStamps)


def check_span(start_seconds: float | None, stop_seconds: float | None) -> None:
    """Check the bounds of a half-open span of time.

    Raises:
        InvalidInputError: a bound is not finite, or the span ends before it starts.
    """
    for bound in (start_seconds, stop_seconds):
        require(
            bound is None or is_finite(bound),
            f"a span of time needs finite seconds, got {bound!r}",
        )
    require(
        start_seconds is None or stop_seconds is None or stop_seconds >= start_seconds,
        f"the span [{start_seconds}, {stop_seconds}) ends before it starts: swap its bounds",
    )


@dataclass(slots=True)
class SharedClock:
    """State shared by the picture clock and the sound clock of one live source.

    reached: the latest time that either clock has reached; None before the first frame.
    offset: seconds added to the stamps since the last restart.
    """

    reached: float | None = None
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """How far ahead a clock looks to judge a doubtful stamp.

    seconds: of sound. pictures: a number, since they take room.
    """

    seconds: float = LOOK_SECONDS
    pictures: int = 16


@dataclass(frozen=True, slots=True)
class _Held(Generic[Item]):
    """A frame whose time is not decided yet; stamp: in seconds, None if it has none."""

    item: Item
    stamp: float | None
    length: float


class Clock(Generic[Item]):
    """Presentation times of the frames of one stream: as stamped, where its durations support that.

    - The stamp of a frame is ``pts * time_base``, or that of ``dts`` where the container has no pts
      (``stamped`` is false) or they are unreliable: if more than a tenth of them run backwards, and
      more often than dts.
    - A frame without a stamp follows its predecessor directly; the first one is at 0.
    - A stamp that is not where its predecessors lead is held until those after it have come (see
      ``Look``). If they return to where the stream was, it was damaged and is mended. If they run
      on from it, it is right: there was a gap. If they do neither (they stand still), the stream
      goes on by the durations of its frames, and each such stamp counts as mended.
    - A clock that steps back by more than a second, or ahead by more than an hour, and runs on from
      there was restarted (joined recordings): the stream continues where it was.
    - A stream that starts more than a day after the other one of its source (``beside``) shares no
      clock with it: it is moved to the start of the other.
    - The clocks of pictures and sound of a live source have a ``shared`` state: neither may jump
      more than ten seconds ahead of both, and if both are restarted (a camera was plugged in
      again), they stay in step.

    time_base: of the stream. line: how frames of its kind follow one another. stamped: whether the
    container has presentation stamps. AVI has none: FFmpeg guesses them.
    """

    def __init__(
        self,
        time_base: Fraction,
        line: Line,
        *,
        shared: SharedClock | None = None,
        beside: float | None = None,
        look: Look = Look(),
        stamped: bool = True,
    ) -> None:
        self._time_base, self._line, self._shared, self._beside = time_base, line, shared, beside
        self._look_seconds, self._pictures = look.seconds, isinstance(line, PictureLine)
        self._most_held = look.pictures if self._pictures else _MOST_HELD
        self._held: deque[_Held[Item]] = deque()
        self._offset = 0.0
        self._stamps = _BestStamps(stamped)
        self.mended = 0
        """Stamps that were not taken as they are."""
        self.restarted = False
        """Whether the clock was restarted, or moved to that of the other stream."""

    def push(self, item: Item, length_seconds: float) -> list[tuple[float, Item]]:
        """Add the next frame; return the frames whose times are decided, in order."""
        ticks = self._stamps.best(item.pts, item.dts)
        base = item.time_base or self._time_base
        stamp = None if ticks is None else ticks * base.numerator / base.denominator
        self._held.append(_Held(item, stamp, length_seconds))
        return self._decided(ended=False)

    def flush(self) -> list[tuple[float, Item]]:
        """Return the remaining frames at the end of the stream."""
        return self._decided(ended=True)

    def _decided(self, *, ended: bool) -> list[tuple[float, Item]]:
        found = []
        while self._held:
            enough = ended or self._sees_enough()
            head = self._held[0]
            first = self._line.last is None
            time = self._first(head, enough) if first else self._next(head, enough)
            if time is None:
                break
            self._held.popleft()
            if self._shared is not None:
                reached = time + head.length
                self._shared.reached = max(self._shared.reached or reached, reached)
            found.append((time, head.item))
        return found

    def _sees_enough(self) -> bool:
        """Whether enough frames are held to judge the oldest of them."""
        count = len(self._held) - 1
        if count >= self._most_held:
            return True
        if self._pictures or count < 2:
            return False
        return sum(held.length for held in self._held) - self._held[0].length >= self._look_seconds

    def _first(self, head: _Held[Item], enough: bool) -> float | None:  # noqa: FBT001
        """The time of the first frame; None: not decided."""
        stamp = head.stamp
        if stamp is not None and self._shared is not None:
            return self._taken(self._continued(stamp), head, "off line")
        if not (enough or (self._pictures and self._starts_well())):
            return None
        time, later = 0.0 if stamp is None else stamp, self._later()
        if stamp is not None and later:
            time = self._line.first(Stamped(stamp, head.length), later, self._beside)
            self.mended += time != stamp
        if self._beside is not None and time - self._beside > UNRELATED_SECONDS:
            self._offset, self.restarted = self._beside - time, True
            self.mended += 1
            time = self._beside
        return self._taken(time, head, "off line")

    def _starts_well(self) -> bool:
        """Whether the second picture follows the first as usual, so that neither is doubtful."""
        if len(self._held) < 2:
            return False
        first, second = self._held[0], self._held[1]
        if first.stamp is None or second.stamp is None:
            return first.stamp == second.stamp
        return 0 < second.stamp - first.stamp <= max(2 * first.length, _SOON_SECONDS)

    def _next(self, head: _Held[Item], enough: bool) -> float | None:  # noqa: FBT001
        """The time of the next frame; None: not decided."""
        line = self._line
        if head.stamp is None:
            return self._taken(line.expected, head, "in line")
        time = head.stamp + self._offset
        if line.fits(time):
            return self._taken(time, head, "in line")
        if not enough:
            return None
        later, at = self._later(), Stamped(time, head.length)
        right = line.mended(at, later)
        if right is None and line.runs_on(at, later):
            return self._taken(self._continued(head.stamp), head, "off line")
        right = line.expected if right is None else right
        self.mended += self._pictures or abs(time - right) > JITTER_SECONDS
        return self._taken(right, head, "mended")

    def _taken(self, time: float, head: _Held[Item], how: How) -> float:
        self._line.take(time, head.length, how)
        return time

    def _later(self) -> list[Stamped]:
        held = iter(self._held)
        next(held)
        return [
            Stamped(one.stamp + self._offset, one.length) for one in held if one.stamp is not None
        ]

    def _continued(self, stamp: float) -> float:
        """The time as stamped, or after a restart the time that continues the stream."""
        shared = self._shared or SharedClock()
        if self._line.last is None and shared.reached is None:
            return stamp
        for offset in (self._offset, shared.offset, 0.0):
            if self._plausible(stamp + offset):
                self._offset = offset
                return stamp + offset
        expected = self._line.expected if shared.reached is None else shared.reached
        self._offset = shared.offset = expected - stamp
        self.restarted = True
        return expected

    def _plausible(self, time: float) -> bool:
        reached = None if self._shared is None else self._shared.reached
        last, expected = self._line.last, self._line.expected
        if reached is not None:
            low = reached - _APART if last is None else last - BACK_SECONDS
            return low <= time <= reached + _APART
        return (expected if last is None else last) - BACK_SECONDS <= time <= expected + _AHEAD


class _BestStamps:
    """Chooses between the stamps of presentation and of decoding."""

    def __init__(self, stamped: bool) -> None:  # noqa: FBT001 - the only choice there is
        self._stamped = stamped
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._count = self._faulty_pts = self._faulty_dts = 0

    def best(self, pts: int | None, dts: int | None) -> int | None:
        """The presentation stamp, unless those run backwards often, and more often."""
        self._count += 1
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if not self._stamped and self._last_dts is not None:
            return dts  # None for the pictures that a decoder still holds at the end
        often = self._faulty_pts > max(self._faulty_dts, _FEW_FAULTS * self._count)
        return dts if dts is not None and (pts is None or often) else pts
