"""Measures from when to when a file lasts, by the stamps of its packets; nothing is decoded."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from av.packet import Packet
from av.stream import Stream

from facevoice.media.clock import UNRELATED_SECONDS, Clock
from facevoice.media.container import (
    links,
    opened,
    packets,
    picture_stream,
    sound_stream,
)
from facevoice.media.stamps import PictureLine

_USUAL_LENGTH: Final = 0.04  # seconds, of packets that state none
_DELAY_SPREAD: Final = 4.0  # times the median; a longer one comes from a damaged stamp


class _Stamps(NamedTuple):
    """A packet in the order of decoding."""

    pts: None
    dts: int | None
    time_base: Fraction | None


@dataclass(slots=True)
class _Line:
    """One stream: its clock, its first and last instant, a packet's length, and all delays."""

    clock: "Clock[_Stamps]"
    start: float = math.inf
    stop: float = -math.inf
    length: float = _USUAL_LENGTH
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=500))

    def add(self, found: Iterable[tuple[float, _Stamps]]) -> None:
        """Note the times of packets."""
        for seconds, _ in found:
            self.start = min(self.start, seconds)
            self.stop = max(self.stop, seconds + self.length)

    @property
    def delay(self) -> float:
        """How long after its decoding a picture is shown, on average."""
        longest = _DELAY_SPREAD * median(self.delays) if self.delays else 0.0
        right = [delay for delay in self.delays if delay <= longest]
        return sum(right) / len(right) if right else 0.0

    def starts_at(self, seconds: float, tolerance: float) -> bool:
        """Whether the stream may start there, for all that is known of its delay."""
        return self.start - tolerance <= seconds <= self.start + self.delay + tolerance


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
            self._lines[stream.type] = _Line(Clock(base, PictureLine()))
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
        starts = [line.start for line in self._lines.values() if line.start < math.inf]
        return max(line.stop for line in self._lines.values()) - min(starts) if starts else 0.0

    def starts_at(self, seconds: float, tolerance: float) -> bool:
        """Whether that may be the first instant."""
        return any(line.starts_at(seconds, tolerance) for line in self._lines.values())

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last instant in seconds; None without packets."""
        lines = [line for line in self._lines.values() if line.start < math.inf]
        spans = [(line.start + line.delay, line.stop + line.delay) for line in lines]
        if not spans:
            return None
        begin = min(start for start, _ in spans)
        shifts = [start - begin if start - begin > UNRELATED_SECONDS else 0.0 for start, _ in spans]
        return begin, max(stop - shift for (_, stop), shift in zip(spans, shifts, strict=True))


def measured_span(path: Path, audio_track: int | None = None) -> tuple[float, float] | None:
    """The first and the last instant of a file, for which all of its packets are read.

    audio_track: number of the sound track, from 0; None: the main one.

    Raises:
        MediaUnreadableError: it cannot be opened.
    """
    extent = Extent()
    for link in links(path):
        with opened(path, link) as container:
            found = picture_stream(container), sound_stream(container, audio_track)
            streams = [stream for stream in found if stream is not None]
            for packet in packets(container, *streams):
                extent.add(packet)
    extent.finish()
    return extent.span
