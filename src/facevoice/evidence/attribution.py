"""Attribute the speech of successive windows to the people who are seen in them."""

from collections.abc import Mapping
from typing import Final

from facevoice.evidence.mouths import Mouths
from facevoice.evidence.plan import Plan
from facevoice.evidence.sights import Sight
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.types import Face, UInt8Array, Waveform

_MEMORY: Final = 0.75  # weight of earlier fits of mouth and voice, for windows that overlap fully


class Attribution:
    """Compares the motion of mouths with the sound, window by window.

    Earlier fits count in proportion to the overlap of windows: a turn lasts longer than a hop.
    """

    def __init__(self, mouth_voice: MouthVoice, plan: Plan) -> None:
        self._mouth_voice = mouth_voice
        self._mouths = Mouths(plan.window + 1.0)
        self._fits: dict[int, float] = {}
        self._memory = _MEMORY * (1 - plan.hop / plan.window)

    def add_light(self, time: float, light: UInt8Array) -> None:
        """Add the (H, W) brightness of a new picture."""
        self._mouths.add_light(time, light)

    def add_faces(self, time: float, faces: dict[int, Face]) -> None:
        """Add the faces of a sampled picture by their tracks."""
        self._mouths.measure(time, faces)

    def cut(self) -> None:
        """A new shot starts."""
        self._mouths.cut()

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
            motions = self._mouths.motions(sights[-1].track, start, stop)
            found = features(motions, sound.samples, sound.start_seconds)
            if found is not None:
                fits[person] = float(self._mouth_voice.fit(found))
        self._fits = {
            person: (fit + self._memory * self._fits.get(person, fit)) / (1 + self._memory)
            for person, fit in fits.items()
        }
        return self._mouth_voice.verdict(self._fits, present)
