"""Praat TextGrid, long text format: interval tiers that cover the whole file without a gap.

Praat opens sound that was extracted from the film, so 0 is the first instant of the file.
"""

from collections.abc import Sequence

from facevoice.output.timeline.tiers import Mark, Tier, tiers_of
from facevoice.timeline.table import Timeline


def to_textgrid(timeline: Timeline) -> str:
    """Tiers of a timeline whose clock starts with the file; gaps have an empty label."""
    tiers = tiers_of(timeline)
    marked = [tier.marks[-1].stop_seconds for tier in tiers if tier.marks]
    end = max([timeline.duration_seconds or 0.0, round(timeline.stop_seconds, 6), *marked])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, tier in enumerate(tiers, 1):
        lines += [f"    item [{number}]:", *_tier(tier, end)]
    return "\n".join(lines) + "\n"


def _tier(tier: Tier, end: float) -> list[str]:
    intervals = _without_gaps(tier.marks, end)
    lines = [
        '        class = "IntervalTier"',
        f"        name = {_quoted(tier.name)}",
        "        xmin = 0",
        f"        xmax = {end:.6f}",
        f"        intervals: size = {len(intervals)}",
    ]
    for number, mark in enumerate(intervals, 1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {mark.start_seconds:.6f}",
            f"            xmax = {mark.stop_seconds:.6f}",
            f"            text = {_quoted(mark.text)}",
        ]
    return lines


def _without_gaps(marks: Sequence[Mark], end: float) -> list[Mark]:
    """The marks with empty ones before, between and after them."""
    filled: list[Mark] = []
    reached = 0.0
    for mark in marks:
        if mark.start_seconds > reached:
            filled.append(Mark(reached, mark.start_seconds, ""))
        filled.append(mark)
        reached = mark.stop_seconds
    if end > reached:
        filled.append(Mark(reached, end, ""))
    return filled


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
