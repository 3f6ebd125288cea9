"""Demuxes and decodes a source that is read once, into the queue of a live input."""

import re
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from facevoice.errors import MediaUnreadableError
from facevoice.media.clock import SharedClock
from facevoice.media.container import (
    READ_FAILURES,
    MediaStream,
    first_instant,
    links,
    packets,
    picture_stream,
    sound_stream,
)
from facevoice.media.decoding import other_start
from facevoice.media.live_queue import (
    Intake,
    Opened,
    Queue,
    Wanted,
)
from facevoice.media.mixing import Downmix
from facevoice.media.runs import unbroken
from facevoice.media.source import (
    SILENT_SECONDS,
    Opening,
    Pipe,
    index_last,
    opened_live,
    still_picture,
)
from facevoice.media.stream_decoder import StreamDecoder, Timed, prepare
from facevoice.types import UNDAMAGED, Damage, Waveform

_HEADER_TRUST: Final = 2.0  # seconds by which the first frame may differ from the header
_STAMPS: Final = 512  # packets that may be inside a decoder
_EARLY_SECONDS: Final = 1.5  # within which each stream is expected to show its first packet
_MOST_EARLY: Final = 4000  # packets
_LOOK_SECONDS: Final = 0.5  # of sound, at most, that a doubtful stamp delays
_STILLS: Final = re.compile(r"_pipe$|^image2|^gif$|^apng$")  # formats of single pictures, too

_Now = tuple[float, float]
"""The monotonic clock, and the time spent waiting for the source."""
_Read = tuple[int, _Now, Iterable[Timed[Any]]]
"""The index of a stream, when it was read, and frames to be decoded."""


class Demuxer:
    """Demuxes and decodes one source."""

    def __init__(self, what: Opening, wanted: Wanted, queue: Queue) -> None:
        self._what, self._wanted, self._queue = what, wanted, queue
        self._pipe = None if what.stream is None else Pipe(what.stream)
        self._decoders: dict[int, StreamDecoder] = {}
        self._stamps: dict[int, dict[int | None, _Now]] = {}
        self._intake: Intake | None = None
        self._damage = UNDAMAGED  # found before there is an intake
        self._downmix = Downmix(what.name)
        self._fetched = 0.0  # seconds spent on fetching packets
        self._tracks = 0
        self._runs = False  # whether the source continues without waiting

    def read(self) -> None:
        """Read until the end of the source, or of the span that is wanted.

        Raises:
            Closed: the queue takes no more.
            FacevoiceError: the source cannot be opened (see ``opened_live``), or it broke off.
        """
        for link in [None] if self._what.file is None else links(self._what.file):
            with opened_live(self._what, self._pipe, link) as container:
                self._read_container(container)
            if self._intake is not None and self._intake.complete:
                break
        if self._intake is None:
            if self._pipe is not None and self._pipe.cannot_go_back:
                raise index_last(self._what.name)
            raise MediaUnreadableError(f"cannot read {self._what.name}: nothing in it decodes")
        self._intake.finish()

    def _read_container(self, container: InputContainer) -> None:
        streams = self._streams(container)
        self._tracks = len(container.streams.audio)
        self._runs = real_time = self._real_time(container)
        shared = SharedClock() if real_time else None
        for stream in streams:
            prepare(self._what.name, stream)
            before = self._decoders.get(stream.index)
            self._decoders[stream.index] = StreamDecoder(
                stream,
                None if before is None else before.clock,
                shared=shared,
                other_start=other_start(container, stream),
                look_seconds=_LOOK_SECONDS,
                damaged=self._damaged,
            )
            self._stamps[stream.index] = {}
        arriving = self._packets(container, streams)
        early, promised = self._look_ahead(arriving, streams)
        reads: Iterator[_Read] = chain(early, self._reads(arriving))
        if _STILLS.search(container.format.name):
            reads = self._several(reads)
        for index, now, frames in reads:
            stamps = self._stamps[index]
            for timed in frames:
                intake = self._intake or self._open(streams, _start(promised, timed.seconds))
                self._add(intake, timed, *stamps.pop(timed.frame.pts, now))
            if self._intake is not None and self._intake.complete:
                break

    def _several(self, reads: "Iterator[_Read]") -> "Iterator[_Read]":
        """What arrives, held back until it is more than one picture.

        Raises:
            InvalidInputError: it is a still picture.
        """
        held: list[_Read] = []
        count = 0
        for index, now, frames in reads:
            pictures = list(frames)
            held.append((index, now, pictures))
            count += len(pictures)
            if count > 1:
                break
        if count == 1:
            raise still_picture(self._what.name)
        yield from held
        yield from reads

    def _open(self, streams: list[MediaStream], start: float) -> Intake:
        kinds = {stream.type for stream in streams}
        opened = Opened("video" in kinds, "audio" in kinds, start, self._runs, self._tracks)
        self._intake = Intake(opened, self._wanted, self._queue)
        self._damaged(self._damage)
        return self._intake

    def _damaged(self, damage: Damage) -> None:
        if self._intake is None:
            self._damage += damage
        else:
            self._intake.damaged(damage)

    def _reads(self, arriving: "Iterator[Packet[Stream]]") -> "Iterator[_Read]":
        """What arrives; then the frames that the clocks still hold, also where it breaks off."""
        broken: MediaUnreadableError | None = None
        try:
            yield from map(self._read, arriving)
        except MediaUnreadableError as error:
            broken = error
        for index, decoder in self._decoders.items():
            yield index, (time.monotonic(), self._waited()), decoder.flush()
        if broken is not None:
            raise broken

    def _read(self, packet: "Packet[Stream]") -> "_Read":
        """The stream of a packet, when it arrived, and the frames to be decoded from it."""
        now = time.monotonic()
        came = now, now if self._runs else self._waited()
        stamps = self._stamps[packet.stream.index]
        stamps[packet.pts] = came  # decoders return frames later, in another order
        if len(stamps) > _STAMPS:
            del stamps[next(iter(stamps))]
        index = packet.stream.index
        return index, came, self._decoders[index].frames(packet)

    def _add(self, intake: Intake, timed: Timed[Any], arrived: float, waited: float) -> None:
        frame = timed.frame
        if isinstance(frame, VideoFrame):
            intake.picture(timed, arrived, waited)
        elif isinstance(frame, AudioFrame) and (sound := self._downmix.mono(frame)) is not None:
            intake.sound(Waveform(sound, frame.sample_rate, timed.seconds), arrived, waited)

    def _waited(self) -> float:
        """Seconds spent waiting for a source that itself waits for its reader."""
        return self._fetched if self._pipe is None else self._pipe.waited_seconds

    def _look_ahead(
        self, arriving: "Iterator[Packet[Stream]]", streams: list[MediaStream]
    ) -> "tuple[list[_Read], float | None]":
        """What had to be read to determine the first instant; and that instant, if known.

        For pictures it is taken from the header, or else from the first packet. For sound the
        header may be late by what the decoder discards, so the first sound counts as well.
        """
        instants = {stream.index: first_instant(stream) for stream in streams}
        unknown = {s.index for s in streams if s.type == "audio" or instants[s.index] is None}
        early: list[_Read] = []
        while unknown and len(early) < _MOST_EARLY and (packet := next(arriving, None)):
            index, came, frames = self._read(packet)
            first = None
            if packet.stream.type == "audio":
                frames = list(frames)
                first = frames[0].seconds if frames else None
            elif packet.pts is not None and packet.time_base is not None:
                first = float(packet.pts * packet.time_base)
            early.append((index, came, frames))
            if first is not None and index in unknown:
                stated = instants[index]
                instants[index] = first if stated is None else min(first, stated)
                unknown.discard(index)
            if came[1] - early[0][1][1] > _EARLY_SECONDS:
                break
        return early, min((t for t in instants.values() if t is not None), default=None)

    def _streams(self, container: InputContainer) -> list[MediaStream]:
        found = (
            picture_stream(container) if self._wanted.pictures else None,
            sound_stream(container, self._wanted.audio_track) if self._wanted.sound else None,
        )
        streams = [stream for stream in found if stream is not None]
        if not streams:
            raise MediaUnreadableError(f"{self._what.name} has none of the requested streams")
        return streams

    def _real_time(self, container: InputContainer) -> bool:
        if self._wanted.real_time is not None:
            return self._wanted.real_time
        return self._what.remote and not container.duration  # a film on a server can wait

    def _packets(
        self, container: InputContainer, streams: list[MediaStream]
    ) -> "Iterator[Packet[Stream]]":
        """The packets until the end of the source; unreadable places are skipped."""
        found = packets(container, *streams, failed=self._check_failure)
        if not self._runs:  # what happens now cannot wait for stamps to return
            found = unbroken(found, self._damaged)
        while True:
            asked = time.monotonic()
            packet = next(found, None)
            self._fetched += time.monotonic() - asked
            if packet is None:
                break
            yield packet
        if self._pipe is not None and self._pipe.failure is not None:
            raise self._broken(self._pipe.failure)

    def _check_failure(self, error: FFmpegError, in_a_row: int) -> None:
        if isinstance(error, ExitError):
            raise MediaUnreadableError(
                f"{self._what.name} has sent nothing for {SILENT_SECONDS:.0f} s"
            ) from error
        if isinstance(error, OSError) or in_a_row >= READ_FAILURES:
            raise self._broken(error.strerror or str(error)) from error
        if in_a_row == 1:
            self._damaged(Damage(lost_packets=1))

    def _broken(self, reason: str) -> MediaUnreadableError:
        if self._intake is None and self._pipe is not None and self._pipe.cannot_go_back:
            return index_last(self._what.name)
        return MediaUnreadableError(f"{self._what.name} broke off: {reason}")


def _start(promised: float | None, first: float) -> float:
    """The first instant: as promised, unless the first frame differs too much from it."""
    return first if promised is None or abs(promised - first) > _HEADER_TRUST else promised
