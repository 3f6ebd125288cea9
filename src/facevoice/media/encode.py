"""Writes a copy of a video with every picture painted over and the sound in step.

The MP4 is written as a stream: a few pictures are in memory at a time, whatever the length.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from functools import partial
from heapq import merge
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from facevoice.errors import InvalidInputError, OutputError
from facevoice.media.container import sound_stream
from facevoice.media.decoding import NoStreamError, decoded
from facevoice.media.pictures import iter_frames
from facevoice.media.stream_decoder import Timed
from facevoice.types import Float32Array, Frame, UInt8Array
from facevoice.writing import replacing

Paint = Callable[[UInt8Array, float], None]
"""Draws on a picture (H, W, 3) uint8 RGB in place, given its presentation time in seconds."""

_TICK: Final = Fraction(1, 60_000)  # fine enough for 59.94 Hz; MPEG-4 allows no finer than 1/65535
_PERIOD: Final = 0.04  # seconds for which a single picture is shown
_TOLERANCE: Final = 0.015  # seconds by which sound may differ from its stamps before it is moved
_BT709: Final = 1
_LAYOUTS: Final = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")
_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


def paint_video(
    source: Path,
    output: Path,
    paint: Paint,
    *,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    shift_seconds: float = 0.0,
    audio_track: int | None = None,
) -> None:
    """Write the pictures of a file, painted over, with its sound, as MP4 (H.264 and AAC).

    Pictures are upright with square pixels, as ``iter_frames`` gives them; an odd width or height
    grows by a column or row. Each keeps its presentation time, which preserves a variable frame
    rate, a start other than 0 and the offset of the sound. Gaps in the sound become silence. If
    this PyAV cannot encode H.264, MPEG-4 is used.

    start_seconds, stop_seconds: the part to write; None: all.
    shift_seconds: subtracted from all times.
    audio_track: number of the sound track, from 0; None: the main one.

    Raises:
        InvalidInputError: the file has no picture in that part.
        MediaNotFoundError, MediaPermissionError, MediaUnreadableError: as ``iter_frames``.
        OutputError: the video cannot be written; an existing file at ``output`` is kept.
    """
    span = (start_seconds, stop_seconds)
    with (
        closing(
            iter_frames(source, start_seconds=start_seconds, stop_seconds=stop_seconds)
        ) as pictures,
        closing(decoded(source, partial(sound_stream, track=audio_track), start_seconds)) as sounds,
    ):
        first = next(pictures, None)
        if first is None:
            raise InvalidInputError(f"{source} has no picture to paint on in that part")
        heard: list[Timed[AudioFrame]] = []
        with suppress(NoStreamError):
            heard = list(islice(sounds, 1))
        with replacing(output) as temporary, _written(temporary, output) as container:
            picture = _Pictures(container, first, shift_seconds)
            sound = _Sound(container, heard[0].frame, span, shift_seconds) if heard else None
            sounds_left = chain(heard, sounds)
            for item in _by_time(chain([first], pictures), sounds_left, stop_seconds):
                if isinstance(item, Frame):
                    picture.add(item, paint)
                elif sound is not None:
                    sound.add(item.seconds, item.frame)
            picture.finish()
            if sound is not None:
                sound.finish()


@contextmanager
def _written(path: Path, name: Path) -> Iterator[OutputContainer]:
    """Open an MP4 file for writing; raises OutputError where libav fails."""
    options = {
        "avoid_negative_ts": "disabled",  # the encoder's lead goes into the edit list
        "movie_timescale": "60000",  # the unit of edit lists; 1 ms by default
        "movflags": "faststart",
    }
    with av.open(f"file:{path}", "w", format="mp4", options=options) as container:
        try:
            yield container
        except FFmpegError as error:
            raise OutputError(f"{name} cannot be encoded: {error.strerror}") from error


def _by_time(
    pictures: Iterator[Frame], sounds: Iterator[Timed[AudioFrame]], stop: float | None
) -> Iterator[Frame | Timed[AudioFrame]]:
    """Both streams in order of time, so that the file is interleaved and nothing piles up."""
    heard = takewhile(lambda sound: stop is None or sound.seconds < stop, sounds)
    return merge(
        heard,
        pictures,
        key=lambda item: item.time_seconds if isinstance(item, Frame) else item.seconds,
    )


class _Pictures:
    """The picture stream; packets are written one late, because the last needs a duration."""

    def __init__(self, container: OutputContainer, first: Frame, shift: float) -> None:
        height, width = first.image.shape[:2]
        self._size = (width + width % 2, height + height % 2)
        self._container, self._shift = container, shift
        self._stream = _picture_stream(container, self._size)
        self._scaler = VideoReformatter()
        self._last: int | None = None
        self._period = round(_PERIOD / _TICK)
        self._held: Packet[VideoStream] | None = None

    def add(self, picture: Frame, paint: Paint) -> None:
        """Paint and encode one picture."""
        stamp = round((picture.time_seconds - self._shift) / _TICK)
        if self._last is not None:
            stamp = max(stamp, self._last + 1)
            self._period = stamp - self._last
        self._last = stamp
        height, width = picture.image.shape[:2]
        odd = ((0, height % 2), (0, width % 2), (0, 0))
        image: UInt8Array = np.pad(picture.image, odd, mode="edge")
        paint(image[:height, :width], picture.time_seconds)
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(image, format="rgb24"),
            width=self._size[0],
            height=self._size[1],
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = stamp, _TICK
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds; the last picture lasts as long as the one before it."""
        self._mux(self._stream.encode(None))
        if self._held is not None:
            self._held.duration = round(self._period * _TICK / (self._held.time_base or _TICK))
            self._container.mux(self._held)

    def _mux(self, packets: "Iterable[Packet[VideoStream]]") -> None:
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet


def _picture_stream(container: OutputContainer, size: tuple[int, int]) -> VideoStream:
    good = "libx264" in av.codecs_available
    stream: Any = container.add_stream("libx264" if good else "mpeg4", rate=25)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = _TICK
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG
    if good:
        # without B-frames, packets are in order of presentation: times are exact in any player
        stream.options = {"crf": "20", "preset": "veryfast", "bf": "0"}
    else:
        context.bit_rate = 4 * size[0] * size[1]
    return stream  # type: ignore[no-any-return]


class _Sound:
    """The sound stream: sample n is at n / rate seconds; gaps are filled with silence."""

    def __init__(
        self,
        container: OutputContainer,
        first: AudioFrame,
        span: tuple[float | None, float | None],
        shift: float,
    ) -> None:
        rate = first.sample_rate if first.sample_rate in _RATES else 48_000
        layout = first.layout.name if first.layout.name in _LAYOUTS else "stereo"
        self._container, self._shift, self._rate = container, shift, rate
        self._stream: AudioStream = container.add_stream("aac", rate=rate, layout=layout)
        self._stream.bit_rate = 96_000 * min(len(self._stream.layout.channels), 4)
        self._layout = layout
        low, high = span
        self._low = None if low is None else self._index(low)
        self._high = None if high is None else self._index(high)
        self._resampler: AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self._expected = 0.0
        self._position = 0  # of the next resampled sample
        self._first: int | None = None
        self._written: int | None = None  # everything before it is encoded

    def _index(self, seconds: float) -> int:
        return round((seconds - self._shift) * self._rate)

    def add(self, seconds: float, frame: AudioFrame) -> None:
        """Encode the next decoded frame, which starts at ``seconds``."""
        form = (frame.sample_rate, frame.layout.name, frame.format.name)
        if form != self._form or abs(seconds - self._expected) > _TOLERANCE:
            self._drain()
            self._resampler = AudioResampler("fltp", self._layout, self._rate)
            self._form, self._position = form, self._index(seconds)
            self._expected = seconds
        self._expected += frame.samples / frame.sample_rate
        frame.pts = None  # times are computed here: the resampler only converts
        if self._resampler is not None:
            self._put(self._resampler.resample(frame))

    def finish(self) -> None:
        """Write what the resampler and the encoder hold."""
        self._drain()
        self._mux(self._stream.encode(None))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._put(self._resampler.resample(None))
        self._resampler = None

    def _put(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            samples = np.asarray(frame.to_ndarray(), np.float32)
            at, stop = self._position, self._position + samples.shape[1]
            self._position = stop
            bounds = (at, self._low, self._written)
            first = max(bound for bound in bounds if bound is not None)
            last = stop if self._high is None else min(stop, self._high)
            if last <= first:
                continue
            self._silence(first)
            self._encode(samples[:, first - at : last - at], first)

    def _silence(self, until: int) -> None:
        """Fill the gap up to ``until``, one second at a time."""
        while self._written is not None and self._written < until:
            count = min(until - self._written, self._rate)
            channels = len(self._stream.layout.channels)
            self._encode(np.zeros((channels, count), np.float32), self._written)

    def _encode(self, samples: Float32Array, position: int) -> None:
        block = np.ascontiguousarray(samples)
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = position, Fraction(1, self._rate)
        if self._first is None:
            self._first = position
        self._written = position + samples.shape[1]
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: "Iterable[Packet[AudioStream]]") -> None:
        """Write packets except the encoder's lead, which an edit list hides only before 0."""
        for packet in packets:
            lead = self._first and packet.pts is not None and packet.pts < self._first
            if not lead:
                self._container.mux(packet)
