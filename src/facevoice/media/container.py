"""Opening a container and walking one of its streams, whatever state the file is in."""

import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

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
from facevoice.media.clock import Clock, Together, stamp_of
from facevoice.media.picture import MAX_PIXELS, MAX_SIDE, fits, pixel_ratio

READ_FAILURES: Final = 100
"""In a row, after which the rest of a file counts as lost."""

_SEEK_FROM: Final = 2.0  # seconds into the file below which decoding from the start is cheaper
_SEEK_BACK: Final = (0.5, 8.0, 64.0)  # seconds before the wanted instant, tried in turn
NOT_MEDIA: Final = ("concat", "dash", "hls", "imf", "tty")  # lists of other files; text as film
_STILL_BRANDS: Final = ("heic", "heix", "mif1", "msf1", "avif", "avis")

MediaFrame = AudioFrame | VideoFrame
MediaStream = AudioStream | VideoStream


class NoStreamError(Exception):
    """The file holds other streams, but none of the wanted kind."""


class Timed(NamedTuple):
    """A decoded frame, when it is presented, and how wide its pixels are for their height."""

    seconds: float
    frame: MediaFrame
    pixel_ratio: float


def unreadable(path: Path | str, found: str) -> MediaUnreadableError:
    """The error for a file that exists but cannot be decoded."""
    return MediaUnreadableError(
        f"cannot read {path}: {found}; check that it plays in a media player, or export it again"
    )


def check_file(path: Path) -> None:
    """Make sure that ``path`` names a regular file with something in it that may be read.

    Raises:
        MediaNotFoundError: nothing there, a folder, or something that is not a file.
        MediaPermissionError: this user may not read it.
        MediaUnreadableError: it is empty, or the disk fails.
    """
    try:
        mode = path.stat().st_mode
        regular = stat.S_ISREG(mode)  # opening a pipe would wait for ever
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
        raise MediaNotFoundError(f"{path} is not a regular file: copy what it gives to one")
    if empty:
        raise unreadable(path, "the file is empty")


def check_size(path: Path | str, width: int, height: int) -> None:
    """Refuse pictures of absurd size before memory is spent on them.

    Raises:
        MediaUnreadableError: a side above ``MAX_SIDE`` or more than ``MAX_PIXELS`` pixels.
    """
    if not fits(width, height):
        raise unreadable(
            path,
            f"the picture is {width}x{height}, the limit is {MAX_SIDE} a side"
            f" and {MAX_PIXELS // 1_000_000} million pixels",
        )


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a container for reading; closes it at the end. Only the local file is ever touched.

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
    """The main picture stream; a cover picture of an album is none."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if s.codec_context and not s.disposition & cover]
    best = container.streams.best("video")
    return next((s for s in streams if best and s.index == best.index), next(iter(streams), None))


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The main sound stream."""
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    best = container.streams.best("audio")
    return next((s for s in streams if best and s.index == best.index), next(iter(streams), None))


def packets(container: InputContainer, *streams: Stream) -> "Iterator[Packet[Stream]]":
    """The packets of some streams in file order, then an empty one each that drains its decoder.

    A place that cannot be read is skipped; after 100 such in a row the file counts as ended.
    """
    failures = 0
    while failures < READ_FAILURES:
        try:
            for packet in container.demux(list(streams)):
                failures = 0
                yield packet
        except FFmpegError:
            failures += 1
        else:
            return


def decode(packet: "Packet[Stream]") -> list[MediaFrame] | None:
    """The frames that a packet completes; None if the packet is damaged."""
    if packet.size == 0 and packet.pts is not None:
        return None  # an empty packet amid the stream would end the decoder
    try:
        return [f for f in packet.decode() if isinstance(f, (AudioFrame, VideoFrame))]
    except FFmpegError:
        return None


def first_instant(stream: MediaStream) -> float | None:
    """Presentation time at which a stream starts, by its header; None if that does not say."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)


def decoded(
    path: Path,
    pick: Callable[[InputContainer], MediaStream | None],
    start_seconds: float | None,
) -> Generator[Timed, None, None]:
    """Decode one stream in order of presentation and close the file at the end.

    With ``start_seconds`` well into the file the decoder starts at a key frame before it: what
    comes first is at or before that instant, so the caller skips to it. If a seek lands too late
    (or the format cannot seek) the next try goes further back, at last to the start of the file.

    Raises:
        NoStreamError: the file has no stream of the wanted kind.
        MediaUnreadableError: the stream has packets but none of them decodes.
    """
    for back in (*_SEEK_BACK, None):
        with opened(path) as container:
            stream = pick(container)
            if stream is None:
                raise NoStreamError(str(path))
            prepare(str(path), stream)
            if back is None or start_seconds is None:
                yield from _timed(path, container, stream)
                return
            if not _seek(container, stream, start_seconds, back):
                continue
            frames = _timed(None, container, stream)
            first = next(frames, None)
            lost = first is None or stamp_of(first.frame) is None or first.seconds > start_seconds
            if first is None or lost:
                continue
            yield first
            yield from frames
            return


def prepare(name: str, stream: MediaStream, *, at_once: bool = False) -> None:
    """Set a stream's decoder up; at_once: it must not hold frames back to decode several at a time.

    Raises:
        MediaUnreadableError: pictures of absurd size.
    """
    context = stream.codec_context
    if isinstance(stream, VideoStream):
        check_size(name, stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "SLICE" if at_once else "AUTO"
        context.options = {"max_pixels": str(MAX_PIXELS)}  # also for a size that changes midway


def _seek(container: InputContainer, stream: MediaStream, start: float, back: float) -> bool:
    """Go to a key frame at or before ``start - back``; False if that is no use or not possible."""
    origin, base = first_instant(stream), stream.time_base
    if origin is None or base is None or start - max(back, _SEEK_FROM) < origin:
        return False
    try:
        container.seek(int((start - back) / base), stream=stream)
    except FFmpegError:
        return False
    return True


def _timed(path: Path | None, container: InputContainer, stream: MediaStream) -> Iterator[Timed]:
    """Frames with their times; ``path`` is given if nothing decodable at all is an error."""
    decoder = StreamDecoder(stream)
    for packet in packets(container, stream):
        yield from decoder.frames(packet)
    if path is not None and decoder.all_damaged:
        kind = "picture" if isinstance(stream, VideoStream) else "sound"
        raise unreadable(path, f"its {kind} stream is damaged: not one packet of it decodes")


class StreamDecoder:
    """Decodes the packets of one stream and tells when its frames are presented.

    together: of a live source, what the clock has in common with that of the other stream.
    """

    def __init__(self, stream: MediaStream, together: Together | None = None) -> None:
        self._stream = stream
        self._clock = Clock(stream.time_base or Fraction(1, 1000), together)
        self._period, self._ratio = 0.04, 1.0
        if isinstance(stream, VideoStream) and stream.guessed_rate:
            self._period = float(1 / stream.guessed_rate)
        self._decoded_any = self._damaged = False

    @property
    def all_damaged(self) -> bool:
        """Whether there were packets, but not one of them decoded."""
        return self._damaged and not self._decoded_any

    def frames(self, packet: "Packet[Stream]") -> Iterator[Timed]:
        """The frames that a packet completes; none if it is damaged."""
        frames = decode(packet)
        self._damaged |= frames is None
        for frame in frames or ():
            if not self._decoded_any and isinstance(self._stream, VideoStream):
                self._ratio = pixel_ratio(self._stream)  # some streams tell it with the first one
            self._decoded_any = True
            if isinstance(frame, AudioFrame):
                self._period = frame.samples / max(frame.sample_rate, 1)
            yield Timed(self._clock.seconds(frame, self._period), frame, self._ratio)
