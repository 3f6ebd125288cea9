"""Turn followed pictures and sound into windows of evidence: the core of the engine.

Everything is causal: a window depends on itself and the past, and on two more pictures, which
decide whether its last ones start a new shot. Memory does not grow: it holds the sights, faces and
sound of one window and the tracks of the people in view.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from facevoice.evidence.attribution import Attribution
from facevoice.evidence.covered import Covered
from facevoice.evidence.follow import Followed, Follower
from facevoice.evidence.plan import Plan
from facevoice.evidence.sights import Sight, Sights
from facevoice.evidence.soundtrack import Soundtrack
from facevoice.evidence.speaker import MouthVoice, Verdict
from facevoice.evidence.window import EvidenceWindow
from facevoice.media import PAUSE_SECONDS, View
from facevoice.speech.voice import SPEECH_RATE_HZ, Speech, VoiceDetector, find_speech
from facevoice.types import UNDAMAGED, Damage, FaceTrack, MissingCode, Waveform


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
        self.stop_seconds = plan.start
        self._voice, self._follower = voice, follower
        self._attribution: Attribution | None = None
        if mouth_voice is not None and plan.has_audio:
            self._attribution = Attribution(mouth_voice, plan)
        self._sound = Soundtrack(SPEECH_RATE_HZ)
        self._covered, self._heard = Covered(), Covered()
        rate = plan.rate_hz if rate_hz is None else rate_hz
        self._sights = Sights(rate, main_only=main_only)
        self._number = 0
        self._new_cuts: list[float] = []
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
            self._sights.cut(time)
        if picture.faces is not None:
            self._sights.add(time, picture.faces)
            if self._attribution is not None:
                self._attribution.add_motions(time, picture.motions)
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
                if self._attribution is not None:
                    self._attribution.pause()
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
        seen = self._sights.between(start, np.inf if last else stop)
        sound = self._sound.between(start, stop) if self.plan.has_audio else None
        speech = find_speech(sound, self._voice)
        speaker = self._verdict(seen, sound, speech, start, stop)
        per_instant = Counter(sight.time_seconds for sights in seen.values() for sight in sights)
        cuts, self._new_cuts = tuple(self._new_cuts), []
        damage, self._damage = self._damage, UNDAMAGED
        tracks = {
            person: self._sights.face_track(person, sights, stop - start)
            for person, sights in seen.items()
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

    def _verdict(
        self,
        seen: Mapping[int, list[Sight]],
        sound: Waveform | None,
        speech: Speech,
        start: float,
        stop: float,
    ) -> Verdict | None:
        """Attribute the speech; None if there is none, or if it is not to be attributed."""
        if self._attribution is None:
            return None
        if sound is None or speech.waveform is None:
            self._attribution.pause()
            return None
        present = self._sights.present(seen, speech.spans, start, stop)
        return self._attribution.verdict(seen, sound, present, start, stop)

    def _forget(self, before: float) -> tuple[Sight, ...]:
        """Forget what no later window needs; return the sights of numbered people among it."""
        self._sound.forget(before)
        self._covered.forget(before)
        self._heard.forget(before - PAUSE_SECONDS)  # how long the sound has been missing
        return self._sights.forget(before, self.stop_seconds)
