"""Reads pictures and sound from a source once, as they arrive, in a thread of its own."""

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, cast

from av.video.frame import VideoFrame

from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.media.live_demux import Demuxer
from facevoice.media.live_queue import (
    CAPACITIES,
    Arrival,
    BoundedQueue,
    Closed,
    Intake,
    Opened,
    Queue,
    Wanted,
)
from facevoice.media.source import Opening
from facevoice.media.stream_decoder import Timed
from facevoice.types import Frame, Waveform, require

_JOIN_SECONDS: Final = 1.0  # allowed for a thread that waits for its source to stop


class LiveInput:
    """Reads a source in a thread: iterate over what arrives, then close it.

    source: how to open it, or frames and sound that already exist, each in order of time.

    Iterating raises what ``opened_live`` raises, after everything that arrived before the error.
    """

    def __init__(self, source: Opening | Iterable[Frame | Waveform], wanted: Wanted) -> None:
        self._wanted = wanted
        self._queue: Queue = BoundedQueue(CAPACITIES)
        self._source = source
        self._thread = threading.Thread(target=self._run, name="facevoice-live", daemon=True)
        self._thread.start()

    def opened(self) -> Opened:
        """The streams of the source; waits until it is open."""
        first = self._queue.take()
        if not isinstance(first, Opened):
            raise MediaUnreadableError("the source has ended before anything in it was decoded")
        return first

    def __iter__(self) -> Iterator[Arrival]:
        while (item := self._queue.take()) is not None:
            yield cast("Arrival", item)

    def close(self) -> None:
        """Stop reading. A thread that waits for its source ends once data arrives."""
        self._queue.close()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with suppress(Closed):
                if isinstance(self._source, Opening):
                    Demuxer(self._source, self._wanted, self._queue).read()
                else:
                    _read_arrays(self._source, self._wanted, self._queue)
        except BaseException as raised:  # noqa: BLE001 - raised again in the consumer's thread
            error = raised
        self._queue.end(error)


def _read_arrays(items: Iterable[Frame | Waveform], wanted: Wanted, queue: Queue) -> None:
    """Queue frames and sound that are already in memory."""
    intake: Intake | None = None
    waited, asked = 0.0, time.monotonic()
    for item in items:
        now = time.monotonic()
        waited += now - asked
        if not isinstance(item, (Frame, Waveform)):
            raise InvalidInputError(
                f"live input consists of Frame and Waveform, got {type(item).__name__}"
            )
        at = item.time_seconds if isinstance(item, Frame) else item.start_seconds
        require(math.isfinite(at), f"live input needs finite times, got {at}")
        if intake is None:
            opened = Opened(wanted.pictures, wanted.sound, at, bool(wanted.real_time))
            intake = Intake(opened, wanted, queue)
        if isinstance(item, Waveform):
            if wanted.sound:
                intake.sound(item, now, waited)
        elif wanted.pictures:
            picture = VideoFrame.from_ndarray(item.image, format="rgb24")
            intake.picture(Timed(at, picture, 1.0), now, waited)
        if intake.complete:
            break
        asked = time.monotonic()
    if intake is not None:
        intake.finish()
