"""Opens a container and decodes its streams, skipping what is damaged."""

import math
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from numbers import Integral
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facevoice.errors import MediaNotFoundError, MediaPermissionError, MediaUnreadableError
from facevoice.media.clock import (
    LOOK_SECONDS,
    UNRELATED_SECONDS,
    Clock,
    Look,
    SharedClock,
    check_span,
)
from facevoice.media.extent import Extent
from facevoice.media.ogg import Part, link_bounds
from facevoice.media.parallel import DamagedInParallelError, WholePictures, worth_threads
from facevoice.media.pixels import MAX_PIXELS, MAX_SIDE, fits, pixel_ratio
from facevoice.media.runs import unbroken
from facevoice.media.stamps import PictureLine, SoundLine
from facevoice.types import UNDAMAGED, Damage, Damaged, ignored, require

READ_FAILURES: Final = 100
"""Failed reads in a row after which the rest of a file is given up."""
NOT_MEDIA: Final = ("concat", "dash", "hls", "imf", "tty")
"""Formats that list other files, or show text as film."""

_SEEK_FROM: Final = 2.0  # seconds into the file; decoding from the start is cheaper before that
_SEEK_BACK: Final = (0.5, 8.0, 64.0)  # seconds before the wanted instant, tried in turn
_FAR_SECONDS: Final = 3600.0  # between the starts of two streams, for them to be looked at
_MOST_PACKETS: Final = 20_000  # that are read for that
_WITHOUT_STAMPS: Final = ("avi",)  # of presentation
_NO_INDEX: Final = ("mpegts", "mpeg")  # a seek looks for stamps, which may occur twice
_SOON_READ: Final = 32_000_000  # bytes, which are decoded from the start within seconds
_FEWEST_HELD: Final = 4  # pictures that are held to judge a stamp
_MOST_HELD: Final = 16
_HELD_PIXELS: Final = 40_000_000
_STAMPS_KEPT: Final = 32  # more than a decoder holds back
_SUSPECTS: Final = 3  # packets, of which the first is flagged as corrupt

MediaFrame = AudioFrame | VideoFrame
MediaStream = AudioStream | VideoStream
FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)


class NoStreamError(Exception):
    """The file has streams, but none of the requested kind."""


class Timed(NamedTuple, Generic[FrameT]):
    """A decoded frame.

    seconds: presentation time. pixel_ratio: the width of its pixels over their height.
    corrupt: whether it is a picture that the decoder flags, or one of a packet that the container
        flags as corrupt.
    """

    seconds: float
    frame: FrameT
    pixel_ratio: float
    corrupt: bool = False


def unreadable(path: Path | str, found: str) -> MediaUnreadableError:
    """The error for a file that exists but cannot be decoded."""
    return MediaUnreadableError(
        f"cannot read {path}: {found}; check that it plays in a media player, or export it again"
    )


def check_file(path: Path) -> None:
    """Check that ``path`` is a regular, readable file that is not empty.

    Raises:
        MediaNotFoundError: nothing there, a folder, or something that is not a file.
        MediaPermissionError: this user may not read it.
        MediaUnreadableError: it is empty, or the disk fails.
    """
    try:
        mode = path.stat().st_mode
        regular = stat.S_ISREG(mode)  # opening a pipe would block
        with path.open("rb") if regular else nullcontext() as file:
            empty = file is not None and not file.read(1)
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        raise MediaPermissionError(
            f"{path} may not be read by this user: change its permissions or copy it"
        ) from error
    except (OSError, ValueError) as error:
        raise unreadable(path, f"the system says {error}") from error
    if stat.S_ISDIR(mode):
        raise MediaNotFoundError(f"{path} is a folder, not a file: name a file inside it")
    if not regular:
        raise MediaNotFoundError(f"{path} is not a regular file: copy its content to one")
    if empty:
        raise unreadable(path, "the file is empty")


def checked_input(path: Path, start_seconds: float | None, stop_seconds: float | None) -> Path:
    """Check a file and the span that is to be read of it; returns the path as a ``Path``.

    Raises:
        InvalidInputError: as ``check_span``.
        MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as ``check_file``.
    """
    check_span(start_seconds, stop_seconds)
    path = Path(path)
    check_file(path)
    return path


def check_size(path: Path | str, width: int, height: int) -> None:
    """Refuse pictures that are too large, before memory is allocated for them.

    Raises:
        MediaUnreadableError: a side above ``MAX_SIDE`` or more than ``MAX_PIXELS`` pixels.
    """
    if not fits(width, height):
        raise unreadable(
            path,
            f"the picture is {width}x{height}, the limit is {MAX_SIDE} per side"
            f" and {MAX_PIXELS // 1_000_000} million pixels",
        )


Link = tuple[int, int]
"""Bounds in bytes of one of several containers in a row in a file."""


def links(path: Path) -> list[Link | None]:
    """The containers in a file: [None] is the file itself; of a chained Ogg file, each link."""
    bounds = link_bounds(path)
    return [*bounds] if len(bounds) > 1 else [None]


@contextmanager
def opened(path: Path, link: Link | None = None) -> Iterator[InputContainer]:
    """Open a container for reading and close it at the end; no other file or URL is accessed.

    link: the part of the file to read; None: the whole.

    Raises:
        MediaUnreadableError: no container of a known type, or one without picture and sound.
    """
    with ExitStack() as stack:
        try:
            container = av.open(
                f"file:{path}" if link is None else stack.enter_context(Part(path, *link)),
                mode="r",
                options={"protocol_whitelist": "file"},  # a playlist must not reach the network
                metadata_errors="ignore",
            )
        except (FFmpegError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            found = f"no video, sound or picture was found in it ({reason})"
            raise unreadable(path, f"{found}: damaged, cut short or not a media file") from error
        stack.enter_context(container)
        none = picture_stream(container) is None and sound_stream(container) is None
        if none or container.format.name in NOT_MEDIA:
            raise unreadable(path, "it holds no video, sound or picture stream that has a decoder")
        yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The main picture stream; the cover picture of an album does not count."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if s.codec_context and not s.disposition & cover]
    best = container.streams.best("video")
    return next((s for s in streams if best and s.index == best.index), next(iter(streams), None))


def sound_stream(container: InputContainer, track: int | None = None) -> AudioStream | None:
    """The main sound stream, or the one with this number among all sound streams.

    Raises:
        InvalidInputError: there is no such track, or it has no decoder.
    """
    if track is not None:
        return _track(container, track)
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    best = container.streams.best("audio")
    return next((s for s in streams if best and s.index == best.index), next(iter(streams), None))


def _track(container: InputContainer, track: Any) -> AudioStream:
    count = len(container.streams.audio)
    known = isinstance(track, Integral) and track in range(count)
    found = {0: "no sound track", 1: "one sound track, 0"}.get(
        count, f"{count} sound tracks, 0 to {count - 1}"
    )
    name = container.name.removeprefix("file:")
    require(known, f"there is no sound track {track!r} in {name}: it has {found}")
    stream = container.streams.audio[int(track)]
    require(
        stream.codec_context is not None,
        f"sound track {track} of {name} is stored in a way that has no decoder here",
    )
    return stream


def packets(
    container: InputContainer,
    *streams: Stream,
    failed: Callable[[FFmpegError, int], None] = lambda *_: None,
) -> "Iterator[Packet[Stream]]":
    """The packets of some streams in file order, then one empty packet per stream that drains it.

    Unreadable places are skipped; after ``READ_FAILURES`` in a row, the file counts as ended.
    failed: called with each failure and the number of failures in a row; may raise.
    """
    failures = 0
    drained: set[int] = set()
    while failures < READ_FAILURES:
        try:
            for packet in container.demux(list(streams)):
                failures = 0
                if _drains(packet):
                    if packet.stream.index in drained:
                        continue
                    drained.add(packet.stream.index)
                yield packet
        except IndexError:  # PyAV's, at a packet of a stream that appears midway
            failures += 1
        except FFmpegError as error:
            failures += 1
            failed(error, failures)
        else:
            return


def decode(packet: "Packet[Stream]") -> list[MediaFrame] | None:
    """The frames that a packet completes; None if the packet is damaged."""
    if packet.size == 0 and packet.pts is not None:
        return None  # an empty packet in mid-stream would end the decoder
    try:
        return [f for f in packet.decode() if isinstance(f, (AudioFrame, VideoFrame))]
    except FFmpegError:
        return None


def _drains(packet: "Packet[Stream]") -> bool:
    """Whether it is the empty packet at the end, for which a decoder gives what it still holds."""
    return packet.size == 0 and packet.pts is None


def first_instant(*streams: MediaStream | None) -> float | None:
    """Earliest start of some streams in presentation time, by their headers; None if unknown."""
    instants = [
        float(stream.start_time * stream.time_base)
        for stream in streams
        if stream is not None and stream.start_time is not None and stream.time_base is not None
    ]
    return min(instants, default=None)


def stated_stop(container: InputContainer) -> float:
    """Until when a source lasts by its header, in seconds; inf if that is unknown.

    -inf where it states nothing of its own: of MPEG-TS, FFmpeg takes the length from its stamps.
    """
    if container.format.name in _NO_INDEX:
        return -math.inf
    if not container.duration:
        return math.inf
    return ((container.start_time or 0) + container.duration) / 1_000_000


def _indexed(container: InputContainer, stream: MediaStream) -> int:
    """How many packets the index of an MP4 lists; 0 for others, whose index may be partial."""
    exact = container.format.name.startswith("mov")
    return len(getattr(stream, "index_entries", ())) if exact else 0  # PyAV has them since 15


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
            if decoder.all_damaged:
                raise unreadable(path, f"not one packet of its {stream.type} stream decodes")
    if decoder is None:
        raise NoStreamError(str(path))
    yield from decoder.flush()


def prepare(name: str, stream: MediaStream, *, in_parallel: bool = False) -> bool:
    """Set up a decoder, in parallel only if that is allowed and worth it; returns whether it is.

    Otherwise one thread decodes, which flags all corrupt pictures and conceals damage in the same
    way every time, and does not hold pictures back; several lose flags.

    Raises:
        MediaUnreadableError: the pictures are too large.
    """
    if not isinstance(stream, VideoStream):
        return False
    check_size(name, stream.codec_context.width, stream.codec_context.height)
    # also limits a size that changes midway
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    in_parallel = in_parallel and worth_threads(stream)
    if in_parallel:
        stream.thread_type = "FRAME"
    else:
        stream.codec_context.thread_count = 1
    return in_parallel


def _seek(container: InputContainer, stream: MediaStream, start: float, back: float) -> bool:
    """Go to a key frame at or before ``start - back``; False if that is useless or impossible."""
    origin, base, size = first_instant(stream), stream.time_base, container.size
    if origin is None or base is None or start - max(back, _SEEK_FROM) < origin:
        return False
    if container.format.name in _NO_INDEX and size < _SOON_READ:
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


class StreamDecoder:
    """Decodes the packets of one stream and determines the presentation times of its frames.

    clock: that of the stream before, which this one continues; None: a new one.
    shared: for a live source, the state shared with the clock of the other stream.
    other_start: where the other stream of the source starts by its header, None if unknown.
    look_seconds: of sound, see ``Look``.
    damaged: called with each packet that is lost.
    in_parallel: whether its pictures are decoded in parallel; one that is corrupt or lost is then
        an error, DamagedInParallelError.
    """

    def __init__(
        self,
        stream: MediaStream,
        clock: "Clock[MediaFrame] | None" = None,
        *,
        shared: SharedClock | None = None,
        other_start: float | None = None,
        look_seconds: float = LOOK_SECONDS,
        damaged: Damaged = ignored,
        in_parallel: bool = False,
    ) -> None:
        self._stream, self._report = stream, damaged
        self._whole = WholePictures() if in_parallel else None
        self._suspects: list[Packet[Stream]] = []
        self._corrupt: deque[int | None] = deque(maxlen=_STAMPS_KEPT)  # of corrupt packets
        self._period, self._ratio, pictures, stop = 0.04, 1.0, 0, math.inf
        if isinstance(stream, VideoStream):
            if stream.guessed_rate:
                self._period = float(1 / stream.guessed_rate)
            size = max(1, stream.codec_context.width * stream.codec_context.height)
            pictures = max(_FEWEST_HELD, min(_MOST_HELD, int(_HELD_PIXELS / size)))
            stop = stated_stop(cast("InputContainer", stream.container))
        self.clock: Clock[MediaFrame] = clock or Clock(
            stream.time_base or Fraction(1, 1000),
            PictureLine(stop) if isinstance(stream, VideoStream) else SoundLine(),
            shared=shared,
            beside=other_start,
            look=Look(look_seconds, pictures),
            stamped=stream.container.format.name not in _WITHOUT_STAMPS,
        )
        self._mended = self.clock.mended
        self._decoded_any = self._damaged = False

    @property
    def all_damaged(self) -> bool:
        """Whether there were packets, but not one of them decoded."""
        return self._damaged and not self._decoded_any

    @property
    def doubtful(self) -> bool:
        """Whether times so far depend on frames before them, not on stamps alone."""
        return self.clock.restarted or self.clock.mended > 0

    def frames(self, packet: "Packet[Stream]") -> Iterator[Timed[Any]]:
        """The frames that are complete now and whose times are known; none of a damaged packet.

        If the container flags a packet of pictures as corrupt, it or the next one is. Both wait
        until it is known whether a key picture follows at once: then they are whole, and another
        recording was joined on, where the counters of MPEG-TS start again.
        """
        self._suspects.append(packet)
        first, count = self._suspects[0], len(self._suspects)
        if first.is_corrupt and isinstance(self._stream, VideoStream):
            joined = count > 1 and packet.is_keyframe
            if not (joined or count == _SUSPECTS or _drains(packet)):
                return
            if not joined:
                self._corrupt.extend(each.pts for each in self._suspects[:2])
        yield from self._suspected()

    def _suspected(self) -> Iterator[Timed[Any]]:
        ready, self._suspects = self._suspects, []
        for packet in ready:
            yield from self._frames(packet)

    def _frames(self, packet: "Packet[Stream]") -> Iterator[Timed[Any]]:
        frames = decode(packet)
        if self._whole is not None:
            frames = self._whole.add(packet, frames)
        if frames is None:
            self._damaged = True
            self._corrupt.append(packet.pts)
            self._report(Damage(lost_packets=1))
        yield from self._pushed(frames or ())

    def _pushed(self, frames: Iterable[MediaFrame]) -> Iterator[Timed[Any]]:
        for frame in frames:
            if not self._decoded_any and isinstance(self._stream, VideoStream):
                self._ratio = pixel_ratio(self._stream)  # some streams state it with a frame only
            self._decoded_any = True
            if isinstance(frame, AudioFrame):
                self._period = frame.samples / max(frame.sample_rate, 1)
            yield from self._timed(self.clock.push(frame, self._period))

    def skip(self, _: FFmpegError, in_a_row: int) -> None:
        """A place of the source that cannot be read; see ``packets``."""
        if in_a_row == 1:
            self._report(Damage(lost_packets=1))

    def compare(self, read: int, indexed: int) -> None:
        """How many packets were read of a whole stream, and how many its index lists."""
        if indexed > read:
            self._report(Damage(lost_packets=indexed - read))

    def flush(self) -> Iterator[Timed[Any]]:
        """The remaining frames at the end of the stream, also where it breaks off."""
        self._corrupt.extend(packet.pts for packet in self._suspects)
        yield from self._suspected()
        yield from self._pushed(() if self._whole is None else self._whole.rest())
        yield from self._timed(self.clock.flush())

    def _timed(self, known: list[tuple[float, MediaFrame]]) -> Iterator[Timed[Any]]:
        if self.clock.mended > self._mended:
            self._report(Damage(mended_stamps=self.clock.mended - self._mended))
            self._mended = self.clock.mended
        for seconds, frame in known:
            yield Timed(seconds, frame, self._ratio, self._is_corrupt(frame))

    def _is_corrupt(self, frame: MediaFrame) -> bool:
        flagged = frame.pts is not None and frame.pts in self._corrupt
        return isinstance(frame, VideoFrame) and (flagged or frame.is_corrupt)

    def all_frames(self, packets: "Iterable[Packet[Stream]]") -> Iterator[Timed[Any]]:
        """The frames of all packets."""
        for packet in packets:
            yield from self.frames(packet)
        yield from self.flush()
