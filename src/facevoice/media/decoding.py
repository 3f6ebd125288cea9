"""Decodes one stream of a file from any instant on, and again where the first way went wrong."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from av.container import InputContainer
from av.error import FFmpegError

from facevoice.media.checks import unreadable
from facevoice.media.clock import UNRELATED_SECONDS
from facevoice.media.container import (
    NO_INDEX,
    MediaStream,
    first_instant,
    links,
    opened,
    packets,
    picture_stream,
    sound_stream,
)
from facevoice.media.cut_short import ends_early
from facevoice.media.extent import Extent
from facevoice.media.parallel import DamagedInParallelError
from facevoice.media.runs import unbroken
from facevoice.media.stream_decoder import StreamDecoder, Timed, prepare
from facevoice.types import UNDAMAGED, Damage, Damaged, ignored

_SEEK_FROM: Final = 2.0  # seconds into the file; decoding from the start is cheaper before that
_SEEK_BACK: Final = (0.5, 8.0, 64.0)  # seconds before the wanted instant, tried in turn
_SOON_READ: Final = 32_000_000  # bytes, which are decoded from the start within seconds
_FAR_SECONDS: Final = 3600.0  # between the starts of two streams, for them to be looked at
_MOST_PACKETS: Final = 20_000  # that are read for that


class NoStreamError(Exception):
    """The file has streams, but none of the requested kind."""


def decoded(
    path: Path,
    pick: Callable[[InputContainer], MediaStream | None],
    start_seconds: float | None,
    damaged: Damaged = ignored,
) -> Generator[Timed[Any], None, None]:
    """Decode one stream in order of presentation and close the file at the end.

    If ``start_seconds`` lies well into the file, decoding starts at a key frame before it: the
    first frames are at or before that instant, and the caller skips to it. If a seek lands too
    late (or the format cannot seek), the next try goes further back, and finally to the start; as
    it does where a stamp before that instant is damaged, whose right time is known only from the
    start. Times then run back, to frames that the caller has seen and skips.

    Where pictures that are decoded in parallel turn out damaged, the stream is decoded again by
    one thread, and times run back likewise.

    damaged: called with the packets that are lost; corrupt pictures are yielded, for the caller
        to count those of its span.

    Raises:
        NoStreamError: the file has no stream of the requested kind.
        MediaUnreadableError: the stream has packets but none of them decodes.
    """
    found = UNDAMAGED

    def report(damage: Damage) -> None:
        nonlocal found
        found += damage
        damaged(damage)

    try:
        yield from _decoded(_Wanted(path, pick, report, in_parallel=True), start_seconds)
    except DamagedInParallelError:
        pass
    else:
        return
    known = _Known(found, damaged)
    yield from _decoded(_Wanted(path, pick, known), start_seconds)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The stream to decode of a file; in_parallel: where that is worth it."""

    path: Path
    pick: Callable[[InputContainer], MediaStream | None]
    damaged: Damaged
    in_parallel: bool = False


@dataclass(slots=True)
class _Known:
    """Reports damage, but for what was reported when the stream was first decoded."""

    found: Damage
    damaged: Damaged

    def __call__(self, damage: Damage) -> None:
        new = damage - self.found
        self.found -= damage
        if new:
            self.damaged(new)


def _decoded(wanted: _Wanted, start: float | None) -> Generator[Timed[Any], None, None]:
    for back in () if start is None else _SEEK_BACK:
        if (yield from _decoded_from(wanted, start or 0.0, back)):
            return
    yield from _decoded_through(wanted)


def _decoded_from(wanted: _Wanted, start: float, back: float) -> Generator[Timed[Any], None, bool]:
    """Decode from a key frame before ``start - back``; False if it must be tried otherwise."""
    with opened(wanted.path) as container:
        stream = wanted.pick(container)
        if stream is None:
            raise NoStreamError(str(wanted.path))
        parallel = prepare(str(wanted.path), stream, in_parallel=wanted.in_parallel)
        if not _seek(container, stream, start, back):
            return False
        reached = False

        def damaged(found: Damage) -> None:
            if reached:
                wanted.damaged(found)

        decoder = StreamDecoder(stream, damaged=damaged, in_parallel=parallel)
        frames = decoder.all_frames(
            unbroken(packets(container, stream, failed=decoder.skip), damaged)
        )
        first = next(frames, None)
        if first is None or not _precedes(first, start):
            return False
        for timed in chain((first,), frames):
            reached = reached or timed.seconds >= start
            if decoder.doubtful and not reached:
                return False
            yield timed
        _count_end(wanted, container, stream)
        return True


def _decoded_through(wanted: _Wanted) -> Generator[Timed[Any], None, None]:
    """Decode the whole stream."""
    path, decoder = wanted.path, None
    for link in links(path):
        with opened(path, link) as container:
            stream = wanted.pick(container)
            if stream is None:
                continue
            parallel = prepare(str(path), stream, in_parallel=wanted.in_parallel)
            clock = None if decoder is None else decoder.clock
            decoder = StreamDecoder(
                stream,
                clock,
                other_start=other_start(container, stream, path),
                damaged=wanted.damaged,
                in_parallel=parallel,
            )
            count = 0
            for packet in unbroken(packets(container, stream, failed=decoder.skip), wanted.damaged):
                count += packet.size > 0
                yield from decoder.frames(packet)
            decoder.compare(count, _indexed(container, stream))
            _count_end(wanted, container, stream)
            if decoder.all_damaged:
                raise unreadable(path, f"not one packet of its {stream.type} stream decodes")
    if decoder is None:
        raise NoStreamError(str(path))
    yield from decoder.flush()


def _count_end(wanted: _Wanted, container: InputContainer, stream: MediaStream) -> None:
    """Count a packet as lost, once for all streams, where the end of the file is missing."""
    main = stream.type == "video" or picture_stream(container) is None
    if main and ends_early(wanted.path):
        wanted.damaged(Damage(lost_packets=1))


def _seek(container: InputContainer, stream: MediaStream, start: float, back: float) -> bool:
    """Go to a key frame at or before ``start - back``; False if that is useless or impossible."""
    origin, base, size = first_instant(stream), stream.time_base, container.size
    if origin is None or base is None or start - max(back, _SEEK_FROM) < origin:
        return False
    if container.format.name in NO_INDEX and size < _SOON_READ:
        return False
    stated = container.duration and (container.start_time or 0) + container.duration
    if stated and start >= stated / 1_000_000:  # the header is wrong, and so may the stamps be
        return False
    if abs(origin - (other_start(container, stream) or origin)) > UNRELATED_SECONDS:
        return False
    try:
        container.seek(int((start - back) / base), stream=stream)
    except FFmpegError:
        return False
    return True


def _precedes(first: Timed[Any], start: float) -> bool:
    """Whether the first frame after a seek has a stamp, and is not later than ``start``."""
    stamped = first.frame.pts is not None or first.frame.dts is not None
    return stamped and first.seconds <= start


def other_start(
    container: InputContainer, stream: MediaStream, path: Path | None = None
) -> float | None:
    """Where the sound starts if the stream is of pictures, and vice versa; None if unknown.

    path: of a file, of which so many packets are read if the headers are far apart: the first
        stamp of a stream may be damaged.
    """
    other = sound_stream(container) if stream.type == "video" else picture_stream(container)
    own, stated = first_instant(stream), first_instant(other)
    if path is None or own is None or stated is None or abs(own - stated) <= _FAR_SECONDS:
        return stated
    extent = Extent()
    with opened(path) as again:
        found = picture_stream(again), sound_stream(again)
        arriving = packets(again, *(one for one in found if one is not None))
        for packet in islice(arriving, _MOST_PACKETS):
            extent.add(packet)
    extent.finish()
    return extent.start_of("audio" if stream.type == "video" else "video")


def _indexed(container: InputContainer, stream: MediaStream) -> int:
    """How many packets the index of an MP4 lists; 0 for others, whose index may be partial."""
    exact = container.format.name.startswith("mov")
    return len(getattr(stream, "index_entries", ())) if exact else 0  # PyAV has them since 15
