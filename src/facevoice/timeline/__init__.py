"""Whole videos: who shows what, when."""

from facevoice.timeline.run import iter_windows, timeline, window_maker
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
from facevoice.timeline.windows import Streams, Window, WindowMaker

__all__ = [
    "ROW_MISSING_CODES",
    "SPEAKERS",
    "Box",
    "FrameTable",
    "Person",
    "Row",
    "RowMissingCode",
    "Segment",
    "Speaker",
    "Streams",
    "Timeline",
    "Window",
    "WindowMaker",
    "iter_windows",
    "timeline",
    "window_maker",
]
