"""Opens a container, chooses its streams and reads their packets, skipping what is damaged."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facevoice.media.checks import unreadable
from facevoice.media.ogg import Part, link_bounds
from facevoice.types import require

READ_FAILURES: Final = 100
"""Failed reads in a row after which the rest of a file is given up."""
NOT_MEDIA: Final = ("concat", "dash", "hls", "imf", "tty")
"""Formats that list other files, or show text as film."""

NO_INDEX: Final = ("mpegts", "mpeg")
"""Formats without an index or a stated length: FFmpeg looks for stamps, which may be wrong."""

MediaFrame = AudioFrame | VideoFrame
MediaStream = AudioStream | VideoStream


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
                if drains(packet):
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


def drains(packet: "Packet[Stream]") -> bool:
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
