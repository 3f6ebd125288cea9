"""Pass live pictures and sound, which come in order of arrival, to a maker in order of time."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from facevoice.evidence.window import EvidenceWindow
from facevoice.evidence.windows import WindowMaker
from facevoice.media import Arrival, SoundGrid, View
from facevoice.media.grid import Piece
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.types import Waveform

_LONGEST_PATIENCE: Final = 10.0  # seconds; late sound extends the patience up to this
_PATIENCE_MARGIN: Final = 0.5  # seconds
_MOST_BYTES: Final = 256e6  # of pictures that are held until their sound comes
_MOST_SECONDS: Final = 330.0  # of sound that is ahead of the pictures: one may stand for 300


class Feeder:
    """Passes sound to a maker as it arrives, and a picture once the sound has reached it.

    If pictures or sound fall behind by more than the patience, and the source has been waited for
    that long too, windows continue without them: a picture that turns out to have stood all along
    counts from there on. The second condition is for files that are piped
    in: they may hold their pictures far ahead of their sound.
    """

    def __init__(self, maker: WindowMaker) -> None:
        self._maker, plan = maker, maker.plan
        self._grid = SoundGrid(SPEECH_RATE_HZ, plan.start, plan.asked_stop)
        self._patience = plan.patience_seconds
        self._held: deque[View] = deque()
        self._released = self._newest_view = self._newest_sound = plan.start
        self._sound_until = plan.start if plan.has_audio else float("inf")
        self._view_waited: float | None = None
        self._sound_waited: float | None = None
        self._without_sound = self._without_pictures = False
        self._gone_on_until = plan.start  # without pictures

    def take(self, arrival: Arrival) -> Iterator[EvidenceWindow]:
        """Take the next arrival; yield the windows that it completes."""
        now, content = arrival.waited_seconds, arrival.content
        self._maker.add_damage(arrival.damage)
        if self._view_waited is None or self._sound_waited is None:
            self._view_waited = self._sound_waited = now
        if isinstance(content, View):
            self._view_waited, self._without_pictures = now, False
            self._newest_view = content.time_seconds
            if not content.again or content.time_seconds >= self._gone_on_until:
                self._held.append(content)
            yield from self._release()
        elif content is not None:
            late = self._newest_view - content.start_seconds
            if self._without_sound and late > self._patience:
                self._patience = min(late + _PATIENCE_MARGIN, _LONGEST_PATIENCE)
            self._sound_waited, self._without_sound = now, False
            self._newest_sound = max(self._newest_sound, content.stop_seconds)
            yield from self._add_sound(
                self._grid.push(content.start_seconds, content.samples, content.rate_hz)
            )
            if content.start_seconds - self._sound_until > self._patience:  # a gap in the sound
                yield from self._no_sound_before(content.start_seconds)
        yield from self._continue_without_sound(now - self._sound_waited)
        yield from self._continue_without_pictures(now - self._view_waited)

    def end(self) -> Iterator[EvidenceWindow]:
        """The source has ended: yield the remaining windows."""
        yield from self._add_sound(self._grid.flush())
        self._maker.end_sound()
        self._sound_until = float("inf")
        yield from self._release()
        self._maker.end_pictures()
        yield from self._maker.ready()

    def _add_sound(self, pieces: Iterable[Piece]) -> Iterator[EvidenceWindow]:
        for position, samples in pieces:
            piece = Waveform(samples, SPEECH_RATE_HZ, position / SPEECH_RATE_HZ)
            yield from self._no_sound_before(piece.start_seconds)
            self._maker.add_sound(piece)
            self._sound_until = max(self._sound_until, piece.stop_seconds)
            yield from self._maker.ready()
            yield from self._release()

    def _no_sound_before(self, time_seconds: float) -> Iterator[EvidenceWindow]:
        if time_seconds > self._sound_until:
            self._maker.no_sound_before(time_seconds)
            self._sound_until = time_seconds
            yield from self._maker.ready()
            yield from self._release()

    def _release(self) -> Iterator[EvidenceWindow]:
        """Pass on the held pictures that the sound has reached."""
        while self._held:
            view = self._held[0]
            if view.time_seconds - self._released > self._maker.plan.patience_seconds:
                self._maker.no_pictures_before(view.time_seconds)
                yield from self._maker.ready()
            if view.time_seconds > self._sound_until:
                return
            self._held.popleft()
            self._released = view.time_seconds
            for picture in self._maker.follow(view):  # windows forget what lies far behind
                self._maker.add_picture(picture)
                yield from self._maker.ready()

    def _continue_without_sound(self, waited: float) -> Iterator[EvidenceWindow]:
        if not (self._held and self._maker.plan.has_audio):
            return
        if not self._without_sound:
            if self._newest_view - self._newest_sound <= self._patience:
                return
            if waited <= self._patience and sum(map(_bytes, self._held)) <= _MOST_BYTES:
                return
            self._without_sound = True
            yield from self._add_sound(self._grid.flush())
        yield from self._no_sound_before(self._newest_view - self._patience)

    def _continue_without_pictures(self, waited: float) -> Iterator[EvidenceWindow]:
        behind = self._newest_sound - self._newest_view
        if not self._maker.plan.has_video or behind <= self._patience:
            return
        if self._without_pictures or waited > self._patience or behind > _MOST_SECONDS:
            self._without_pictures = True
            self._gone_on_until = self._newest_sound - self._patience
            self._maker.no_pictures_before(self._gone_on_until)
            yield from self._maker.ready()


def _bytes(view: View) -> int:
    return sum(part.nbytes for part in (view.light, view.image) if part is not None)
