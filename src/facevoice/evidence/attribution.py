"""Attribute the speech of successive windows to the people who are seen in them."""

from collections.abc import Iterable, Mapping
from typing import Final

from facevoice.evidence.mouths import RecentMotions, TrackMotions
from facevoice.evidence.plan import Plan
from facevoice.evidence.sights import Sight
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.types import Waveform

_MEMORY: Final = 0.75  # weight of earlier fits of mouth and voice, for windows that overlap fully


class Attribution:
    """Compares the motion of mouths with the sound, window by window.

    Earlier fits count in proportion to the overlap of windows: a turn lasts longer than a hop.
    """

    def __init__(self, mouth_voice: MouthVoice, plan: Plan) -> None:
        self._mouth_voice = mouth_voice
        self._motions = RecentMotions(plan.window + 1.0)
        self._fits: dict[int, float] = {}
        self._memory = _MEMORY * (1 - plan.hop / plan.window)

    def add_motions(self, time: float, motions: Iterable[TrackMotions]) -> None:
        """Add what was measured of mouths in a picture that was sampled at ``time``."""
        self._motions.add(time, motions)

    def pause(self) -> None:
        """Nobody is heard: after that, anyone may speak."""
        self._fits = {}

    def verdict(
        self,
        seen: Mapping[int, list[Sight]],
        sound: Waveform,
        present: list[set[int]],
        start: float,
        stop: float,
    ) -> Verdict:
        """Whose the speech in [start, stop) is.

        seen: the sights of each person there. present: who is in view at each instant of speech.
        """
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
        return self._mouth_voice.verdict(self._fits, present)
