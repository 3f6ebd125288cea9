"""Decodes the packets of one stream into frames with presentation times, and counts damage."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facevoice.media.checks import check_size
from facevoice.media.clock import LOOK_SECONDS, Clock, Look, SharedClock
from facevoice.media.container import NO_INDEX, MediaFrame, MediaStream, decode, drains
from facevoice.media.parallel import WholePictures, worth_threads
from facevoice.media.pixels import most_pixels, pixel_ratio
from facevoice.media.stamps import PictureLine, SoundLine
from facevoice.types import Damage, Damaged, ignored

_WITHOUT_STAMPS: Final = ("avi",)  # of presentation
_FEWEST_HELD: Final = 4  # pictures that are held to judge a stamp
_MOST_HELD: Final = 16
_HELD_PIXELS: Final = 40_000_000
_STAMPS_KEPT: Final = 32  # more than a decoder holds back
_SUSPECTS: Final = 3  # packets, of which the first is flagged as corrupt

FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)


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
    stream.codec_context.options = {"max_pixels": str(most_pixels())}
    in_parallel = in_parallel and worth_threads(stream)
    if in_parallel:
        stream.thread_type = "FRAME"
    else:
        stream.codec_context.thread_count = 1
    return in_parallel


def stated_stop(container: InputContainer) -> float:
    """Until when a source lasts by its header, in seconds; inf if that is unknown.

    -inf where it states nothing of its own: of MPEG-TS, FFmpeg takes the length from its stamps.
    """
    if container.format.name in NO_INDEX:
        return -math.inf
    if not container.duration:
        return math.inf
    return ((container.start_time or 0) + container.duration) / 1_000_000


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
            if not (joined or count == _SUSPECTS or drains(packet)):
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
