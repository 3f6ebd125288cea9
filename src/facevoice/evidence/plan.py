"""How a film is cut into windows, and how often its faces are sampled.

Predictions, timelines, live sources and prepared corpora share these rules.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.media import MediaInfo, measured_span
from facevoice.media.clock import TIME_TOLERANCE, check_span
from facevoice.types import is_finite

WHOLE_CLIP_SECONDS: Final = 10.0
"""A longer clip is predicted from several windows."""
WINDOW_SECONDS: Final = 3.0
FACES_WANTED: Final = 16
"""Frames that the paper's sequence branches read."""
SLOWEST_SAMPLING_HZ: Final = 4.0
"""At a lower rate a head moves too far between two sampled instants to be followed."""

_SHORTEST_WINDOW: Final = 0.1  # seconds
_SHORTEST_SAMPLED: Final = 0.5  # seconds; shorter windows would ask for more than films hold
_SHORTEST_HOP: Final = 0.01  # seconds; shorter than any picture
_SHORTEST_REST: Final = 0.1  # seconds
_GAP_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """The streams of a source, and its windows [start + k * hop, start + k * hop + window).

    start: first instant, in presentation time.
    stop: the end that the source declares, or the requested one if earlier; None: unknown. It is a
        hint: what decodes is what counts.
    asked_stop: the requested stop, at which reading ends; None: read to the end.
    asked_start: the requested start; None: read from the start.
    audio_track: number of the sound track that is read; None: the main one.

    Raises:
        InvalidInputError: not 0.01 <= hop <= window.
    """

    start: float
    window: float
    hop: float
    has_video: bool
    has_audio: bool
    stop: float | None = None
    asked_stop: float | None = None
    audio_track: int | None = None
    asked_start: float | None = None

    def __post_init__(self) -> None:
        lengths = is_finite(self.window) and is_finite(self.hop)
        if not (lengths and self.window >= self.hop > 0):
            raise InvalidInputError(
                f"windows need 0 < hop <= window seconds, got {self.hop!r} and {self.window!r}"
            )
        if self.hop < _SHORTEST_HOP:
            raise InvalidInputError(f"hop must be at least {_SHORTEST_HOP} s, got {self.hop}")

    @property
    def rate_hz(self) -> float:
        """Sampled instants per second: 16 per window, but at least 4 and at most 32 per second."""
        return max(SLOWEST_SAMPLING_HZ, FACES_WANTED / max(self.window, _SHORTEST_SAMPLED))

    @property
    def rest_seconds(self) -> float:
        """The longest remainder, in seconds, that is added to the last window.

        A longer one makes a window of its own: a window must add half its length, or 0.1 s where
        windows overlap by more than half.
        """
        return max(_SHORTEST_REST, self.hop - self.window / 2)

    @property
    def patience_seconds(self) -> float:
        """How long windows wait for missing pictures or sound before they go on without them."""
        return self.hop + _GAP_SECONDS

    @property
    def seconds(self) -> float | None:
        """Length of the part that is read; None: unknown."""
        return None if self.stop is None else self.stop - self.start

    @property
    def is_one_window(self) -> bool:
        """Whether a single window takes all that the source declares."""
        return self.seconds is not None and self.seconds <= self.window + TIME_TOLERANCE

    def bounds(self, number: int) -> tuple[float, float]:
        """Start and stop of a window, counted from 0; the last one ends where the source does."""
        begin = self.start + number * self.hop
        return begin, begin + self.window

    def first_until(self, time: float) -> int:
        """The number of a window before which all windows end at or before ``time``."""
        return max(0, math.floor((time - self.start - self.window) / self.hop))


def film_plan(
    info: MediaInfo, window: float, hop: float, start: float | None, stop: float | None
) -> Plan:
    """Windows of the requested length; start and stop: the part to read.

    Raises:
        InvalidInputError: not 0 < hop <= window, or nothing lies between start and stop.
    """
    begin, end = _span(info, start, stop)
    streams = info.has_video, info.has_audio
    return Plan(begin, window, hop, *streams, end, stop, info.audio_track, start)


def clip_plan(info: MediaInfo, start: float | None, stop: float | None) -> Plan:
    """One window for a clip of up to 10 s, otherwise windows of 3 s that do not overlap.

    Raises:
        InvalidInputError: nothing lies between start and stop.
    """
    begin, end = _span(info, start, stop)
    if start is None and stop is None and info.duration_seconds is not None:
        length = info.duration_seconds
    else:
        length = math.inf if end is None else end - begin
    window = _clip_window(length)
    return film_plan(info, window, window, start, stop)


def of_length(plan: Plan, seconds: float) -> Plan:
    """The windows of a clip that lasts for so long, whatever was known of that before."""
    window = _clip_window(seconds)
    return replace(plan, window=window, hop=window)


def _clip_window(length: float) -> float:
    return WINDOW_SECONDS if length > WHOLE_CLIP_SECONDS else max(length, _SHORTEST_WINDOW)


def _span(info: MediaInfo, start: float | None, stop: float | None) -> tuple[float, float | None]:
    """The part to read; its end is None if neither the caller nor the file gives one.

    A header may say too little: a part behind its end is looked for among the packets.
    """
    check_span(start, None)
    check_span(None, stop)
    first, last = info.start_seconds, info.stop_seconds
    begin = first if start is None else max(start, first)
    if last is not None and start is not None and start >= last:
        measured = measured_span(info.path, info.audio_track)
        last = last if measured is None else measured[1]
    ends = [time for time in (last, stop) if time is not None]
    end = min(ends) if ends else None
    asked = start is not None or stop is not None
    if asked and end is not None and end <= begin:
        raise nothing_between(info.path, start, stop, (first, last))
    return begin, end


def nothing_between(
    path: Path, start: float | None, stop: float | None, span: tuple[float, float | None]
) -> InvalidInputError:
    """The error for a part of a file that holds nothing; span: from when to when the file lasts."""
    first, last = span
    until = "an unknown end" if last is None else f"{last:.3f} s"
    return InvalidInputError(
        f"{path}: nothing lies between {'the start' if start is None else start} and"
        f" {'the end' if stop is None else stop}; the file runs from {first:.3f} to {until}"
    )
