"""Probes files: what they hold, and whether it decodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from facevoice.media.checks import check_file, check_size, unreadable
from facevoice.media.container import (
    Link,
    MediaFrame,
    MediaStream,
    decode,
    first_instant,
    links,
    opened,
    packets,
    picture_stream,
    sound_stream,
)
from facevoice.media.extent import Extent
from facevoice.media.pixels import pixel_ratio, upright_size
from facevoice.media.runs import unbroken
from facevoice.media.stills import still_size

_MOST_PACKETS: Final = 5_000  # read in search of a first frame; after that the header is trusted
_MEASURED_SECONDS: Final = 12.0  # of packets that are read to check a header
_MEASURED_BYTES: Final = 32_000_000
_TOO_SMALL: Final = 10.0  # times fewer bytes than the first seconds lead to expect
_HEADER_SECONDS: Final = 0.5  # by which a header may differ from the packets


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """The content of a file.

    path: the file.
    kind: video if it has moving pictures (with or without sound), audio if it has only sound
        (the cover picture of an album does not count), image if it is a still picture.
    start_seconds: presentation time of the first instant of any stream, as the container states
        it, unless its packets show otherwise; may be negative or large; 0 for a still picture.
    duration_seconds: from the header of the container, or else of the streams; where the packets
        refute it (a file cut short to a few seconds, a header that says too little), as measured
        from them. None if unknown. 0 for a still picture.
    has_video, has_audio: whether there is such a stream and something in it decodes.
    width, height: of the upright picture in square pixels; 0 without a picture.
    frame_rate_hz: average pictures per second; None without video or if unknown.
    audio_rate_hz: native samples per second; None without sound.
    audio_tracks: number of sound tracks.
    audio_track: which of them, from 0, this is about; None: there is none.
    """

    path: Path
    kind: Literal["video", "audio", "image"]
    start_seconds: float
    duration_seconds: float | None
    has_video: bool
    has_audio: bool
    width: int
    height: int
    frame_rate_hz: float | None
    audio_rate_hz: int | None
    audio_tracks: int = 0
    audio_track: int | None = None

    @property
    def stop_seconds(self) -> float | None:
        """Where the file ends, as far as is known."""
        return None if self.duration_seconds is None else self.start_seconds + self.duration_seconds


def probe(path: Path, audio_track: int | None = None) -> MediaInfo:
    """Read the header of a file and decode its first picture and its first frame of sound.

    audio_track: number of the sound track, from 0; None: the main one.

    A stream in which nothing decodes counts as absent, so ``has_video`` and ``has_audio`` can be
    relied on. For a still picture, only the header is read.

    Raises:
        InvalidInputError: no such track.
        MediaNotFoundError: no such file, or a folder.
        MediaPermissionError: this user may not read it.
        MediaUnreadableError: empty, not media, damaged beyond use, or a picture that is too large.
    """
    path = Path(path)
    check_file(path)
    size = still_size(path)
    if size is not None:
        return MediaInfo(path, "image", 0.0, 0.0, False, False, *size, None, None)  # noqa: FBT003
    link, *more = links(path)
    with opened(path, link) as container:
        picture, sound = picture_stream(container), sound_stream(container, audio_track)
        streams = [stream for stream in (picture, sound) if stream is not None]
        if picture is not None:
            check_size(path, picture.codec_context.width, picture.codec_context.height)
        extent, arriving = Extent(), _all_packets(path, container, streams, more, audio_track)
        firsts = _first_frames(arriving, streams, extent)
        if not firsts:
            raise unreadable(path, "its streams are empty or damaged: nothing in it decodes")
        width = height = 0
        if picture is not None and picture.index in firsts:
            width, height = picture.codec_context.width, picture.codec_context.height
            first = firsts[picture.index]
            if isinstance(first, VideoFrame):
                width, height = upright_size(first, pixel_ratio(picture))
            check_size(path, width, height)
        audio_rate = None
        if sound is not None and sound.index in firsts:
            heard = firsts[sound.index]
            stated = heard if isinstance(heard, AudioFrame) else sound.codec_context
            audio_rate = stated.sample_rate
        present = [stream for stream in streams if stream.index in firsts]
        header = first_instant(*present) or 0.0, _duration(container, present)
        start, length = _span(arriving, extent, header, path.stat().st_size)
        rate = picture.average_rate or picture.guessed_rate if width and picture else None
        return MediaInfo(
            path=path,
            kind="video" if width else "audio",
            start_seconds=start,
            duration_seconds=length,
            has_video=width > 0,
            has_audio=audio_rate is not None,
            width=width,
            height=height,
            frame_rate_hz=float(rate) if rate else None,
            audio_rate_hz=audio_rate,
            audio_tracks=len(container.streams.audio),
            audio_track=None if sound is None else container.streams.audio.index(sound),
        )


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
            for packet in unbroken(packets(container, *streams)):
                extent.add(packet)
    extent.finish()
    return extent.span


def _all_packets(
    path: Path,
    container: InputContainer,
    streams: list[MediaStream],
    more: list[Link | None],
    audio_track: int | None,
) -> "Iterator[Packet[Stream]]":
    """The packets of a container, then those of the other links of the file."""
    yield from unbroken(packets(container, *streams))
    for link in more:
        with opened(path, link) as following:
            found = picture_stream(following), sound_stream(following, audio_track)
            yield from packets(following, *(stream for stream in found if stream is not None))


def _first_frames(
    arriving: "Iterator[Packet[Stream]]", streams: list[MediaStream], extent: Extent
) -> dict[int, MediaFrame | None]:
    """The first frame of each stream by its index; a stream that does not decode has no entry.

    None stands for a stream whose first packet lies too far into the file.
    """
    found: dict[int, MediaFrame | None] = {}
    waiting = {stream.index for stream in streams}
    tried: set[int] = set()
    for count, packet in enumerate(arriving):
        extent.add(packet)
        index = packet.stream.index
        if index in waiting:
            tried.add(index)
            frames = decode(packet)
            if frames:
                found[index] = frames[0]
                waiting.discard(index)
        if not waiting:
            break
        if count >= _MOST_PACKETS:
            found.update(dict.fromkeys(waiting - tried))
            break
    return found


def _span(
    arriving: "Iterator[Packet[Stream]]",
    extent: Extent,
    stated: tuple[float, float | None],
    file_size: int,
) -> tuple[float, float | None]:
    """Start and length as stated by the header, or as measured where the packets refute it.

    A header is a hint. The packets of the first seconds are read; all of them only if they show
    that the file lasts longer than its header says, or is far too small to last as long.
    """
    start, length = stated
    size = count = 0
    ended = True
    for packet in arriving:
        extent.add(packet)
        size, count = size + packet.size, count + 1
        known = extent.seconds
        wrong = length is not None and (
            known > length + _HEADER_SECONDS or size * length > _TOO_SMALL * known * file_size
        )
        enough = known > _MEASURED_SECONDS or size > _MEASURED_BYTES or count > _MOST_PACKETS
        if enough and not wrong:
            ended = False
            break
    if ended:
        extent.finish()
    if extent.span is None:
        return start, length
    first, last = extent.span
    if extent.starts_at(start, _HEADER_SECONDS):
        first = start
    known = last - first
    if length is not None and (abs(known - length) <= _HEADER_SECONDS or not ended):
        known_length: float | None = length
    else:
        known_length = known if ended else None
    return first, known_length


def _duration(container: InputContainer, streams: list[MediaStream]) -> float | None:
    """Length in seconds from the header of the container, or else of its longest stream."""
    if container.duration is not None and container.duration > 0:
        return container.duration / 1_000_000
    lengths = [float(s.duration * s.time_base) for s in streams if s.duration and s.time_base]
    return max(lengths, default=None)
