"""The engine: turns files, arrays and live sources into evidence, per window and person."""

from facevoice.evidence.arrivals import Feeder
from facevoice.evidence.plan import WINDOW_SECONDS, Plan, clip_plan, film_plan
from facevoice.evidence.read import EvidenceReader
from facevoice.evidence.sights import Sight
from facevoice.evidence.speaker import MouthVoice, Verdict
from facevoice.evidence.window import EvidenceWindow
from facevoice.evidence.windows import WindowMaker

__all__ = [
    "WINDOW_SECONDS",
    "EvidenceReader",
    "EvidenceWindow",
    "Feeder",
    "MouthVoice",
    "Plan",
    "Sight",
    "Verdict",
    "WindowMaker",
    "clip_plan",
    "film_plan",
]
