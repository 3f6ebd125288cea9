"""A live source in, its windows out as they are complete.

The windows are those that ``timeline`` gives of the same material: pictures are handed on in the
order of presentation, each once the sound has come as far, and what is missing for long is gone on
without. How that is decided depends on what has come so far alone.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from typing import Final, cast

from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError, InvalidInputError
from facevoice.extract.plan import WINDOW_SECONDS
from facevoice.media import (
    Arrival,
    LiveInput,
    Look,
    Opened,
    Opening,
    SoundGrid,
    Source,
    Wanted,
    opening,
)
from facevoice.media.grid import Piece
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.timeline.rows import Sight
from facevoice.timeline.run import check_windows, window_maker
from facevoice.timeline.table import Row
from facevoice.timeline.windows import SAMPLING_HZ, Streams, Window, WindowMaker
from facevoice.types import Frame, Waveform

_LONGEST_PATIENCE: Final = 10.0  # seconds that late sound may stretch the patience to
_PATIENCE_MARGIN: Final = 0.5  # seconds
_MOST_BYTES: Final = 256e6  # of pictures that wait for sound
_MOST_SECONDS: Final = 60.0  # of sound that waits for pictures
_ROUNDING: Final = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """One finished window of a live source.

    start_seconds, stop_seconds: of the window, in the source's presentation time.
    elapsed_seconds: from the source's first instant to the window's stop.
    rows: by person, the row without a person last. People are numbered as they appear.
    sights: every sight of a named person that no later window will hold; each comes once.
    cuts: presentation times of new shots found since the window before.
    delay_seconds: from the arrival of the window's last instant to now, when it is given.
    dropped_pictures: left out since the window before, because they came too fast.
    """

    start_seconds: float
    stop_seconds: float
    elapsed_seconds: float
    rows: tuple[Row, ...]
    sights: tuple[Sight, ...]
    cuts: tuple[float, ...]
    delay_seconds: float
    dropped_pictures: int


def live(  # noqa: PLR0913 - one keyword an option
    source: Source | Iterable[Frame | Waveform],
    bundle: Bundle | str | PathLike[str] = "base",
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    duration: float | None = None,
    input_format: str | None = None,
    options: Mapping[str, str] | None = None,
    pictures: bool = True,
    sound: bool = True,
    real_time: bool | None = None,
    device: Device = "cpu",
    threads: int | None = None,
) -> Generator[LiveWindow, None, None]:
    """The windows of a camera, a stream or a pipe, each as soon as it is complete.

    A window is made of itself and the past alone; those of a file that is piped in are those of
    ``timeline``. If pictures or sound are missing for longer than a hop and half a second, windows
    go on without them. Closing the generator closes the source.

    source: a camera's number, "-" for standard input, a URL, the path of a file or device, a binary
        stream, or an iterable of ``Frame`` and ``Waveform`` (any rate), each in the order of time,
        which is run in a thread of its own.
    bundle: the model, its name or its folder.
    window, hop: seconds; 0 < hop <= window.
    duration: stop after so many seconds of the source.
    input_format, options: ffmpeg's, as in input_format="v4l2", options={"framerate": "30"}.
    pictures, sound: what to look for; what is not there need not be waited for.
    real_time: drop pictures rather than fall behind; None: for devices and for URLs whose length is
        unknown. Sound is never dropped.

    Raises:
        InvalidInputError: the windows or the source make no sense.
        FacevoiceError: the source cannot be opened, or (after the windows that are complete) it
            broke off.
    """
    check_windows(window, hop)
    if duration is not None and not duration > 0:
        raise InvalidInputError(f"duration must be above 0 s, got {duration}")
    if not (pictures or sound):
        raise InvalidInputError("live input without pictures and without sound holds nothing")
    what = _what(source, input_format, options)
    wanted = Wanted(SAMPLING_HZ, duration, pictures, sound, real_time)
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(cast("str", bundle), device=device, threads=threads)
    return _windows(what, wanted, bundle, (window, hop), device, threads)


def _what(
    source: Source | Iterable[Frame | Waveform],
    input_format: str | None,
    options: Mapping[str, str] | None,
) -> Opening | Iterable[Frame | Waveform]:
    if isinstance(source, (int, str, PathLike)) or hasattr(source, "read"):
        return opening(cast("Source", source), input_format, options)
    if isinstance(source, Iterable):
        return source
    raise InvalidInputError(f"{type(source).__name__} is no source of pictures and sound")


def _windows(
    what: Opening | Iterable[Frame | Waveform],
    wanted: Wanted,
    bundle: Bundle,
    lengths: tuple[float, float],
    device: Device,
    threads: int | None,
) -> Generator[LiveWindow, None, None]:
    window, hop = lengths
    with closing(LiveInput(what, wanted)) as arrivals:
        opened = arrivals.opened()
        streams = Streams(opened.start_seconds, opened.has_video, opened.has_audio)
        maker = window_maker(
            streams, bundle, window=window, hop=hop, device=device, threads=threads
        )
        feeder = _Feeder(maker, opened, wanted.seconds)
        clock = _Delays(opened.start_seconds)
        broken: FacevoiceError | None = None
        try:
            for arrival in arrivals:
                clock.note(arrival)
                yield from map(clock.timed, feeder.take(arrival))
        except FacevoiceError as error:
            broken = error
        yield from map(clock.timed, feeder.end())
        if broken is not None:
            raise broken


class _Feeder:
    """Hands what arrives to a maker: sound at once, a picture once the sound has come as far.

    When one of them is missing for long while the other goes on, it is gone on without. That is so
    when it is behind by more than the patience, and the source was waited for that long, too: a
    file that is piped in may hold its pictures far ahead of its sound.
    """

    def __init__(self, maker: WindowMaker, opened: Opened, seconds: float | None) -> None:
        start = opened.start_seconds
        stop = None if seconds is None else start + seconds
        self._maker, self._opened = maker, opened
        self._grid = SoundGrid(SPEECH_RATE_HZ, start, stop)
        self._patience = maker.patience_seconds
        self._looks: deque[Look] = deque()
        self._bytes = 0
        self._fed = self._shown = self._heard = start
        self._covered = start if opened.has_audio else float("inf")
        self._looked_at: float | None = None
        self._heard_at: float | None = None
        self._deaf = self._blind = False

    def take(self, arrival: Arrival) -> Iterator[Window]:
        """What has arrived; gives the windows that are complete by now."""
        at = arrival.waited_seconds
        if self._looked_at is None or self._heard_at is None:
            self._looked_at = self._heard_at = at
        if isinstance(arrival.content, Look):
            self._looked_at, self._blind = at, False
            self._shown = arrival.content.time_seconds
            self._looks.append(arrival.content)
            self._bytes += _bytes(arrival.content)
            yield from self._release()
        else:
            yield from self._hear(arrival.content, at)
        yield from self._go_on_deaf(at - self._heard_at)
        yield from self._go_on_blind(at - self._looked_at)

    def end(self) -> Iterator[Window]:
        """Nothing will come any more: the windows that are left."""
        yield from self._sound(self._grid.flush())
        self._maker.end_sound()
        self._covered = float("inf")
        yield from self._release()
        self._maker.end_pictures()
        yield from self._maker.ready()

    def _hear(self, sound: Waveform, at: float) -> Iterator[Window]:
        if self._deaf and self._shown - sound.start_seconds > self._patience:
            late = self._shown - sound.start_seconds + _PATIENCE_MARGIN
            self._patience = min(late, _LONGEST_PATIENCE)
        self._heard_at, self._deaf = at, False
        self._heard = max(self._heard, sound.stop_seconds)
        yield from self._sound(self._grid.push(sound.start_seconds, sound.samples, sound.rate_hz))

    def _sound(self, pieces: Iterable[Piece]) -> Iterator[Window]:
        for position, samples in pieces:
            piece = Waveform(samples, SPEECH_RATE_HZ, position / SPEECH_RATE_HZ)
            yield from self._no_sound_before(piece.start_seconds)
            self._maker.sound(piece)
            self._covered = max(self._covered, piece.stop_seconds)
            yield from self._maker.ready()
            yield from self._release()

    def _no_sound_before(self, time_seconds: float) -> Iterator[Window]:
        if time_seconds > self._covered:
            self._maker.no_sound_before(time_seconds)
            self._covered = time_seconds
            yield from self._maker.ready()
            yield from self._release()

    def _release(self) -> Iterator[Window]:
        """Hand the pictures on that the sound has come up to."""
        while self._looks:
            look = self._looks[0]
            if look.time_seconds - self._fed > self._maker.patience_seconds:
                self._maker.no_pictures_before(look.time_seconds)
                yield from self._maker.ready()
            if look.time_seconds > self._covered:
                return
            self._looks.popleft()
            self._bytes -= _bytes(look)
            self._fed = look.time_seconds
            self._maker.picture(look)
            yield from self._maker.ready()

    def _go_on_deaf(self, waited: float) -> Iterator[Window]:
        """Do without sound if it is missing for long."""
        if not (self._looks and self._opened.has_audio):
            return
        if not self._deaf:
            enough = waited > self._patience or self._bytes > _MOST_BYTES
            if self._shown - self._heard <= self._patience or not enough:
                return
            self._deaf = True
            yield from self._sound(self._grid.flush())
        yield from self._no_sound_before(self._shown - self._patience)

    def _go_on_blind(self, waited: float) -> Iterator[Window]:
        """Do without pictures if they are missing for long."""
        behind = self._heard - self._shown
        if not self._opened.has_video or behind <= self._patience:
            return
        if self._blind or waited > self._patience or behind > _MOST_SECONDS:
            self._blind = True
            self._maker.no_pictures_before(self._heard - self._patience)
            yield from self._maker.ready()


class _Delays:
    """When which instant of the source had arrived."""

    def __init__(self, start_seconds: float) -> None:
        self._start = start_seconds
        self._reached: deque[tuple[float, float]] = deque()
        self._dropped = 0

    def note(self, arrival: Arrival) -> None:
        """Something has arrived."""
        content = arrival.content
        until = content.time_seconds if isinstance(content, Look) else content.stop_seconds
        self._dropped += arrival.dropped
        if not self._reached or until > self._reached[-1][0]:
            self._reached.append((until, arrival.arrived_seconds))

    def timed(self, window: Window) -> LiveWindow:
        """A window that is complete now."""
        while len(self._reached) > 1 and self._reached[0][0] < window.stop_seconds - _ROUNDING:
            self._reached.popleft()
        arrived = self._reached[0][1] if self._reached else time.monotonic()
        dropped, self._dropped = self._dropped, 0
        return LiveWindow(
            start_seconds=window.start_seconds,
            stop_seconds=window.stop_seconds,
            elapsed_seconds=window.stop_seconds - self._start,
            rows=window.rows,
            sights=window.sights,
            cuts=window.cuts,
            delay_seconds=time.monotonic() - arrived,
            dropped_pictures=dropped,
        )


def _bytes(look: Look) -> int:
    return look.light.nbytes + (0 if look.image is None else look.image.nbytes)
