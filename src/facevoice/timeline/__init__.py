"""Timelines of whole videos: which emotion each person shows, and when."""

from facevoice.timeline.run import iter_windows, timeline
from facevoice.timeline.scoring import FaceSight, Window
from facevoice.timeline.table import (
    ROW_MISSING_CODES,
    SPEAKERS,
    Box,
    FrameTable,
    Person,
    Row,
    RowMissingCode,
    Segment,
    Speaker,
    Timeline,
)

__all__ = [
    "ROW_MISSING_CODES",
    "SPEAKERS",
    "Box",
    "FaceSight",
    "FrameTable",
    "Person",
    "Row",
    "RowMissingCode",
    "Segment",
    "Speaker",
    "Timeline",
    "Window",
    "iter_windows",
    "timeline",
]
