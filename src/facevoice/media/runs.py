"""Mends whole runs of damaged stamps before packets are decoded: those of one cluster or page.

Such a run is longer than the few decoded pictures that a clock can hold, and a clock that judged
sound and pictures by different spans would part them for good.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from statistics import median
from typing import Final

from av.packet import Packet
from av.stream import Stream

from facevoice.errors import MediaUnreadableError
from facevoice.media.container import drains
from facevoice.types import Damage, Damaged, ignored

_JUMP_SECONDS: Final = 1.0  # off the line; less is judged by the clock
_LONGEST_SECONDS: Final = 10.0  # of packets that are held to see whether stamps return
_MOST_PACKETS: Final = 2_000
_STEPS_KEPT: Final = 9
_MOST_BYTES: Final = 16_000_000


def unbroken(
    packets: "Iterable[Packet[Stream]]", damaged: Damaged = ignored
) -> "Iterator[Packet[Stream]]":
    """Packets of any streams, with the stamps of runs that were off mended.

    damaged: called with the number of these.

    Raises what the packets raise, after all that came before.
    """
    streams: dict[int, PacketRuns] = {}
    broken: MediaUnreadableError | None = None
    try:
        for packet in packets:
            stream = packet.stream.index
            if stream not in streams:
                streams[stream] = PacketRuns(packet.time_base or Fraction(1, 1000))
            runs = streams[stream]
            known = runs.mended
            ready = runs.push(packet)
            if runs.mended > known:
                damaged(Damage(mended_stamps=runs.mended - known))
            yield from ready
    except MediaUnreadableError as error:
        broken = error
    for runs in streams.values():
        yield from runs.released()
    if broken is not None:
        raise broken


class PacketRuns:
    """Holds packets whose stamps leap, until they return to the line or have gone on for long.

    If they return, all of the run were off, and are moved back by as much; if not, they are passed
    on as they are.

    mended: packets that were moved so far.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._base = float(time_base)
        self.mended = 0
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=_STEPS_KEPT)
        self._held: list[Packet[Stream]] = []
        self._stamps: list[float] = []
        self._bytes = 0

    def push(self, packet: "Packet[Stream]") -> "Iterable[Packet[Stream]]":
        """Add the next packet; return those that can be decoded."""
        ticks = packet.pts if packet.dts is None else packet.dts
        stamp = None if ticks is None else ticks * self._base
        if self._held and not drains(packet):
            if stamp is None or not self._returns(stamp):
                self._hold(packet, self._stamps[-1] if stamp is None else stamp)
                return self.released() if self._is_long() else []
        elif stamp is not None and self._leaps(stamp):
            self._hold(packet, stamp)
            return []
        ready = self.released() if stamp is None else self._moved()
        if stamp is not None:
            self._go_on(stamp)
        return [*ready, packet]

    def _leaps(self, stamp: float) -> bool:
        if self._last is None or 0 <= stamp - self._last <= _JUMP_SECONDS:  # no step is longer
            return False
        return abs(stamp - self._last - self._step) > _JUMP_SECONDS

    def _hold(self, packet: "Packet[Stream]", stamp: float) -> None:
        self._held.append(packet)
        self._stamps.append(stamp)
        self._bytes += packet.size

    def _go_on(self, stamp: float) -> None:
        if self._last is not None and 0 < stamp - self._last <= _JUMP_SECONDS:
            self._steps.append(stamp - self._last)
        self._last = stamp

    @property
    def _step(self) -> float:
        return median(self._steps) if self._steps else 0.0

    @property
    def _lasting(self) -> float:
        """How long the held packets last, by their own stamps."""
        return max(0.0, self._stamps[-1] - self._stamps[0]) + self._step

    def _returns(self, stamp: float) -> bool:
        expected = (self._last or 0.0) + self._step + self._lasting
        off = abs(stamp - expected)
        return off <= _JUMP_SECONDS and off < abs(stamp - self._stamps[-1] - self._step)

    def _is_long(self) -> bool:
        most = len(self._held) >= _MOST_PACKETS or self._bytes >= _MOST_BYTES
        return most or self._lasting >= _LONGEST_SECONDS

    def _moved(self) -> "list[Packet[Stream]]":
        """The held packets, moved so that the first follows the last one before them."""
        if not self._held:
            return []
        off = self._stamps[0] - (self._last or 0.0) - self._step
        ticks = round(off / self._base)
        for packet in self._held:
            if packet.dts is not None:
                packet.dts -= ticks
            shown = packet.pts
            if shown is not None:  # it may be right, where the container holds no other
                due = shown - ticks if packet.dts is None else packet.dts
                packet.pts = shown - ticks if abs(shown - ticks - due) < abs(shown - due) else shown
        self.mended += len(self._held)
        return self._emptied()

    def released(self) -> "list[Packet[Stream]]":
        """The packets that are held, as they are."""
        if self._held:
            self._last = self._stamps[-1]
        return self._emptied()

    def _emptied(self) -> "list[Packet[Stream]]":
        held, self._held, self._stamps, self._bytes = self._held, [], [], 0
        return held
