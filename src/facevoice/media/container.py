"""Opens a container and decodes its streams, skipping what is damaged."""

import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from numbers import Integral
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

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
from facevoice.media.clock import Clock, SharedClock, check_span
from facevoice.media.pixels import MAX_PIXELS, MAX_SIDE, fits, pixel_ratio
from facevoice.types import Damage, Damaged, ignored, require

READ_FAILURES: Final = 100
"""Failed reads in a row after which the rest of a file is given up."""
NOT_MEDIA: Final = ("concat", "dash", "hls", "imf", "tty")
"""Formats that list other files, or show text as film."""

_SEEK_FROM: Final = 2.0  # seconds into the file; decoding from the start is cheaper before that
_SEEK_BACK: Final = (0.5, 8.0, 64.0)  # seconds before the wanted instant, tried in turn
_STILL_BRANDS: Final = ("heic", "heix", "mif1", "msf1", "avif", "avis")

MediaFrame = AudioFrame | VideoFrame
MediaStream = AudioStream | VideoStream
FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)


class NoStreamError(Exception):
    """The file has streams, but none of the requested kind."""


class Timed(NamedTuple, Generic[FrameT]):
    """A decoded frame, its presentation time, and the width of its pixels over their height."""

    seconds: float
    frame: FrameT
    pixel_ratio: float


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


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a container for reading and close it at the end; no other file or URL is accessed.

    Raises:
        MediaUnreadableError: no container of a known type, or one without picture and sound.
    """
    try:
        container = av.open(
            f"file:{path}",
            mode="r",
            options={"protocol_whitelist": "file"},  # a playlist must not reach the network
            metadata_errors="ignore",
        )
    except (FFmpegError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        found = f"no video, sound or picture was found in it ({reason})"
        raise unreadable(path, f"{found}: damaged, cut short or not a media file") from error
    with container:
        brand = container.metadata.get("major_brand", "").strip().lower()
        if brand in _STILL_BRANDS:
            raise unreadable(path, f"still pictures of type {brand} are not supported, JPEG is")
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
    while failures < READ_FAILURES:
        try:
            for packet in container.demux(list(streams)):
                failures = 0
                yield packet
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


def first_instant(*streams: MediaStream | None) -> float | None:
    """Earliest start of some streams in presentation time, by their headers; None if unknown."""
    instants = [
        float(stream.start_time * stream.time_base)
        for stream in streams
        if stream is not None and stream.start_time is not None and stream.time_base is not None
    ]
    return min(instants, default=None)


def decoded(
    path: Path,
    pick: Callable[[InputContainer], MediaStream | None],
    start_seconds: float | None,
    damaged: Damaged = ignored,
) -> Generator[Timed[Any], None, None]:
    """Decode one stream in order of presentation and close the file at the end.

    If ``start_seconds`` lies well into the file, decoding starts at a key frame before it: the
    first frames are at or before that instant, and the caller skips to it. If a seek lands too
    late (or the format cannot seek), the next try goes further back, and finally to the start.

    damaged: called with the packets that are lost; corrupt pictures are yielded, for the caller
        to count those of its span.

    Raises:
        NoStreamError: the file has no stream of the requested kind.
        MediaUnreadableError: the stream has packets but none of them decodes.
    """
    start = start_seconds or 0.0
    for back in (None,) if start_seconds is None else (*_SEEK_BACK, None):
        with opened(path) as container:
            stream = pick(container)
            if stream is None:
                raise NoStreamError(str(path))
            prepare(str(path), stream)
            if back is not None and not _seek(container, stream, start, back):
                continue
            decoder = StreamDecoder(stream, damaged=damaged)
            frames = (
                timed for packet in packets(container, stream) for timed in decoder.frames(packet)
            )
            first = next(frames, None)
            if first is not None and (back is None or _precedes(first, start)):
                yield first
                yield from frames
            elif back is not None:
                continue
            if decoder.all_damaged:
                raise unreadable(path, f"not one packet of its {stream.type} stream decodes")
            return


def prepare(name: str, stream: MediaStream, *, at_once: bool = False) -> None:
    """Set up a decoder; at_once: it must not hold frames back to decode several in parallel.

    Raises:
        MediaUnreadableError: the pictures are too large.
    """
    if isinstance(stream, VideoStream):
        check_size(name, stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "SLICE" if at_once else "AUTO"
        # also limits a size that changes midway
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}


def _seek(container: InputContainer, stream: MediaStream, start: float, back: float) -> bool:
    """Go to a key frame at or before ``start - back``; False if that is useless or impossible."""
    origin, base = first_instant(stream), stream.time_base
    if origin is None or base is None or start - max(back, _SEEK_FROM) < origin:
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

    shared: for a live source, the state shared with the clock of the other stream.
    damaged: called with each packet that is lost.
    """

    def __init__(
        self,
        stream: MediaStream,
        shared: SharedClock | None = None,
        damaged: Damaged = ignored,
    ) -> None:
        self._stream, self._report = stream, damaged
        self._clock = Clock(stream.time_base or Fraction(1, 1000), shared)
        self._period, self._ratio = 0.04, 1.0
        if isinstance(stream, VideoStream) and stream.guessed_rate:
            self._period = float(1 / stream.guessed_rate)
        self._decoded_any = self._damaged = False

    @property
    def all_damaged(self) -> bool:
        """Whether there were packets, but not one of them decoded."""
        return self._damaged and not self._decoded_any

    def frames(self, packet: "Packet[Stream]") -> Iterator[Timed[Any]]:
        """The frames that a packet completes; none if it is damaged."""
        frames = decode(packet)
        if frames is None:
            self._damaged = True
            self._report(Damage(lost_packets=1))
        for frame in frames or ():
            if not self._decoded_any and isinstance(self._stream, VideoStream):
                self._ratio = pixel_ratio(self._stream)  # some streams state it with a frame only
            self._decoded_any = True
            if isinstance(frame, AudioFrame):
                self._period = frame.samples / max(frame.sample_rate, 1)
            yield Timed(self._clock.seconds(frame, self._period), frame, self._ratio)
