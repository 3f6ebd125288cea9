"""The engine: a file, arrays or a live source -> evidence, window by window, person by person."""

from facevoice.evidence.arrivals import Feeder
from facevoice.evidence.plan import Plan, check_windows, clip_plan, film_plan
from facevoice.evidence.read import EvidenceReader
from facevoice.evidence.speaker import MouthVoice, Verdict
from facevoice.evidence.windows import EvidenceWindow, Sight, WindowMaker

__all__ = [
    "EvidenceReader",
    "EvidenceWindow",
    "Feeder",
    "MouthVoice",
    "Plan",
    "Sight",
    "Verdict",
    "WindowMaker",
    "check_windows",
    "clip_plan",
    "film_plan",
]
