"""The stages of a timeline, and how to time them: shared by budget.py and timeline_speed.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from facevoice.evidence import follow, windows
from facevoice.evidence.attribution import Attribution
from facevoice.evidence.cuts import CutFinder
from facevoice.evidence.mouths import Mouths
from facevoice.evidence.tracks import Tracks
from facevoice.faces.find import FaceFinder
from facevoice.media import views
from facevoice.timeline.scoring import WindowScorer

STAGES: list[tuple[Any, str, str]] = [
    (views.Viewer, "view", "thumbnails, brightness, colour"),
    (CutFinder, "push", "cuts"),
    (FaceFinder, "find", "find and follow faces"),
    (follow, "align", "align faces"),
    (Tracks, "update", "match faces"),
    (Mouths, "measure", "mouths"),
    (windows, "find_speech", "find and clean speech"),
    (WindowScorer, "window", "face and voice networks"),
    (Attribution, "verdict", "attribute speech"),
]
"""Where a function of each stage is looked up, its name there, and what the stage is called."""

Replacement = tuple[Any, str, Callable[..., Any]]


@contextmanager
def replaced(replacements: list[Replacement]) -> Iterator[None]:
    """Put functions in the place of others while the block runs."""
    kept = [(place, name, getattr(place, name)) for place, name, _ in replacements]
    for place, name, function in replacements:
        setattr(place, name, function)
    try:
        yield
    finally:
        for place, name, function in kept:
            setattr(place, name, function)


def timed(spent: dict[str, float], clock: Callable[[], float]) -> list[Replacement]:
    """Replacements that count what each stage takes, by a clock."""
    return [
        (place, name, _timed(getattr(place, name), spent, stage, clock))
        for place, name, stage in STAGES
    ]


def _timed(
    function: Callable[..., Any], spent: dict[str, float], stage: str, clock: Callable[[], float]
) -> Callable[..., Any]:
    def measured(*arguments: Any, **options: Any) -> Any:
        started = clock()
        result = function(*arguments, **options)
        spent[stage] += clock() - started
        return result

    return measured
