"""Turn followed pictures and sound into windows of evidence: the core of the engine.

Everything is causal: a window depends on itself and the past, and on two more pictures, which
decide whether its last ones start a new shot. Memory does not grow: it holds the sights, faces and
sound of one window and the tracks of the people in view.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from facevoice.evidence.covered import Covered
from facevoice.evidence.follow import Followed, Follower
from facevoice.evidence.mouths import RecentMotions
from facevoice.evidence.plan import Plan
from facevoice.evidence.soundtrack import Soundtrack
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.evidence.tracks import PATIENCE_SECONDS
from facevoice.faces.detect import area_of
from facevoice.media import PAUSE_SECONDS, View
from facevoice.speech.voice import SPEECH_RATE_HZ, Speech, VoiceDetector, find_speech
from facevoice.types import (
    UNDAMAGED,
    Damage,
    Evidence,
    Face,
    FaceTrack,
    MissingCode,
    Modality,
    UInt8Array,
    Waveform,
)
from facevoice.types.values import Value

MOST_FACES: Final = 8
"""Faces per picture that are candidates for the main person: bounds the memory."""
PERSON_SECONDS: Final = 0.5
"""How long a face must be seen to count as a person."""
SLIVER_SECONDS: Final = 0.5
SLIVER_SHARE: Final = 1 / 8
"""A face that is seen for less than both, the second of the window, tells too little of it. Half a
second is what makes a person; in windows of less than 4 s two of 16 instants are enough."""
NO_SPEECH: Final = Speech(None, np.zeros((0, 2)), "no_speech")

_ROUNDING_SECONDS: Final = 1e-3  # an instant just before a bound counts as behind it
_LONGEST_STAND: Final = 2.0  # usual times between sampled instants; a longer one is a gap
_MEMORY: Final = 0.75  # weight of earlier fits of mouth and voice, for windows that overlap fully


@dataclass(frozen=True, slots=True, eq=False)
class Sight(Value):
    """One face at one sampled instant.

    track: the number of its track. person: its number, once it has been seen long enough.
    aligned: (256, 256, 3) uint8 RGB; None if only the largest faces are kept.
    seconds: how long the sight stands for: until the next sampled instant.
    """

    time_seconds: float
    track: int
    face: Face
    aligned: UInt8Array | None
    person: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EvidenceWindow(Value):
    """Who is seen and what is heard in [start_seconds, stop_seconds).

    faces: everyone who is seen for more than a sliver of the window, by the person's number, which
        is also the track's id.
    speech: of everyone who is heard. speaker: whose speech it is; None if there is no speech or
        if it was not to be attributed.
    people: the most people seen at one instant.
    sights: those of numbered people that no later window holds; each appears in one window only.
    cuts: presentation times of the new shots found since the previous window.
    faceless: why a person has no face here: the code of ``evidence(None)``.
    damage: what was found damaged since the previous window.
    """

    start_seconds: float
    stop_seconds: float
    faces: Mapping[int, FaceTrack]
    speech: Speech
    speaker: Verdict | None
    people: int
    sights: tuple[Sight, ...]
    cuts: tuple[float, ...]
    faceless: MissingCode = "no_face"
    damage: Damage = UNDAMAGED

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", MappingProxyType(dict(self.faces)))

    @property
    def main_person(self) -> int | None:
        """The person with the greatest sum of face size times confidence, the first among equals.

        The size is the square root of the box's area; the sum is over the sampled instants.
        """
        prominence = {person: _prominence(track) for person, track in self.faces.items()}
        return min(prominence, key=lambda person: (-prominence[person], person), default=None)

    def evidence(self, person: int | None, *, with_speech: bool = True) -> Evidence:
        """The face of one person (None: no face) and, with ``with_speech``, the speech."""
        track = None if person is None else self.faces[person]
        speech = self.speech if with_speech else NO_SPEECH
        missing: dict[Modality, MissingCode] = {}
        if track is None:
            missing["face"] = self.faceless
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
            damage=self.damage,
        )

    def __repr__(self) -> str:
        return (
            f"EvidenceWindow({self.start_seconds:.3f}-{self.stop_seconds:.3f} s,"
            f" {len(self.faces)} people, {self.speech!r})"
        )


def _prominence(track: FaceTrack) -> float:
    sides = (track.boxes[:, 2:] - track.boxes[:, :2]) / np.sqrt(area_of(track.picture))
    return float((track.quality * np.sqrt(sides.prod(axis=1))).sum())


def _is_before(sight: Sight, bound: float) -> bool:
    return sight.time_seconds + _ROUNDING_SECONDS < bound


@dataclass(slots=True)
class _Track:
    """sights: number so far; person: its number, once it has been seen long enough."""

    sights: int = 0
    last_seconds: float = 0.0
    person: int | None = None


class WindowMaker:
    """Takes pictures and sound in order of time and yields windows as they are complete.

    plan: the windows, and which streams the source has.
    voice: finds speech.
    mouth_voice: attributes speech to people; None: do not attribute it.
    follower: finds and follows faces; None if the pictures come in already followed.
    main_only: keep the aligned pictures of the largest faces only, enough for the main person.
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
        self._rate_hz = plan.rate_hz if rate_hz is None else rate_hz
        self.stop_seconds = plan.start
        self._voice, self._follower, self._main_only = voice, follower, main_only
        self._mouth_voice = mouth_voice if plan.has_audio else None
        self._fits: dict[int, float] = {}
        self._memory = _MEMORY * (1 - plan.hop / plan.window)
        self._motions = RecentMotions(plan.window + 1.0)
        self._sound = Soundtrack(SPEECH_RATE_HZ)
        self._covered, self._heard = Covered(), Covered()
        self._sights: deque[Sight] = deque()
        self._instants: list[float] = []  # sampled, in order, as far back as sights are kept
        self._known: dict[int, _Track] = {}
        self._people = self._sampled = self._number = 0
        self._new_cuts: list[float] = []
        self._cuts: list[float] = []  # as far back as sights are kept
        self._damage = UNDAMAGED
        # how far each stream has come; inf once it has ended, or if the source lacks it
        self._pictures_until = -np.inf if plan.has_video else np.inf
        self._newest, self._period = -np.inf, 0.0  # of the pictures, without those shown again
        self._sound_until = -np.inf if plan.has_audio else np.inf

    def add_damage(self, damage: Damage) -> None:
        """Add damage that was found in the pictures or the sound; it goes into the next window."""
        self._damage += damage

    def add_view(self, view: View) -> None:
        """Add the next picture, to be followed here."""
        for picture in self.follow(view):
            self.add_picture(picture)

    def follow(self, view: View) -> list[Followed]:
        """Follow the next picture: those to be added now, of which a long one makes many."""
        return [] if self._follower is None else self._follower.push(view)

    def add_picture(self, picture: Followed) -> None:
        """Add the next picture that has been followed."""
        time = picture.time_seconds
        if picture.resumes is not None and self._pauses(time, picture.resumes):
            return
        if picture.cut:
            self._new_cuts.append(time)
            self._cuts.append(time)
        if picture.faces is not None:
            self._add_faces(time, picture.faces)
            self._motions.add(time, picture.motions)
        until = picture.until if picture.until is not None else time + self._lasting(time)
        self._covered.add(time, until)
        self.stop_seconds = max(self.stop_seconds, until)
        self._pictures_until = max(self._pictures_until, time)

    def _pauses(self, time: float, resumes: float) -> bool:
        """Whether the last picture stands in a long stretch without sound: then it does not count.

        resumes: when the next one comes.
        """
        low, high = self._heard.gap_at(time)
        high = min(high, self._sound_until) if self._sound_until > time else high
        return min(high, resumes) - max(low, self._newest) > PAUSE_SECONDS

    def _lasting(self, time: float) -> float:
        """How long the next picture lasts: as the one before it, but no longer than the one before.

        So a gap in the pictures does not lengthen the source.
        """
        period = time - self._newest
        if period > self.plan.patience_seconds:
            period = 0.0
        lasting = min(period, self._period or period)
        self._newest, self._period = time, period
        return lasting

    def _add_faces(self, time: float, faces: tuple[tuple[int, Face, UInt8Array], ...]) -> None:
        """Keep the faces of a sampled picture."""
        self._sampled += 1
        self._instants.append(time)
        largest = sorted(faces, key=lambda found: -found[1].area)[:MOST_FACES]
        kept = {track for track, _, _ in (largest if self._main_only else faces)}
        for track, face, aligned in faces:
            self._sights.append(Sight(time, track, face, aligned if track in kept else None))
            known = self._known.setdefault(track, _Track())
            known.sights, known.last_seconds = known.sights + 1, time

    def add_sound(self, piece: Waveform) -> None:
        """Add the next piece of sound, at 16 kHz; gaps between pieces are silence."""
        self._sound.add(piece)
        self._sound_until = piece.stop_seconds
        # on the grid of samples, so that it does not depend on how the sound is cut into pieces
        samples = round(piece.start_seconds * SPEECH_RATE_HZ) + len(piece.samples)
        self._covered.add(piece.start_seconds, samples / SPEECH_RATE_HZ)
        self._heard.add(piece.start_seconds, samples / SPEECH_RATE_HZ)
        self.stop_seconds = max(self.stop_seconds, samples / SPEECH_RATE_HZ)

    def no_pictures_before(self, time: float) -> None:
        """No picture will come before that time: windows need not wait for one.

        Meant for long gaps: whether the pictures before a gap start a new shot is decided without
        the picture after it.
        """
        if self._follower is not None:
            for picture in self._follower.flush():
                self.add_picture(picture)
        self._pictures_until = max(self._pictures_until, time)

    def no_sound_before(self, time: float) -> None:
        """No sound will come before that time: windows need not wait for any."""
        self._sound_until = max(self._sound_until, time)

    def end_pictures(self) -> None:
        """There are no more pictures."""
        self.no_pictures_before(np.inf)

    def end_sound(self) -> None:
        """There is no more sound."""
        self.no_sound_before(np.inf)

    @property
    def found_nothing(self) -> bool:
        """Whether neither a picture nor sound has come so far."""
        return self._covered.empty

    @property
    def complete_until(self) -> float:
        """The time up to which both streams have come; inf once both have ended."""
        return min(self._pictures_until, self._sound_until)

    def ready(self) -> Iterator[EvidenceWindow]:
        """Yield the windows that are now complete; after both streams have ended, the rest.

        Windows that hold neither picture nor sound are left out, however many there are.
        """
        ended = self.complete_until == np.inf
        reached = self.stop_seconds if ended else self.complete_until
        asked_stop = np.inf if self.plan.asked_stop is None else self.plan.asked_stop
        while self._has_next(self._number, reached) or (
            # the source holds at least one window
            ended and (self._number == 0 or self._has_next(self._number - 1, reached))
        ):
            start, stop = self.plan.bounds(self._number)
            last = not self._has_next(self._number, reached)
            if last:
                stop = max(start, min(self.stop_seconds, asked_stop))
            elif (held := self._held_from(start, reached)) >= stop:
                self._fits = {}
                self._number = max(self._number + 1, self.plan.first_until(held))
                continue
            yield self._window(start, stop, last=last)
            self._number += 1

    def _held_from(self, start: float, reached: float) -> float:
        """The first instant with a picture or sound, at most that from which the last window is."""
        found = self._covered.next_after(start)
        latest = reached - self.plan.rest_seconds
        return latest if found is None else min(found, latest)

    def _has_next(self, number: int, reached: float) -> bool:
        """Whether enough lies behind a window for another one."""
        return reached > self.plan.bounds(number)[1] + self.plan.rest_seconds

    def _window(self, start: float, stop: float, *, last: bool) -> EvidenceWindow:
        inside = [
            sight
            for sight in self._sights
            if not _is_before(sight, start) and (last or _is_before(sight, stop))
        ]
        self._number_people(inside)
        seen: dict[int, list[Sight]] = {}
        for sight in inside:
            person = self._known[sight.track].person
            if person is not None:
                seen.setdefault(person, []).append(sight)
        sound = self._sound.between(start, stop) if self.plan.has_audio else None
        speech = find_speech(sound, self._voice)
        speaker = self._verdict(seen, sound, speech, start, stop)
        per_instant = Counter(sight.time_seconds for sights in seen.values() for sight in sights)
        cuts, self._new_cuts = tuple(self._new_cuts), []
        damage, self._damage = self._damage, UNDAMAGED
        tracks = {
            person: self._track(person, sights, stop - start) for person, sights in seen.items()
        }
        return EvidenceWindow(
            start_seconds=start,
            stop_seconds=stop,
            faces={person: track for person, track in tracks.items() if track is not None},
            speech=speech,
            speaker=speaker,
            people=max(per_instant.values(), default=0),
            sights=self._forget(np.inf if last else start + self.plan.hop),
            cuts=cuts,
            faceless=self._faceless(tracks),
            damage=damage,
        )

    def _faceless(self, tracks: Mapping[int, FaceTrack | None]) -> MissingCode:
        if not self.plan.has_video:
            return "no_video_stream"
        return "too_little" if tracks and not any(tracks.values()) else "no_face"

    def _track(self, person: int, sights: list[Sight], window: float) -> FaceTrack | None:
        """The faces of a person in a window of so many seconds; None if they tell too little."""
        kept = [(sight, sight.aligned) for sight in sights if sight.aligned is not None]
        seconds = min(len(sights) / self._rate_hz, window)
        sliver = min(SLIVER_SECONDS, SLIVER_SHARE * window)
        if not kept or (seconds < sliver and np.isfinite(self._rate_hz)):
            return None
        picture = kept[-1][0].face.picture
        faces = [sight.face.on(picture) for sight, _ in kept]
        return FaceTrack(
            images=np.stack([aligned for _, aligned in kept]),
            times_seconds=np.array([sight.time_seconds for sight, _ in kept]),
            boxes=np.stack([face.box for face in faces]),
            quality=np.array([sight.face.confidence for sight, _ in kept], np.float32),
            landmarks=np.stack([face.landmarks for face in faces]),
            track_id=person,
            seconds=seconds,
            picture=picture,
        )

    def _number_people(self, inside: list[Sight]) -> None:
        """Number the tracks that have been seen for half a second.

        In material of less than a second, half of its sampled instants are enough.
        """
        needed = min(PERSON_SECONDS * self._rate_hz, self._sampled / 2)
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
        """Attribute the speech; None if there is none, or if it is not to be attributed.

        Earlier fits count in proportion to the overlap of windows: a turn lasts longer than a hop.
        """
        if sound is None or speech.waveform is None or self._mouth_voice is None:
            self._fits = {}  # after a pause, anyone may speak
            return None
        fits = {}
        for person, sights in seen.items():
            motions = self._motions.between(sights[-1].track, start, stop)
            found = features(motions, sound.samples, sound.start_seconds)
            if found is not None:
                fits[person] = float(self._mouth_voice.fit(found))
        self._fits = {
            person: (fit + self._memory * self._fits.get(person, fit)) / (1 + self._memory)
            for person, fit in fits.items()
        }
        return self._mouth_voice.verdict(self._fits, self._present(seen, speech, start, stop))

    def _present(
        self, seen: Mapping[int, list[Sight]], speech: Speech, start: float, stop: float
    ) -> list[set[int]]:
        """Who is in view at each sampled instant of the speech; of the window, if it holds none."""
        first, last = (bisect_left(self._instants, time) for time in (start, stop))
        inside = np.array(self._instants[first:last])
        spans = speech.spans
        spoken = ((spans[:, :1] <= inside) & (inside < spans[:, 1:])).any(axis=0)
        present: dict[float, set[int]] = {
            time: set() for time in inside[spoken if spoken.any() else slice(None)].tolist()
        }
        for person, sights in seen.items():
            for sight in sights:
                if sight.time_seconds in present:
                    present[sight.time_seconds].add(person)
        return list(present.values())

    def _forget(self, before: float) -> tuple[Sight, ...]:
        """Forget what no later window needs; return the sights of numbered people among it."""
        leaving = []
        while self._sights and _is_before(self._sights[0], before):
            leaving.append(self._sights.popleft())
        self._sound.forget(before)
        self._covered.forget(before)
        self._heard.forget(before - PAUSE_SECONDS)  # how long the sound has been missing
        numbered = tuple(
            replace(sight, person=person, seconds=self._until_next(sight))
            for sight in leaving
            if (person := self._known[sight.track].person) is not None
        )
        del self._instants[: max(0, bisect_right(self._instants, before) - 1)]
        del self._cuts[: bisect_right(self._cuts, before)]
        oldest = before - PATIENCE_SECONDS
        self._known = {
            key: track for key, track in self._known.items() if track.last_seconds >= oldest
        }
        return numbered

    def _until_next(self, sight: Sight) -> float:
        """How long a sight stands for: until the next sampled instant, cut or end of the source.

        So that the sights of one person never add up to more than the source lasts; where no
        instant follows soon, it stands for the usual time between two.
        """
        time, usual = sight.time_seconds, 1 / self._rate_hz
        later = bisect_right(self._instants, time)
        after = (self._instants[later] if later < len(self._instants) else np.inf) - time
        lasting = after if after <= _LONGEST_STAND * usual else usual
        cut = next((each for each in self._cuts if each > time), np.inf)
        return float(max(0.0, min(lasting, min(cut, self.stop_seconds) - time)))
