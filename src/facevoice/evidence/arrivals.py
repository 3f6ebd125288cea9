"""Pictures and sound in the order of arrival in, in the order of presentation on to the maker."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from facevoice.evidence.windows import EvidenceWindow, WindowMaker
from facevoice.media import Arrival, Opened, SoundGrid, View
from facevoice.media.grid import Piece
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.types import Waveform

_LONGEST_PATIENCE: Final = 10.0  # seconds that late sound may stretch the patience to
_PATIENCE_MARGIN: Final = 0.5  # seconds
_MOST_BYTES: Final = 256e6  # of pictures that wait for sound
_MOST_SECONDS: Final = 60.0  # of sound that waits for pictures


class Feeder:
    """Hands what arrives to a maker: sound at once, a picture once the sound has come as far.

    When one of them is missing for long while the other goes on, it is gone on without. That is so
    when it is behind by more than the patience, and the source was waited for that long, too: a
    file that is piped in may hold its pictures far ahead of its sound.
    """

    def __init__(self, maker: WindowMaker, opened: Opened) -> None:
        start = opened.start_seconds
        self._maker, self._opened = maker, opened
        self._grid = SoundGrid(SPEECH_RATE_HZ, start, maker.plan.asked_stop)
        self._patience = maker.plan.patience_seconds
        self._views: deque[View] = deque()
        self._bytes = 0
        self._fed = self._shown = self._heard = start
        self._covered = start if opened.has_audio else float("inf")
        self._looked_at: float | None = None
        self._heard_at: float | None = None
        self._deaf = self._blind = False

    def take(self, arrival: Arrival) -> Iterator[EvidenceWindow]:
        """What has arrived; gives the windows that are complete by now."""
        at = arrival.waited_seconds
        if self._looked_at is None or self._heard_at is None:
            self._looked_at = self._heard_at = at
        if isinstance(arrival.content, View):
            self._looked_at, self._blind = at, False
            self._shown = arrival.content.time_seconds
            self._views.append(arrival.content)
            self._bytes += _bytes(arrival.content)
            yield from self._release()
        elif arrival.content is not None:
            yield from self._hear(arrival.content, at)
        yield from self._go_on_deaf(at - self._heard_at)
        yield from self._go_on_blind(at - self._looked_at)

    def end(self) -> Iterator[EvidenceWindow]:
        """Nothing will come any more: the windows that are left."""
        yield from self._sound(self._grid.flush())
        self._maker.end_sound()
        self._covered = float("inf")
        yield from self._release()
        self._maker.end_pictures()
        yield from self._maker.ready()

    def _hear(self, sound: Waveform, at: float) -> Iterator[EvidenceWindow]:
        if self._deaf and self._shown - sound.start_seconds > self._patience:
            late = self._shown - sound.start_seconds + _PATIENCE_MARGIN
            self._patience = min(late, _LONGEST_PATIENCE)
        self._heard_at, self._deaf = at, False
        self._heard = max(self._heard, sound.stop_seconds)
        yield from self._sound(self._grid.push(sound.start_seconds, sound.samples, sound.rate_hz))

    def _sound(self, pieces: Iterable[Piece]) -> Iterator[EvidenceWindow]:
        for position, samples in pieces:
            piece = Waveform(samples, SPEECH_RATE_HZ, position / SPEECH_RATE_HZ)
            yield from self._no_sound_before(piece.start_seconds)
            self._maker.sound(piece)
            self._covered = max(self._covered, piece.stop_seconds)
            yield from self._maker.ready()
            yield from self._release()

    def _no_sound_before(self, time_seconds: float) -> Iterator[EvidenceWindow]:
        if time_seconds > self._covered:
            self._maker.no_sound_before(time_seconds)
            self._covered = time_seconds
            yield from self._maker.ready()
            yield from self._release()

    def _release(self) -> Iterator[EvidenceWindow]:
        """Hand the pictures on that the sound has come up to."""
        while self._views:
            view = self._views[0]
            if view.time_seconds - self._fed > self._maker.plan.patience_seconds:
                self._maker.no_pictures_before(view.time_seconds)
                yield from self._maker.ready()
            if view.time_seconds > self._covered:
                return
            self._views.popleft()
            self._bytes -= _bytes(view)
            self._fed = view.time_seconds
            self._maker.picture(view)
            yield from self._maker.ready()

    def _go_on_deaf(self, waited: float) -> Iterator[EvidenceWindow]:
        """Do without sound if it is missing for long."""
        if not (self._views and self._opened.has_audio):
            return
        if not self._deaf:
            enough = waited > self._patience or self._bytes > _MOST_BYTES
            if self._shown - self._heard <= self._patience or not enough:
                return
            self._deaf = True
            yield from self._sound(self._grid.flush())
        yield from self._no_sound_before(self._shown - self._patience)

    def _go_on_blind(self, waited: float) -> Iterator[EvidenceWindow]:
        """Do without pictures if they are missing for long."""
        behind = self._heard - self._shown
        if not self._opened.has_video or behind <= self._patience:
            return
        if self._blind or waited > self._patience or behind > _MOST_SECONDS:
            self._blind = True
            self._maker.no_pictures_before(self._heard - self._patience)
            yield from self._maker.ready()


def _bytes(view: View) -> int:
    return sum(part.nbytes for part in (view.light, view.image) if part is not None)
