"""Pictures and sound in, windows of evidence out: the engine of predictions, timelines, live input.

Everything is causal: a window is made of itself and the past (and of two pictures more, which
settle whether its last ones start a new shot). What is kept does not grow: the sights, faces and
sound of one window, and the tracks of those in sight.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from facevoice.evidence.follow import Followed, Follower
from facevoice.evidence.mouths import Mouths
from facevoice.evidence.people import PATIENCE_SECONDS
from facevoice.evidence.plan import Plan
from facevoice.evidence.soundtrack import Soundtrack
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.media import View
from facevoice.speech.voice import SPEECH_RATE_HZ, Speech, VoiceDetector, find_speech
from facevoice.types import Evidence, Face, FaceTrack, MissingCode, Modality, UInt8Array, Waveform

MOST_FACES: Final = 8
"""Faces of one picture that are candidates for the main person: bounds the memory."""
PERSON_SECONDS: Final = 0.5
"""A face must be seen that long to count as a person."""

_ROUNDING_SECONDS: Final = 1e-3  # an instant just before a bound belongs behind it
_MEMORY: Final = 0.75  # of what whole windows before would say of whose voice it is


@dataclass(frozen=True, slots=True)
class Sight:
    """One face at one sampled instant.

    track: its track. person: its number once it was seen long enough.
    aligned: (256, 256, 3) uint8 RGB; None where only the largest faces are kept.
    """

    time_seconds: float
    track: int
    face: Face
    aligned: UInt8Array | None
    person: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class EvidenceWindow:
    """Who is seen and what is heard in [start_seconds, stop_seconds).

    faces: of everyone who was seen, by the person's number, which is also the track's.
    speech: of everyone who is heard. speaker: whose it is; None if nobody speaks or if that was
        not asked for.
    people: the most people seen at one instant.
    has_video: whether the source has pictures.
    sights: every sight of a named person that no later window will hold; each comes once.
    cuts: presentation times of new shots found since the window before.
    """

    start_seconds: float
    stop_seconds: float
    faces: Mapping[int, FaceTrack]
    speech: Speech
    speaker: Verdict | None
    people: int
    has_video: bool
    sights: tuple[Sight, ...]
    cuts: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", MappingProxyType(dict(self.faces)))

    @property
    def main_person(self) -> int | None:
        """Who is large, clear and long in sight: see ``prominence_of``; of equals the first."""
        shown = {person: prominence_of(track) for person, track in self.faces.items()}
        return min(shown, key=lambda person: (-shown[person], person), default=None)

    def evidence(self, person: int | None, *, with_speech: bool = True) -> Evidence:
        """One person's face (None: nobody's) and, unless it is left out, the speech."""
        track = None if person is None else self.faces[person]
        speech = self.speech if with_speech else NO_SPEECH
        missing: dict[Modality, MissingCode] = {}
        if track is None:
            missing["face"] = "no_face" if self.has_video else "no_video_stream"
        if speech.missing is not None:
            missing["voice"] = speech.missing
        return Evidence(
            faces=track,
            speech=speech.waveform,
            start_seconds=self.start_seconds,
            stop_seconds=self.stop_seconds,
            speech_spans=speech.spans,
            missing=missing,
            people=self.people,
        )

    def __repr__(self) -> str:
        return (
            f"EvidenceWindow({self.start_seconds:.3f}-{self.stop_seconds:.3f} s,"
            f" {len(self.faces)} people, {self.speech!r})"
        )


NO_SPEECH: Final = Speech(None, np.zeros((0, 2)), "no_speech")


def prominence_of(track: FaceTrack) -> float:
    """How much a person stands out: confidence times size, summed over the sampled instants.

    The size is the square root of the box's area.
    """
    sides = track.boxes[:, 2:] - track.boxes[:, :2]
    return float((track.quality * np.sqrt(sides.prod(axis=1))).sum())


def _is_before(sight: Sight, bound: float) -> bool:
    return sight.time_seconds + _ROUNDING_SECONDS < bound


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

    plan: the windows, and what the source has.
    voice: finds speech.
    mouth_voice: says whose speech it is; None: that is not asked for.
    follower: finds and follows faces; None if pictures come in followed already.
    main_only: keep the pictures of the largest faces alone, enough for the main person.
    rate_hz: sampled instants per second; None: the plan's.
    """

    def __init__(
        self,
        plan: Plan,
        voice: VoiceDetector,
        *,
        mouth_voice: MouthVoice | None = None,
        follower: Follower | None = None,
        main_only: bool = False,
        rate_hz: float | None = None,
    ) -> None:
        self.plan = plan
        self.rate_hz = plan.rate_hz if rate_hz is None else rate_hz
        self.stop_seconds = plan.start
        self._voice, self._follower, self._main_only = voice, follower, main_only
        self._mouth_voice = mouth_voice if plan.has_audio else None
        self._fits: dict[int, float] = {}
        self._memory = _MEMORY * (1 - plan.hop / plan.window)
        self._mouths = Mouths(plan.window + 1.0)
        self._sound = Soundtrack(SPEECH_RATE_HZ)
        self._sights: deque[Sight] = deque()
        self._known: dict[int, _Track] = {}
        self._people = self._sampled = self._number = 0
        self._new_cuts: list[float] = []
        self._progress = _Progress(
            -np.inf if plan.has_video else np.inf, -np.inf if plan.has_audio else np.inf
        )

    def picture(self, view: View) -> None:
        """The next picture, to be followed here."""
        if self._follower is not None:
            for picture in self._follower.push(view):
                self.followed(picture)

    def followed(self, picture: Followed) -> None:
        """The next picture, if it was followed elsewhere."""
        time = picture.time_seconds
        if picture.cut:
            self._new_cuts.append(time)
            self._mouths.cut()
        if picture.light is not None and self._mouth_voice is not None:
            self._mouths.see(time, picture.light)
        if picture.faces is not None:
            self._see(time, picture.faces)
        period = time - self._progress.pictures if np.isfinite(self._progress.pictures) else 0.0
        self.stop_seconds = max(self.stop_seconds, time + period)
        self._progress.pictures = time

    def _see(self, time: float, faces: tuple[tuple[int, Face, UInt8Array], ...]) -> None:
        """Keep the faces of a sampled picture."""
        self._sampled += 1
        largest = sorted(faces, key=lambda found: -found[1].area)[:MOST_FACES]
        kept = {track for track, _, _ in (largest if self._main_only else faces)}
        for track, face, aligned in faces:
            self._sights.append(Sight(time, track, face, aligned if track in kept else None))
            known = self._known.setdefault(track, _Track())
            known.sights, known.last_seconds = known.sights + 1, time
        if self._mouth_voice is not None:
            self._mouths.measure(time, {track: face for track, face, _ in faces})

    def sound(self, piece: Waveform) -> None:
        """The next piece of sound at 16 kHz, after the last one; gaps between them are silence."""
        self._sound.add(piece)
        self._progress.sound = piece.stop_seconds
        # on the grid of samples, so that it does not depend on how sound is cut into pieces
        samples = round(piece.start_seconds * SPEECH_RATE_HZ) + len(piece.samples)
        self.stop_seconds = max(self.stop_seconds, samples / SPEECH_RATE_HZ)

    def no_pictures_before(self, time: float) -> None:
        """The next picture, if any, comes then or later: windows need not wait for it.

        Meant for long gaps: whether the pictures before one start a new shot is settled without it.
        """
        if self._follower is not None:
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

    def ready(self) -> Iterator[EvidenceWindow]:
        """The windows that are complete by now; after both streams ended, the rest."""
        ended = self._progress.both == np.inf
        reached = self.stop_seconds if ended else self._progress.both
        while self._leads_on(self._number, reached) or (ended and self._exists(self._number)):
            start, stop = self.plan.bounds(self._number)
            last = not self._leads_on(self._number, reached)
            yield self._window(start, max(start, self._end) if last else stop, last=last)
            self._number += 1

    @property
    def _end(self) -> float:
        """Where what was read ends."""
        asked = np.inf if self.plan.asked_stop is None else self.plan.asked_stop
        return min(self.stop_seconds, asked)

    def _leads_on(self, number: int, reached: float) -> bool:
        """Whether enough lies behind a window for another one."""
        return reached > self.plan.bounds(number)[1] + self.plan.rest_seconds

    def _exists(self, number: int) -> bool:
        """Whether the source, which has ended, holds this window; it holds one at least."""
        return number == 0 or self._leads_on(number - 1, self.stop_seconds)

    def _window(self, start: float, stop: float, *, last: bool) -> EvidenceWindow:
        inside = [
            sight
            for sight in self._sights
            if not _is_before(sight, start) and (last or _is_before(sight, stop))
        ]
        self._name(inside)
        seen: dict[int, list[Sight]] = {}
        for sight in inside:
            person = self._known[sight.track].person
            if person is not None:
                seen.setdefault(person, []).append(sight)
        sound = self._sound.between(start, stop) if self.plan.has_audio else None
        speech = find_speech(sound, self._voice)
        speaker = self._verdict(seen, sound, speech, start, stop)
        at_once = Counter(sight.time_seconds for sights in seen.values() for sight in sights)
        leaving = self._leave(np.inf if last else start + self.plan.hop)
        cuts, self._new_cuts = tuple(self._new_cuts), []
        tracks = {person: self._track(person, sights) for person, sights in seen.items()}
        return EvidenceWindow(
            start_seconds=start,
            stop_seconds=stop,
            faces={person: track for person, track in tracks.items() if track is not None},
            speech=speech,
            speaker=speaker,
            people=max(at_once.values(), default=0),
            has_video=self.plan.has_video,
            sights=leaving,
            cuts=cuts,
        )

    def _track(self, person: int, sights: list[Sight]) -> FaceTrack | None:
        kept = [(sight, sight.aligned) for sight in sights if sight.aligned is not None]
        if not kept:
            return None
        return FaceTrack(
            images=np.stack([aligned for _, aligned in kept]),
            times_seconds=np.array([sight.time_seconds for sight, _ in kept]),
            boxes=np.stack([sight.face.box for sight, _ in kept]),
            quality=np.array([sight.face.confidence for sight, _ in kept], np.float32),
            landmarks=np.stack([sight.face.landmarks for sight, _ in kept]),
            track_id=person,
            seconds=len(kept) / self.rate_hz,
        )

    def _name(self, inside: list[Sight]) -> None:
        """Give a number to everyone who was seen for half a second by now.

        What is shorter than a second need be seen for half of it only.
        """
        needed = min(PERSON_SECONDS * self.rate_hz, self._sampled / 2)
        for sight in inside:
            track = self._known[sight.track]
            if track.person is None and track.sights >= needed:
                track.person, self._people = self._people, self._people + 1

    def _verdict(
        self,
        seen: Mapping[int, list[Sight]],
        sound: Waveform | None,
        speech: Speech,
        start: float,
        stop: float,
    ) -> Verdict | None:
        """Which person speaks; None if nobody does, or if that is not asked for.

        How well a mouth fitted before counts as far as windows overlap: a turn lasts longer than a
        window moves.
        """
        if sound is None or speech.waveform is None or self._mouth_voice is None:
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
        while self._sights and _is_before(self._sights[0], before):
            leaving.append(self._sights.popleft())
        self._sound.forget(before)
        named = tuple(
            replace(sight, person=self._known[sight.track].person)
            for sight in leaving
            if self._known[sight.track].person is not None
        )
        forgotten = before - PATIENCE_SECONDS
        for key in [key for key, track in self._known.items() if track.last_seconds < forgotten]:
            del self._known[key]
        return named
