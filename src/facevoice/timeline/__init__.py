"""Whole videos: who shows what, when."""

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
    "FrameTable",
    "Person",
    "Row",
    "RowMissingCode",
    "Segment",
    "Speaker",
    "Timeline",
]
