"""A split leaks when a speaker, a film or a file's content is on both sides of it."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from facevoice.datasets.fer2013 import RowSample
from facevoice.errors import DatasetError
from facevoice.messages import counted
from facevoice.types import Sample

_SHOWN: Final = 3
_DIGEST_LETTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that is in several splits.

    kind: "group", or "content" (files of the same bytes).
    what: the group's name, or the first of the sample ids.
    splits: where it is.
    ids: of the samples concerned.
    """

    kind: Literal["group", "content"]
    what: str
    splits: tuple[str, ...]
    ids: tuple[str, ...]


def find_leaks(samples: Iterable[Sample]) -> tuple[Leak, ...]:
    """Groups and contents that are in more than one split.

    Content is compared by SHA-256, only for files with a twin of the same length.
    Samples whose path is a folder are compared by group alone.
    """
    samples = list(samples)
    return (
        *_across("group", samples, lambda sample: sample.group),
        *_across("content", _same_length(samples), _digest),
    )


def check_split(samples: Iterable[Sample], *, allow: bool = False) -> tuple[Leak, ...]:
    """Refuse a split that leaks; with ``allow`` the leaks are returned for the record.

    Raises:
        DatasetError: it leaks and that was not allowed.
    """
    leaks = find_leaks(samples)
    if leaks and not allow:
        shown = "; ".join(
            f"{leak.kind} {leak.what} in {' and '.join(leak.splits)}" for leak in leaks[:_SHOWN]
        )
        raise DatasetError(
            f"the split leaks {counted(len(leaks), 'time')}, so its figures would be too good:"
            f" {shown}{'; ...' if len(leaks) > _SHOWN else ''}. Leave the training copies out with"
            " --drop-leaks, fix the split, or accept it with --allow-leaks: every report"
            " will say so"
        )
    return leaks


def leaking_ids(samples: Sequence[Sample], leaks: Iterable[Leak]) -> frozenset[str]:
    """The samples to leave out for a clean split.

    Of each leak the test samples stay, or failing these the validation samples; the rest go.
    """
    split_of = {sample.id: sample.split for sample in samples}
    going: set[str] = set()
    for leak in leaks:
        kept = next(split for split in ("test", "val", *leak.splits) if split in leak.splits)
        going.update(identity for identity in leak.ids if split_of[identity] != kept)
    return frozenset(going)


def _across(
    kind: Literal["group", "content"], samples: Iterable[Sample], key: Callable[[Sample], str]
) -> list[Leak]:
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[key(sample)].append(sample)
    leaks = []
    for name, members in found.items():
        splits = tuple(sorted({member.split for member in members}))
        if len(splits) > 1:
            ids = tuple(member.id for member in members)
            leaks.append(Leak(kind, name if kind == "group" else ids[0], splits, ids))
    return leaks


def _same_length(samples: Iterable[Sample]) -> list[Sample]:
    """The samples whose content is as long as that of a sample of another split."""
    lengths: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        if isinstance(sample, RowSample):
            lengths[sample.stop - sample.start].append(sample)
        elif sample.path.is_file():
            lengths[sample.path.stat().st_size].append(sample)
    return [
        member
        for members in lengths.values()
        if len({member.split for member in members}) > 1
        for member in members
    ]


def content_digest(sample: Sample) -> str:
    """The start of the SHA-256 of a sample's content, by which a copy under another name is known.

    16 hexadecimal digits; "" for a folder or a file that cannot be read.
    """
    if sample.digest:
        return sample.digest
    try:
        return _sha256(sample)[:_DIGEST_LETTERS]
    except OSError:
        return ""


def _digest(sample: Sample) -> str:
    try:
        return _sha256(sample)
    except OSError:  # preparing it reports the error; it equals no other file
        return f"unreadable {sample.id}"


def _sha256(sample: Sample) -> str:
    if isinstance(sample, RowSample):
        return hashlib.sha256(sample.content()).hexdigest()
    with sample.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
