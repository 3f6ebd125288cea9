"""Score a live source window by window, as its windows are complete.

They equal the windows that ``timeline`` makes of the same material.
"""

import math
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from typing import Final, cast

from facevoice.bundle import Bundle, load_bundle
from facevoice.errors import FacevoiceError, InvalidInputError
from facevoice.evidence import WINDOW_SECONDS, EvidenceReader, EvidenceWindow, Feeder, Plan
from facevoice.media import (
    Arrival,
    LiveInput,
    Opened,
    Opening,
    Source,
    View,
    Wanted,
    opening,
)
from facevoice.person import Baseline
from facevoice.session import Device
from facevoice.timeline.personal import own_baselines
from facevoice.timeline.scoring import Window, WindowScorer
from facevoice.types import Frame, Waveform, is_finite

_ROUNDING: Final = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class LiveWindow(Window):
    """One complete window of a live source; people are numbered as they appear.

    elapsed_seconds: from the source's first instant to the window's stop.
    delay_seconds: from the arrival of the window's last instant until the window was scored.
    dropped_pictures: left out since the previous window, because they came too fast.
    audio_tracks: number of sound tracks in the source; one of them is read.
    """

    elapsed_seconds: float
    delay_seconds: float
    dropped_pictures: int
    audio_tracks: int = 0


def live(  # noqa: PLR0913 - one keyword per option
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
    audio_track: int | None = None,
    personal: bool = False,
    baseline: Baseline | None = None,
    device: Device = "cpu",
    threads: int | None = 1,
) -> Generator[LiveWindow, None, None]:
    """Yield the windows of a camera, a stream or a pipe, each as soon as it is complete.

    A window depends on itself and the past alone; those of a file that is piped in equal those of
    ``timeline``. If pictures or sound are missing for longer than a hop and half a second, windows
    continue without them. Closing the generator closes the source.

    source: a camera's number, "-" for standard input, a URL, the path of a file or device, a binary
        stream, or an iterable of ``Frame`` and ``Waveform`` (any rate), each kind in order of time,
        which is read in a thread of its own.
    bundle: the model, its name or its folder.
    window, hop: seconds; 0 < hop <= window.
    duration: stop after that many seconds of the source.
    input_format, options: ffmpeg's, as in input_format="v4l2", options={"framerate": "30"}.
    pictures, sound: which of them to read.
    real_time: drop pictures rather than fall behind; None: for devices and for URLs of unknown
        length. Sound is never dropped.
    audio_track: number of the sound track, from 0; None: the main one.
    personal: also read each window against the person's own baseline, which is made of that
        person's earlier windows. See docs/person.md.
    baseline: of the one person whom the source shows, enrolled before: everyone's starts with it.
    threads: of each network; None: all cores. See ``timeline``.

    Raises:
        InvalidInputError: the windows or the source are invalid, or there is a baseline without
            ``personal`` or from another bundle.
        FacevoiceError: the source cannot be opened, or it broke off; in that case the complete
            windows come first.
    """
    rate_hz = Plan(0.0, window, hop, has_video=True, has_audio=True).rate_hz
    if duration not in {None, math.inf} and not (is_finite(duration) and duration > 0):
        raise InvalidInputError(f"duration must be above 0 s, got {duration!r}")
    if not (pictures or sound):
        raise InvalidInputError("live input needs pictures or sound, or both")
    what = _opening(source, input_format, options)
    wanted = Wanted(rate_hz, duration, pictures, sound, real_time, audio_track)
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(cast("str", bundle), device=device, threads=threads)
        bundle.check_extras()
    own = own_baselines(bundle, "causal" if personal else None, hop / window, baseline)
    return _windows(what, wanted, WindowScorer(bundle, own=own), (window, hop), device, threads)


def _opening(
    source: Source | Iterable[Frame | Waveform],
    input_format: str | None,
    options: Mapping[str, str] | None,
) -> Opening | Iterable[Frame | Waveform]:
    if isinstance(source, (int, str, PathLike)) or hasattr(source, "read"):
        return opening(cast("Source", source), input_format, options)
    if isinstance(source, Iterable):
        return source
    raise InvalidInputError(f"{type(source).__name__} is not a source of pictures and sound")


def _windows(
    what: Opening | Iterable[Frame | Waveform],
    wanted: Wanted,
    scorer: WindowScorer,
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
        feeder = Feeder(reader.maker(plan, follow=True, attribute=True))
        timed = _LiveScorer(scorer, opened)
        try:
            for arrival in arrivals:
                timed.note(arrival)
                yield from map(timed.window, feeder.take(arrival))
        except FacevoiceError:  # the windows that are complete come first
            yield from map(timed.window, feeder.end())
            raise
        yield from map(timed.window, feeder.end())


class _LiveScorer:
    """Scores windows, and measures their delay."""

    def __init__(self, scorer: WindowScorer, opened: Opened) -> None:
        self._scorer, self._opened = scorer, opened
        self._reached: deque[tuple[float, float]] = deque()
        self._dropped = 0

    def note(self, arrival: Arrival) -> None:
        """Note when the source's latest instant arrived."""
        content = arrival.content
        self._dropped += arrival.dropped
        if content is None:
            return
        until = content.time_seconds if isinstance(content, View) else content.stop_seconds
        if not self._reached or until > self._reached[-1][0]:
            self._reached.append((until, arrival.arrived_seconds))

    def window(self, evidence: EvidenceWindow) -> LiveWindow:
        """Score a window that has just become complete."""
        window = self._scorer.window(evidence)
        while len(self._reached) > 1 and self._reached[0][0] < window.stop_seconds - _ROUNDING:
            self._reached.popleft()
        arrived = self._reached[0][1] if self._reached else time.monotonic()
        dropped, self._dropped = self._dropped, 0
        return LiveWindow(
            window.start_seconds,
            window.stop_seconds,
            window.rows,
            window.sights,
            window.cuts,
            window.damage,
            window.speech_spans,
            elapsed_seconds=window.stop_seconds - self._opened.start_seconds,
            delay_seconds=time.monotonic() - arrived,
            dropped_pictures=dropped,
            audio_tracks=self._opened.audio_tracks,
        )
