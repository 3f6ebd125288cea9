"""What every corpus states, and how its adapter gathers samples and counts what it leaves out."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, get_args

from facevoice.datasets.names import SPLITS, SYNONYMS, meanings
from facevoice.errors import DatasetError
from facevoice.messages import counted, near
from facevoice.types import Float64Array, Sample, UInt8Array

Content = Literal["clips", "face_crops", "face_folders", "pictures", "face_images", "speech"]
"""What the files of a corpus hold, and thus how they are prepared.

clips: videos, sound files or pictures: faces are found and aligned, speech is found and cleaned.
face_crops: video whose whole picture is the face; nothing is detected. Sound as in clips.
face_folders: one folder of aligned face pictures per clip; sound from a file next to it, if any.
pictures: photographs in which the face is found and aligned.
face_images: pictures that show nothing but the face, stored as they come.
speech: the sound of any file, cleaned.
"""
CONTENTS: Final[tuple[Content, ...]] = get_args(Content)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that the adapter leaves out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """Labelled files, and what was done to their labels.

    samples: in a fixed order.
    dropped: left out, each with its reason.
    labels: the label set, for corpora that bring their own; empty: that of the corpus.
    renamed: labels and splits that are spelled differently, e.g. "Joy -> happy", with the number of
        files.
    """

    samples: tuple[Sample, ...]
    dropped: tuple[Dropped, ...] = ()
    labels: tuple[str, ...] = ()
    renamed: Mapping[str, int] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, int]:
        """How many files were left out for each reason."""
        return dict(sorted(Counter(item.reason for item in self.dropped).items()))

    def over(self, labels: Sequence[str]) -> "Found":
        """The samples whose label means one of ``labels``, under that label; others are dropped.

        Samples of unknown label (None) stay.

        Raises:
            DatasetError: none is left (the message says what was found and what is accepted), or
                two have one name.
        """
        written = Counter(sample.label for sample in self.samples if sample.label is not None)
        meant = meanings(written, labels)
        kept = tuple(
            sample if sample.label is None else replace(sample, label=meant[sample.label])
            for sample in self.samples
            if sample.label is None or sample.label in meant
        )
        if not kept:
            raise DatasetError(
                f"none of {len(self.samples)} samples has a label among {', '.join(labels)} (in any"
                f" case, or as e.g. {', '.join(list(SYNONYMS)[:3])}); found: {counts(written)}"
            )
        _check_names(kept)
        dropped = tuple(
            Dropped(sample.path, f"label {sample.label}")
            for sample in self.samples
            if sample.label is not None and sample.label not in meant
        )
        renamed = {
            f"{name} -> {label}": written[name] for name, label in meant.items() if name != label
        }
        return Found(kept, (*self.dropped, *dropped), tuple(labels), {**self.renamed, **renamed})

    def of_split(self, name: str) -> "Found":
        """The samples of one split, which may be called as in ``SPLITS``.

        Raises:
            DatasetError: there is none.
        """
        known = {sample.split for sample in self.samples}
        split = name if name in known else SPLITS.get(name.lower(), name)
        if split not in known:
            listed = ", ".join(sorted(known - {""})) or "none"
            raise DatasetError(f"no clip in split {name!r}; splits: {listed}{near(name, known)}")
        return replace(self, samples=tuple(item for item in self.samples if item.split == split))

    def lines(self) -> Iterator[str]:
        """A summary for people: counts, what was renamed or left out, whether groups are known."""
        yield f"{counted(len(self.samples), 'file')}: {'; '.join(account(self.samples))}"
        if self.renamed:
            yield f"read as: {counts(self.renamed)}"
        if self.dropped:
            listed = ", ".join(f"{count} with {reason}" for reason, count in self.reasons.items())
            yield f"left out: {listed}"
        if all(sample.group == sample.id for sample in self.samples):
            yield GROUPS_UNKNOWN


GROUPS_UNKNOWN: Final = (
    "no speakers or groups are known: one person may be in both training and test, and figures may"
    " be too good. Name them in the column speaker of a table, manifest.csv: file,label,speaker"
)


def account(samples: Sequence[Sample]) -> Iterator[str]:
    """How many samples have each label and each split, and how many groups there are."""
    yield counts(Counter(sample.label or "no label" for sample in samples))
    splits = Counter(sample.split for sample in samples)
    if set(splits) != {""}:
        yield f"splits: {counts(splits)}"
    groups = {sample.group for sample in samples if sample.group != sample.id}
    if groups:
        yield counted(len(groups), "group")


def _check_names(samples: Sequence[Sample]) -> None:
    identity, count = Counter(sample.id for sample in samples).most_common(1)[0]
    if count > 1:
        paths = [str(item.path) for item in samples if item.id == identity]
        raise DatasetError(f"{identity} occurs {count} times: {paths[:4]}")


def counts(found: Mapping[str, int]) -> str:
    """Names with their counts, in order of the names."""
    return ", ".join(f"{name or 'none'} {count}" for name, count in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Corpus:
    """A published corpus.

    labels: the labels that its samples carry, in order; empty: the corpus brings its own.
    layout: the folder structure expected, for people to read.
    mapping: how its labels become ours, and which are dropped.
    splits: the official splits, or that there are none.
    groups: what a group is: speaker, dialogue, ...; "" where the corpus does not say.
    gather: adds the samples under a root folder to a ``Gathering``.
    read: reads a sample's picture (H, W) or (H, W, 3), where pictures are not files of their own.
    face_box: where its face pictures (content face_images) lie in the 256x256 picture that
        alignment gives: left, top, right, bottom.
    votes: how many raters chose each of ``labels`` (K,) by the sample's id; empty where a root
        folder holds no votes.
    licences: of its parts, where it is made of several corpora, by the names that samples carry.
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
    gather: Callable[[Path, "Gathering"], None]
    read: Callable[[Sample], UInt8Array] | None = None
    face_box: tuple[float, float, float, float] = (0.0, 0.0, 256.0, 256.0)
    votes: Callable[[Path], Mapping[str, Float64Array]] | None = None
    licences: Mapping[str, str] = field(default_factory=dict)

    def find(self, root: Path) -> Found:
        """The samples under a root folder, and what is left out.

        Raises:
            DatasetError: the layout is different, there is no sample, or two share a name.
        """
        gathering = Gathering(self, root)
        self.gather(root, gathering)
        return gathering.found()


class Gathering:
    """Collects the samples of one corpus and everything that is left out.

    labels, renamed: of the ``Found``; for adapters of corpora that bring their own labels.
    """

    def __init__(self, corpus: Corpus, root: Path) -> None:
        folder = root.parent if root.is_file() else root
        if not folder.is_dir():
            raise DatasetError(
                f"{corpus.name}: {root} is not a folder; expected a root with {corpus.layout}"
            )
        self._corpus, self._root = corpus, folder
        self._samples: list[Sample] = []
        self._dropped: list[Dropped] = []
        self.labels: tuple[str, ...] = ()
        self.renamed: Mapping[str, int] = {}

    def keep(self, sample: Sample, otherwise: str = "") -> None:
        """Add a sample; one with a label that the corpus does not list is left out.

        otherwise: the reason why, if it is not the label.
        """
        if self._corpus.labels and sample.label not in self._corpus.labels:
            self.drop(sample.path, otherwise or f"label {sample.label}")
        else:
            self._samples.append(sample)

    def drop(self, path: Path, reason: str) -> None:
        """Leave a file out."""
        self._dropped.append(Dropped(path, reason))

    def found(self) -> Found:
        """All of it.

        Raises:
            DatasetError: no sample at all, or two samples share a name.
        """
        if not self._samples:
            raise self._nothing()
        _check_names(self._samples)
        return Found(tuple(self._samples), tuple(self._dropped), self.labels, self.renamed)

    def _nothing(self) -> DatasetError:
        present = sorted(path.name for path in self._root.iterdir())
        shown = ", ".join(present[:8]) + (", ..." if len(present) > 8 else "")
        reasons = Counter(item.reason for item in self._dropped)
        left = "; ".join(f"{count} left out: {reason}" for reason, count in reasons.most_common(4))
        return DatasetError(
            f"{self._corpus.name}: no sample under {self._root}; looked for {self._corpus.layout};"
            f" found {shown or 'an empty folder'}{'; ' + left if left else ''}"
        )


def table_rows(table: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a corpus's own CSV table; letters that are not UTF-8 are replaced.

    Raises:
        DatasetError: it lacks one of the columns.
    """
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = sorted(set(columns) - set(reader.fieldnames or ()))
        if lacking:
            raise DatasetError(f"{table} lacks the columns {', '.join(lacking)}")
        return list(reader)


def files_below(root: Path, suffixes: Iterable[str], pattern: str = "**/*") -> list[Path]:
    """Files with one of the suffixes, in the order of their paths; hidden ones are skipped."""
    wanted = frozenset(suffixes)
    return sorted(
        path
        for path in root.glob(pattern)
        if path.suffix.lower() in wanted and not path.name.startswith(".") and path.is_file()
    )
