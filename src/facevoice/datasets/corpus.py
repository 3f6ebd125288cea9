"""What every corpus states, and how its adapter gathers samples and counts what it leaves out."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from facevoice.errors import DatasetError
from facevoice.types import EMOTIONS, Sample, UInt8Array

Content = Literal["clips", "face_crops", "face_folders", "pictures", "face_images", "speech"]
"""What the files of a corpus hold, and so what is done to prepare them.

clips: anything that plays or shows: faces are found and aligned, speech is found and cleaned.
face_crops: video whose whole picture is the face; nothing is detected. Sound as in clips.
face_folders: a folder of aligned face pictures a clip; sound from a file beside it, if any.
pictures: photographs in which the face is found and aligned.
face_images: pictures that show nothing but the face, stored as they come.
speech: the sound of any file, cleaned.
"""
CONTENTS: Final[tuple[Content, ...]] = get_args(Content)

VIDEO_SUFFIXES: Final = frozenset({".avi", ".flv", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
SOUND_SUFFIXES: Final = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"})
PICTURE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

SYNONYMS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
"""Names that corpora give to the seven emotions, lower case."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that the adapter leaves out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What an adapter found.

    samples: to be prepared, in a fixed order.
    dropped: left out, each with its reason.
    labels: the label set, for corpora that bring their own; empty: that of the corpus.
    """

    samples: tuple[Sample, ...]
    dropped: tuple[Dropped, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def reasons(self) -> dict[str, int]:
        """How many files were left out for each reason."""
        return dict(sorted(Counter(item.reason for item in self.dropped).items()))


@dataclass(frozen=True, slots=True)
class Corpus:
    """A published corpus.

    labels: the labels that its samples carry, in order; empty: the corpus brings its own.
    layout: the folder structure expected, for people to read.
    mapping: how its labels become ours, and which are dropped.
    splits: the official splits, or that there are none.
    groups: what a group is: speaker, dialogue, ...; "" where the corpus does not tell.
    find: root folder -> samples; raises DatasetError when the layout is another.
    read: reads a sample's picture (H, W) or (H, W, 3), where pictures are not files of their own.
    face_box: left, top, right, bottom of where its face pictures (content face_images) lie in the
        256x256 picture that alignment gives.
    """

    name: str
    title: str
    content: Content
    labels: tuple[str, ...]
    layout: str
    mapping: str
    splits: str
    groups: str
    licence: str
    citation: str
    obtain: str
    find: Callable[[Path], Found]
    read: Callable[[Sample], UInt8Array] | None = None
    face_box: tuple[float, float, float, float] = (0.0, 0.0, 256.0, 256.0)


class Gathering:
    """Collects the samples of one corpus and everything that is left out."""

    def __init__(self, corpus: str, root: Path, layout: str) -> None:
        if not root.is_dir():
            raise DatasetError(f"{corpus}: {root} is no folder; expected a root with {layout}")
        self._corpus, self._root, self._layout = corpus, root, layout
        self._samples: list[Sample] = []
        self._dropped: list[Dropped] = []

    def keep(self, sample: Sample) -> None:
        """Add a sample."""
        self._samples.append(sample)

    def drop(self, path: Path, reason: str) -> None:
        """Leave a file out."""
        self._dropped.append(Dropped(path, reason))

    def found(self, labels: tuple[str, ...] = ()) -> Found:
        """All of it.

        Raises:
            DatasetError: no sample at all, or two samples of one name.
        """
        if not self._samples:
            raise self._nothing()
        counts = Counter(sample.id for sample in self._samples)
        identity, count = counts.most_common(1)[0]
        if count > 1:
            paths = [str(item.path) for item in self._samples if item.id == identity]
            raise DatasetError(f"{self._corpus}: {identity} stands {count} times: {paths[:4]}")
        return Found(tuple(self._samples), tuple(self._dropped), labels)

    def _nothing(self) -> DatasetError:
        present = sorted(path.name for path in self._root.iterdir())
        shown = ", ".join(present[:8]) + (", ..." if len(present) > 8 else "")
        reasons = Counter(item.reason for item in self._dropped)
        left = "; ".join(f"{count} left out: {reason}" for reason, count in reasons.most_common(4))
        return DatasetError(
            f"{self._corpus}: no sample under {self._root}; looked for {self._layout};"
            f" found {shown or 'an empty folder'}{'; ' + left if left else ''}"
        )


def files_below(root: Path, suffixes: Iterable[str], pattern: str = "**/*") -> list[Path]:
    """Files with one of the suffixes, in the order of their paths; hidden ones are not seen."""
    wanted = frozenset(suffixes)
    return sorted(
        path
        for path in root.glob(pattern)
        if path.suffix.lower() in wanted and not path.name.startswith(".") and path.is_file()
    )


def emotion_of(name: str) -> str | None:
    """The one of the seven emotions that a corpus calls ``name``, None if it is none of them."""
    lower = name.strip().lower()
    label = SYNONYMS.get(lower, lower)
    return label if label in EMOTIONS else None


def label_set(names: Sequence[str]) -> dict[str, str]:
    """Names as a corpus writes them -> labels.

    If every name means one of the seven emotions they are these; else the names stay as they are.
    """
    emotions = {name: emotion_of(name) for name in names}
    if all(emotions.values()):
        return {name: label for name, label in emotions.items() if label is not None}
    return {name: name for name in names}


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The label set of a corpus of its own: the seven if all are among them, else sorted."""
    present = set(labels)
    return EMOTIONS if present <= set(EMOTIONS) else tuple(sorted(present))
