"""What every corpus states: its layout, licence and citation, and how its samples are found."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facevoice.errors import DatasetError
from facevoice.types import Sample

Content = Literal["face_images", "speech", "clips"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a corpus adapter found: the usable samples, and a count for each reason of a drop."""

    samples: tuple[Sample, ...]
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A published corpus.

    content: "face_images" (cropped faces, no detection needed), "speech" or "clips" (video).
    labels: the labels that its samples carry, in order.
    layout: the folder structure expected, for people to read.
    find: root folder -> samples; raises DatasetError when the layout is another.
    """

    name: str
    title: str
    content: Content
    labels: tuple[str, ...]
    layout: str
    licence: str
    citation: str
    obtain: str
    find: Callable[[Path], Found]


def require_folder(root: Path, corpus: str, layout: str) -> None:
    """Raise DatasetError unless root is a folder."""
    if not root.is_dir():
        raise DatasetError(f"{corpus}: {root} is no folder; expected a root that holds {layout}")


def nothing_found(root: Path, corpus: str, layout: str) -> DatasetError:
    """The error for a root that holds no sample: what was looked for, what was found."""
    present = sorted(path.name for path in root.iterdir())
    shown = ", ".join(present[:8]) + (", ..." if len(present) > 8 else "")
    return DatasetError(
        f"{corpus}: no sample under {root}; looked for {layout}; found {shown or 'an empty folder'}"
    )
