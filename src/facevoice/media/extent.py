"""Measures from when to when a file lasts, by the stamps of its packets; nothing is decoded."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Final, NamedTuple

from av.packet import Packet
from av.stream import Stream

from facevoice.media.clock import UNRELATED_SECONDS, Clock
from facevoice.media.stamps import PictureLine

_USUAL_LENGTH: Final = 0.04  # seconds, of packets that state none
_ALONE_SECONDS: Final = 0.25  # between a packet at either end and the others; a longer gap ...
_ALONE_STEPS: Final = 2.5  # ... that is also so many times the usual is doubtful
_DELAY_SPREAD: Final = 4.0  # times the median; a longer one comes from a damaged stamp


class _Stamps(NamedTuple):
    """A packet in the order of decoding."""

    pts: None
    dts: int | None
    time_base: Fraction | None


@dataclass(slots=True)
class _Line:
    """One stream: its clock, a packet's length, its first and last packets, and all delays."""

    kind: str
    steps: PictureLine
    clock: "Clock[_Stamps]"
    length: float = _USUAL_LENGTH
    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=lambda: deque(maxlen=2))
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=500))

    def add(self, found: Iterable[tuple[float, _Stamps]]) -> None:
        """Note the times of packets."""
        for seconds, _ in found:
            self.last.append(max(seconds, *self.last) if self.last else seconds)
            if len(self.first) < 2:
                self.first.append(seconds)

    @property
    def usual(self) -> float:
        """How long a packet lasts."""
        return self.steps.usual or self.length

    def start(self, others: "Iterable[_Line]") -> float:
        """The first instant: that of the second packet if the first is alone, far before all."""
        second = self.first[-1] - self.usual
        alone = second - self.first[0] > max(_ALONE_SECONDS, _ALONE_STEPS * self.usual)
        beside = any(
            abs(second - start) <= _ALONE_SECONDS for line in others for start in line.first
        )
        return second if alone and beside else self.first[0]

    @property
    def stop(self) -> float:
        """The end of the last packet; of the one before if the last is sound far behind it."""
        before, last = self.last[0], self.last[-1]
        alone = last - before > max(_ALONE_SECONDS, _ALONE_STEPS * self.usual)
        return (before if alone and self.kind == "audio" else last) + self.usual

    @property
    def delay(self) -> float:
        """How long after its decoding a picture is shown, on average."""
        longest = _DELAY_SPREAD * median(self.delays) if self.delays else 0.0
        right = [delay for delay in self.delays if delay <= longest]
        return sum(right) / len(right) if right else 0.0


class Extent:
    """The span that the streams of a file cover, as far as their packets have been read.

    Stamps are mended as those of decoded frames are; see ``Clock``. Exact to a few pictures.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def add(self, packet: "Packet[Stream]") -> None:
        """Add a packet of pictures or sound."""
        stream, base = packet.stream, packet.time_base
        if not packet.size or base is None or packet.is_discard:
            return
        if stream.type not in self._lines:
            steps = PictureLine()
            self._lines[stream.type] = _Line(stream.type, steps, Clock(base, steps))
        line = self._lines[stream.type]
        line.length = float(base) * (packet.duration or 0) or line.length
        if packet.pts is not None and packet.dts is not None:
            delay = float(base) * (packet.pts - packet.dts)
            if delay >= 0:
                line.delays.append(delay)
        ticks = packet.pts if packet.dts is None else packet.dts
        line.add(line.clock.push(_Stamps(None, ticks, base), line.length))

    def finish(self) -> None:
        """There are no more packets."""
        for line in self._lines.values():
            line.add(line.clock.flush())

    @property
    def seconds(self) -> float:
        """Length of the span so far, without the delays of pictures."""
        spans = [(self._start(line), line.stop) for line in self._started]
        first, last = _joined(spans) if spans else (0.0, 0.0)
        return last - first

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last instant in seconds; None without packets."""
        spans = [(self._start(line) + line.delay, line.stop + line.delay) for line in self._started]
        return _joined(spans) if spans else None

    def start_of(self, kind: str) -> float | None:
        """The first stamp of the "video" or "audio" stream; None if it has not come so far."""
        return next((self._start(line) for line in self._started if line.kind == kind), None)

    def starts_at(self, seconds: float, tolerance: float) -> bool:
        """Whether that may be the first instant, for all that is known of delays."""
        starts = [(self._start(line), line.delay) for line in self._started]
        return any(
            0 <= seconds - start + tolerance <= delay + 2 * tolerance for start, delay in starts
        )

    @property
    def _started(self) -> list[_Line]:
        return [line for line in self._lines.values() if line.first]

    def _start(self, line: _Line) -> float:
        return line.start(other for other in self._started if other is not line)


def _joined(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """The span of streams; those that share no clock are joined at their starts."""
    begin = min(start for start, _ in spans)
    shifts = [start - begin if start - begin > UNRELATED_SECONDS else 0.0 for start, _ in spans]
    return begin, max(stop - shift for (_, stop), shift in zip(spans, shifts, strict=True))
