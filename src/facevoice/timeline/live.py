"""A live source in, its windows out as they are complete.

They are those that ``timeline`` gives of the same material: see ``feeding``.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from typing import Final, cast

from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError, InvalidInputError
from facevoice.evidence import EvidenceReader, EvidenceWindow, Feeder, Plan, check_windows
from facevoice.evidence.plan import WINDOW_SECONDS
from facevoice.media import (
    Arrival,
    LiveInput,
    Opening,
    Source,
    View,
    Wanted,
    opening,
)
from facevoice.session import Device
from facevoice.timeline.scoring import FaceSight, Window, WindowScorer
from facevoice.timeline.table import Row
from facevoice.types import Frame, Waveform

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
    sights: tuple[FaceSight, ...]
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
    threads: int | None = 1,
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
    threads: of each network, None for all cores; see ``timeline``.

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
    rate_hz = Plan(0.0, window, hop, has_video=True, has_audio=True).rate_hz
    wanted = Wanted(rate_hz, duration, pictures, sound, real_time)
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
        start, asked = opened.start_seconds, wanted.seconds
        plan = Plan(
            start,
            window,
            hop,
            opened.has_video,
            opened.has_audio,
            asked_stop=None if asked is None else start + asked,
        )
        reader = EvidenceReader(device=device, threads=threads)
        feeder = Feeder(reader.maker(plan, follow=True, attribute=True), opened)
        clock = _Delays(WindowScorer(bundle), start)
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


class _Delays:
    """Scores windows and says how long after the source's instants they come."""

    def __init__(self, scorer: WindowScorer, start_seconds: float) -> None:
        self._scorer, self._start = scorer, start_seconds
        self._reached: deque[tuple[float, float]] = deque()
        self._dropped = 0

    def note(self, arrival: Arrival) -> None:
        """Something has arrived."""
        content = arrival.content
        self._dropped += arrival.dropped
        if content is None:
            return
        until = content.time_seconds if isinstance(content, View) else content.stop_seconds
        if not self._reached or until > self._reached[-1][0]:
            self._reached.append((until, arrival.arrived_seconds))

    def timed(self, seen: EvidenceWindow) -> LiveWindow:
        """A window that is complete now."""
        window: Window = self._scorer.window(seen)
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
