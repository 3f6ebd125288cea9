"""Pictures and sound of a source that is read once, as they arrive, in a thread of its own."""

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Final, cast

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.media.arrival import ROOMS, Arrival, Opened, Sink, Wanted
from facevoice.media.backlog import Backlog, Closed
from facevoice.media.clock import Together
from facevoice.media.container import (
    READ_FAILURES,
    MediaStream,
    StreamDecoder,
    Timed,
    first_instant,
    picture_stream,
    prepare,
    sound_stream,
)
from facevoice.media.grid import mono
from facevoice.media.source import SILENT_SECONDS, Opening, Pipe, opened_live
from facevoice.types import Frame, Waveform

_HEADER_TRUST: Final = 2.0  # seconds that the first frame may be from what the header promises
_STAMPS: Final = 512  # packets that may be inside a decoder
_EARLY_SECONDS: Final = 1.5  # in which each stream is expected to show its first packet
_MOST_EARLY: Final = 4000  # packets
_LEAVE_SECONDS: Final = 1.0  # that a thread which waits for its source is given to notice


_Now = tuple[float, float]
"""By the wall's clock, and by how long the source was waited for."""
_Read = tuple["Packet[Stream]", _Now, Iterable[Timed]]


class LiveInput:
    """Reads a source in a thread: iterate over what arrives, and close it.

    source: how to open it, or frames and sound that are there already, each in the order of time.

    Raises, when iterated, what ``opened_live`` does; what came before an error is given first.
    """

    def __init__(self, source: Opening | Iterable[Frame | Waveform], wanted: Wanted) -> None:
        self._wanted = wanted
        self._backlog: Backlog[Opened | Arrival] = Backlog(ROOMS)
        self._source = source
        self._thread = threading.Thread(target=self._run, name="facevoice-live", daemon=True)
        self._thread.start()

    def opened(self) -> Opened:
        """What the source has; waits until it is open."""
        first = self._backlog.take()
        if not isinstance(first, Opened):
            raise MediaUnreadableError("the source has ended before anything in it was decoded")
        return first

    def __iter__(self) -> Iterator[Arrival]:
        while (item := self._backlog.take()) is not None:
            yield cast("Arrival", item)

    def close(self) -> None:
        """Stop reading. A thread that waits for its source ends when that gives something."""
        self._backlog.close()
        self._thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with suppress(Closed):
                if isinstance(self._source, Opening):
                    _Container(self._source, self._wanted, self._backlog).read()
                else:
                    _Arrays(self._wanted, self._backlog).read(self._source)
        except BaseException as raised:  # noqa: BLE001 - raised again in the reader's thread
            error = raised
        self._backlog.end(error)


class _Container:
    """Demuxes and decodes one container."""

    def __init__(self, what: Opening, wanted: Wanted, backlog: Backlog[Opened | Arrival]) -> None:
        self._what, self._wanted, self._backlog = what, wanted, backlog
        self._pipe = None if what.stream is None else Pipe(what.stream)
        self._sink: Sink | None = None
        self._decoders: dict[int, StreamDecoder] = {}
        self._stamps: dict[int, dict[int | None, _Now]] = {}

    def read(self) -> None:
        with opened_live(self._what, self._pipe) as container:
            streams = self._streams(container)
            real_time = self._real_time(container)
            together = Together() if real_time else None
            for stream in streams:
                prepare(self._what.name, stream, at_once=real_time)
                self._decoders[stream.index] = StreamDecoder(stream, together)
                self._stamps[stream.index] = {}
            packets = self._packets(container, streams)
            early, promised = self._look_ahead(packets, streams)
            for packet, now, frames in chain(early, map(self._read, packets)):
                stamps = self._stamps[packet.stream.index]
                for timed in frames:
                    if self._sink is None:
                        start = _start(promised, timed.seconds)
                        self._sink = self._begin(streams, start, real_time=real_time)
                    self._give(timed, *stamps.pop(timed.frame.pts, now))
                if self._sink is not None and self._sink.full:
                    break
        if self._sink is not None:
            self._sink.finish()
        else:
            raise MediaUnreadableError(f"cannot read {self._what.name}: nothing in it decodes")

    def _read(self, packet: "Packet[Stream]") -> "_Read":
        """A packet, when it came, and what will be decoded of it."""
        now = time.monotonic()
        waits = self._pipe is not None and not self._wanted.real_time
        came = now, self._pipe.waited_seconds if self._pipe is not None and waits else now
        stamps = self._stamps[packet.stream.index]
        stamps[packet.pts] = came  # decoders give frames later, in another order
        if len(stamps) > _STAMPS:
            del stamps[next(iter(stamps))]
        return packet, came, self._decoders[packet.stream.index].frames(packet)

    def _look_ahead(
        self, packets: "Iterator[Packet[Stream]]", streams: list[MediaStream]
    ) -> "tuple[list[_Read], float | None]":
        """When the first instant will be; and what had to be read to know it.

        For pictures that is what the header says, failing that the first packet. What it says of
        sound may be too late by what a decoder leaves out: there the first sound counts as well.
        """
        instants = {stream.index: first_instant(stream) for stream in streams}
        open_ = {s.index for s in streams if s.type == "audio" or instants[s.index] is None}
        early: list[_Read] = []
        while open_ and len(early) < _MOST_EARLY and (packet := next(packets, None)):
            read, came, frames = self._read(packet)
            index, first = packet.stream.index, None
            if packet.stream.type == "audio":
                frames = list(frames)
                first = frames[0].seconds if frames else None
            elif packet.pts is not None and packet.time_base is not None:
                first = float(packet.pts * packet.time_base)
            early.append((read, came, frames))
            if first is not None and index in open_:
                told = instants[index]
                instants[index] = first if told is None else min(first, told)
                open_.discard(index)
            if came[1] - early[0][1][1] > _EARLY_SECONDS:
                break
        return early, min((t for t in instants.values() if t is not None), default=None)

    def _streams(self, container: InputContainer) -> list[MediaStream]:
        found = (
            picture_stream(container) if self._wanted.pictures else None,
            sound_stream(container) if self._wanted.sound else None,
        )
        streams = [stream for stream in found if stream is not None]
        if not streams:
            raise MediaUnreadableError(f"{self._what.name} holds nothing of what was asked for")
        return streams

    def _real_time(self, container: InputContainer) -> bool:
        if self._wanted.real_time is not None:
            return self._wanted.real_time
        return self._what.remote and not container.duration  # a film on a server can wait

    def _begin(self, streams: list[MediaStream], start: float, *, real_time: bool) -> Sink:
        kinds = {stream.type for stream in streams}
        opened = Opened("video" in kinds, "audio" in kinds, start, real_time)
        return Sink(opened, self._wanted, self._backlog)

    def _give(self, timed: Timed, arrived: float, waited: float) -> None:
        sink = cast("Sink", self._sink)
        if isinstance(timed.frame, VideoFrame):
            sink.picture(timed, arrived, waited)
        elif isinstance(timed.frame, AudioFrame) and (samples := mono(timed.frame)) is not None:
            sound = Waveform(samples, timed.frame.sample_rate, timed.seconds)
            sink.sound(sound, arrived, waited)

    def _packets(
        self, container: InputContainer, streams: list[MediaStream]
    ) -> "Iterator[Packet[Stream]]":
        """What comes, until the end; places that cannot be read are skipped."""
        failures = 0
        while True:
            try:
                for packet in container.demux(list(streams)):
                    failures = 0
                    yield packet
            except FFmpegError as error:
                failures += 1
                if isinstance(error, ExitError):
                    raise MediaUnreadableError(
                        f"{self._what.name} has given nothing for {SILENT_SECONDS:.0f} s"
                    ) from error
                if isinstance(error, OSError) or failures >= READ_FAILURES:
                    raise self._broken(error.strerror or str(error)) from error
            else:
                if self._pipe is not None and self._pipe.failure is not None:
                    raise self._broken(self._pipe.failure)
                return

    def _broken(self, reason: str) -> MediaUnreadableError:
        return MediaUnreadableError(f"{self._what.name} broke off: {reason}")


def _start(promised: float | None, first: float) -> float:
    """The first instant: as promised, unless the first frame says something else entirely."""
    return first if promised is None or abs(promised - first) > _HEADER_TRUST else promised


class _Arrays:
    """Takes frames and sound that are in memory already."""

    def __init__(self, wanted: Wanted, backlog: Backlog[Opened | Arrival]) -> None:
        self._wanted, self._backlog = wanted, backlog

    def read(self, items: Iterable[Frame | Waveform]) -> None:
        sink: Sink | None = None
        waited, asked = 0.0, time.monotonic()
        for item in items:
            now = time.monotonic()
            waited += now - asked
            if not isinstance(item, (Frame, Waveform)):
                raise InvalidInputError(
                    f"live input is made of Frame and Waveform, got {type(item).__name__}"
                )
            at = item.time_seconds if isinstance(item, Frame) else item.start_seconds
            if not math.isfinite(at):
                raise InvalidInputError(f"live input needs finite times, got {at}")
            if sink is None:
                opened = Opened(
                    self._wanted.pictures, self._wanted.sound, at, bool(self._wanted.real_time)
                )
                sink = Sink(opened, self._wanted, self._backlog)
            if isinstance(item, Waveform):
                if self._wanted.sound:
                    sink.sound(item, now, waited)
            elif self._wanted.pictures:
                picture = VideoFrame.from_ndarray(item.image, format="rgb24")
                sink.picture(Timed(at, picture, 1.0), now, waited)
            if sink.full:
                break
            asked = time.monotonic()
        if sink is not None:
            sink.finish()
