"""Pictures and sound in, windows of rows out: the core that files and live sources share.

Everything is causal: a window is made of itself and the past (and of two pictures more, which
settle whether its last ones start a new shot). What is kept does not grow: the sights, faces and
sound of one window, and the tracks of those in sight.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facevoice.bundle import Bundle
from facevoice.evidence.follow import Followed, Follower
from facevoice.evidence.mouths import Mouths
from facevoice.evidence.plan import FACES_WANTED, WINDOW_SECONDS
from facevoice.evidence.seen import PERSON_SECONDS
from facevoice.evidence.soundtrack import Soundtrack
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.faces.detect import Detector
from facevoice.media import Look
from facevoice.speech.voice import SPEECH_RATE_HZ, Speech, VoiceDetector, find_speech
from facevoice.timeline.rows import Seen, Sight, rows_of
from facevoice.timeline.scoring import Scorer
from facevoice.timeline.table import Row
from facevoice.types import Waveform

SAMPLING_HZ: Final = FACES_WANTED / WINDOW_SECONDS
"""Sampled instants a second at which faces are looked for, as in a prediction of a long clip."""

_ROUNDING_SECONDS: Final = 1e-3  # as extract.plan: an instant just before a bound belongs behind it
_SHORTEST_REST: Final = 0.1  # seconds at the end for which no window of their own is made
_GAP_SECONDS: Final = 0.5
_MEMORY: Final = 0.75  # of what whole windows before would say of whose voice it is


@dataclass(frozen=True, slots=True)
class Window:
    """One finished window.

    rows: by person, the row without a person last.
    sights: every sight of a named person that no later window will hold; each comes once.
    cuts: presentation times of new shots found since the window before.
    """

    start_seconds: float
    stop_seconds: float
    rows: tuple[Row, ...]
    sights: tuple[Sight, ...]
    cuts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Streams:
    """What the source has and where its time starts; its length and its end if they are known."""

    start_seconds: float
    has_video: bool
    has_audio: bool
    duration_seconds: float | None = None
    stop_seconds: float | None = None


@dataclass(slots=True)
class _Track:
    """sights: so far; person: its number once it was seen long enough."""

    sights: int = 0
    last_seconds: float = 0.0
    person: int | None = None


@dataclass(slots=True)
class _Progress:
    """How far pictures and sound have come; inf once they ended."""

    pictures: float
    sound: float

    @property
    def both(self) -> float:
        return min(self.pictures, self.sound)


class WindowMaker:
    """Takes pictures and sound in the order of time and gives windows as they are complete.

    bundle: whose tree scores. detector, voice: find faces and speech. mouth_voice: whose it is.
    frame_scores: give each sight the face's own scores.
    """

    def __init__(
        self,
        bundle: Bundle,
        streams: Streams,
        *,
        window_seconds: float,
        hop_seconds: float,
        detector: Detector,
        voice: VoiceDetector,
        mouth_voice: MouthVoice,
        frame_scores: bool,
    ) -> None:
        self.window_seconds = window_seconds
        self.hop_seconds = hop_seconds
        self.stop_seconds = streams.start_seconds
        self._bundle, self._scorer = bundle, Scorer(bundle.tree)
        self._streams, self._with_scores = streams, frame_scores
        self._voice, self._mouth_voice = voice, mouth_voice
        self._fits: dict[int, float] = {}
        self._memory = _MEMORY * (1 - hop_seconds / window_seconds)
        self._follower = Follower(detector, with_light=streams.has_audio)
        self._mouths = Mouths(window_seconds + 1.0)
        self._sound = Soundtrack(SPEECH_RATE_HZ)
        self._sights: deque[Sight] = deque()
        self._known: dict[int, _Track] = {}
        self._people = self._sampled = self._number = 0
        self._new_cuts: list[float] = []
        self._progress = _Progress(
            -np.inf if streams.has_video else np.inf, -np.inf if streams.has_audio else np.inf
        )

    @property
    def patience_seconds(self) -> float:
        """A hop and half a second: when pictures are missing for longer, windows go on without."""
        return self.hop_seconds + _GAP_SECONDS

    def picture(self, look: Look) -> None:
        """The next picture."""
        for picture in self._follower.push(look):
            self.followed(picture)

    def sound(self, piece: Waveform) -> None:
        """The next piece of sound at 16 kHz, after the last one; gaps between them are silence."""
        self._sound.add(piece)
        self._progress.sound = piece.stop_seconds
        self.stop_seconds = max(self.stop_seconds, piece.stop_seconds)

    def no_pictures_before(self, time: float) -> None:
        """The next picture, if any, comes then or later: windows need not wait for it.

        Meant for long gaps: whether the pictures before one start a new shot is settled without it.
        """
        for picture in self._follower.flush():
            self.followed(picture)
        self._progress.pictures = max(self._progress.pictures, time)

    def no_sound_before(self, time: float) -> None:
        """The next sound, if any, comes then or later: windows need not wait for it."""
        self._progress.sound = max(self._progress.sound, time)

    def end_pictures(self) -> None:
        """There are no more pictures."""
        self.no_pictures_before(np.inf)

    def end_sound(self) -> None:
        """There is no more sound."""
        self.no_sound_before(np.inf)

    def ready(self) -> Iterator[Window]:
        """The windows that are complete by now; after both streams ended, the rest."""
        ended = self._progress.both == np.inf
        while self._exists(self._number) if ended else self._passed(self._number):
            start, stop = self._bounds(self._number)
            last = ended and not self._exists(self._number + 1)
            if ended:
                stop = max(start, min(stop, self.stop_seconds))
            yield self._window(start, stop, last=last)
            self._number += 1

    def _passed(self, number: int) -> bool:
        """Whether pictures and sound have come so far that the window after this one exists."""
        return self._progress.both > self._bounds(number)[1] + _SHORTEST_REST

    def _exists(self, number: int) -> bool:
        """Whether the source, which has ended, reaches into a window beyond the one before."""
        before = self._bounds(number - 1)[1]
        return number == 0 or self.stop_seconds > before + _SHORTEST_REST

    def _bounds(self, number: int) -> tuple[float, float]:
        start = self._streams.start_seconds + number * self.hop_seconds
        return start, start + self.window_seconds

    def followed(self, picture: Followed) -> None:
        """The next picture, if it was followed elsewhere."""
        time = picture.time_seconds
        if picture.cut:
            self._new_cuts.append(time)
            self._mouths.cut()
        if picture.light is not None:
            self._mouths.see(time, picture.light)
        if picture.faces is not None:
            self._sampled += 1
            for track, face, aligned in picture.faces:
                ticket = self._scorer.looks.add(aligned)
                self._sights.append(Sight(time, track, face, ticket))
                known = self._known.setdefault(track, _Track())
                known.sights, known.last_seconds = known.sights + 1, time
            if self._streams.has_audio:
                self._mouths.measure(time, {track: face for track, face, _ in picture.faces})
        period = time - self._progress.pictures if np.isfinite(self._progress.pictures) else 0.0
        self.stop_seconds = max(self.stop_seconds, time + period)
        self._progress.pictures = time

    def _window(self, start: float, stop: float, *, last: bool) -> Window:
        inside = [s for s in self._sights if start <= s.time_seconds + _ROUNDING_SECONDS < stop]
        self._name(inside)
        seen: dict[int, list[Sight]] = {}
        for sight in inside:
            person = self._known[sight.track].person
            if person is not None:
                seen.setdefault(person, []).append(sight)
        sound = self._sound.between(start, stop) if self._streams.has_audio else None
        speech = find_speech(sound, self._voice)
        verdict = self._verdict(seen, sound, speech, start, stop)
        rows = rows_of(
            self._scorer,
            self._bundle,
            Seen(start, stop, seen, SAMPLING_HZ, has_video=self._streams.has_video),
            speech,
            verdict,
        )
        leaving = self._leave(np.inf if last else start + self.hop_seconds)
        cuts, self._new_cuts = tuple(self._new_cuts), []
        return Window(start, stop, rows, leaving, cuts)

    def _name(self, inside: list[Sight]) -> None:
        """Give a number to everyone who was seen for half a second by now.

        What is shorter than a second need be seen for half of it only, as in a prediction.
        """
        needed = min(PERSON_SECONDS * SAMPLING_HZ, self._sampled / 2)
        for sight in inside:
            track = self._known[sight.track]
            if track.person is None and track.sights >= needed:
                track.person, self._people = self._people, self._people + 1

    def _verdict(
        self,
        seen: dict[int, list[Sight]],
        sound: Waveform | None,
        speech: Speech,
        start: float,
        stop: float,
    ) -> Verdict | None:
        """Which person speaks; None if nobody does.

        How well a mouth fitted before counts as far as windows overlap: a turn lasts longer than a
        window moves.
        """
        if sound is None or speech.waveform is None:
            self._fits = {}  # after a pause it may be anybody's turn
            return None
        fits = {}
        for person, sights in seen.items():
            motions = self._mouths.motions(sights[-1].track, start, stop)
            found = features(motions, sound.samples, sound.start_seconds)
            if found is not None:
                fits[person] = float(self._mouth_voice.fit(found))
        self._fits = {
            person: (fit + self._memory * self._fits.get(person, fit)) / (1 + self._memory)
            for person, fit in fits.items()
        }
        return self._mouth_voice.verdict(self._fits, len(seen))

    def _leave(self, before: float) -> tuple[Sight, ...]:
        """Forget what no later window needs; the sights of named people among it."""
        leaving = []
        while self._sights and self._sights[0].time_seconds + _ROUNDING_SECONDS < before:
            leaving.append(self._sights.popleft())
        self._sound.forget(before)
        named = [
            replace(sight, person=self._known[sight.track].person)
            for sight in leaving
            if self._known[sight.track].person is not None
        ]
        if self._with_scores:
            scores = self._scorer.each_face([sight.ticket for sight in named])
            pairs = zip(named, scores, strict=True)
            named = [replace(sight, scores=each) for sight, each in pairs]
        if leaving:
            self._scorer.looks.forget(leaving[-1].ticket + 1)
        forgotten = before - self._follower.patience_seconds
        for key in [key for key, track in self._known.items() if track.last_seconds < forgotten]:
            del self._known[key]
        return tuple(named)
