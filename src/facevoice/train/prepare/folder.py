"""Prepared data: a corpus decoded, cleaned and packed once, so that training reads arrays alone.

A prepared folder holds
    prepared.json  corpus, labels, licence, citation, counts, what was dropped, leaks
    samples.csv    one row per sample, see ``COLUMNS``
    dropped.csv    file, reason, detail: everything that was left out
    samples.npy, faces.npy, pictures.npy, spans.npy, speech.npy
                   the evidence of all samples in the order of the table (see ``packed``)
    votes.npz      raters' votes as a score table, where the corpus has any
    functionals-*.npz  features of the speech, once they were computed (see ``voice.features``)
    settings.json  what a restart must agree with
    contact_sheet.jpg  a face of each of the first samples, to check by eye
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.csv_cells import csv_rows, csv_text
from facevoice.errors import DatasetError
from facevoice.faces.sample import Box
from facevoice.scores.table.keys import Keys, distinct_keys, keys_of_digests
from facevoice.train.prepare.store import Store
from facevoice.types import Evidence, Modality, UInt8Array, Waveform

FORMAT: Final = 4
"""Changes whenever what a folder holds means something else: 4, speech without inaudible lows."""
COLUMNS: Final = (
    *("id", "label", "split", "group", "source", "missing_face", "missing_voice"),
    *("corpus", "note", "digest"),
)
"""Of ``samples.csv``; corpus and note are often empty; digest: see ``types.Sample``."""
VOTES: Final = "votes.npz"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared folder, opened, or several that are read as one: an index over their stores.

    labels: names; y: (N,) int64 indices into them.
    ids, splits, groups, corpora, notes, digests: N strings each, see ``types.Sample``; of several
        folders the ids start with the corpus's name. A sample that names no corpus is of the
        folder's.
    """

    stores: tuple[Store, ...]
    meta: dict[str, Any]
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    groups: tuple[str, ...]
    y: NDArray[np.int64]
    corpora: tuple[str, ...]
    notes: tuple[str, ...]
    digests: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder, or the first of several."""
        return self.stores[0].folder

    def keys(self) -> tuple[Keys, Keys]:
        """(N,) uint64 each: keys by name and label, and by content (0 where that is not noted)."""
        names = distinct_keys(self.ids, [self.labels[index] for index in self.y])
        return names, keys_of_digests(self.digests)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set, in order."""
        return tuple(self.meta["labels"])

    def licences(self, rows: Iterable[int] | None = None) -> dict[str, str]:
        """The licence of each corpus that these samples (all by default) come from, by its name."""
        corpora = self.corpora if rows is None else [self.corpora[row] for row in rows]
        stated, whole = self.meta.get("licences", {}), str(self.meta["licence"])
        return {corpus: stated.get(corpus, whole) for corpus in dict.fromkeys(corpora)}

    @property
    def leaks(self) -> tuple[dict[str, Any], ...]:
        """Groups and contents on several sides of the split that were allowed."""
        return tuple(self.meta.get("leaks", ()))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the data, see ``Store``; of several folders that of theirs."""
        found = [store.fingerprint for store in self.stores]
        return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()

    def counts(self, modality: Modality) -> NDArray[np.int64]:
        """(N,) face pictures of each sample, or values of its speech."""
        field = {"face": "faces", "voice": "speech"}[modality]
        return np.concatenate([store.samples[field] for store in self.stores])

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """(N,) whether a sample shows a face, or has speech."""
        return np.asarray(self.counts(modality) > 0, np.bool_)

    def evidence(self, row: int) -> Evidence:
        """The evidence of a sample, see ``Store.evidence``."""
        store, own = self._place(row)
        return store.evidence(own)

    def evidences(self, rows: Iterable[int] | None = None) -> Iterator[tuple[int, Evidence]]:
        """Rows (all by default) with their evidence."""
        for row in range(len(self.ids)) if rows is None else rows:
            yield row, self.evidence(row)

    def pictures(
        self, row: int, most: int, rng: np.random.Generator | None = None
    ) -> tuple[UInt8Array, Box]:
        """Face pictures of a sample and their place, see ``Store.pictures``."""
        store, own = self._place(row)
        return store.pictures(own, most, rng)

    def speech(self, row: int) -> Waveform | None:
        """The speech of a sample; None if it has none."""
        store, own = self._place(row)
        return store.speech(own)

    def _place(self, row: int) -> tuple[Store, int]:
        own = row
        for store in self.stores:
            if own < len(store):
                return store, own
            own -= len(store)
        raise DatasetError(f"there are {len(self.ids)} samples, no sample {row}")


def join(parts: Sequence[Prepared]) -> Prepared:
    """Several prepared folders as one.

    Raises:
        DatasetError: the label sets differ.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.labels != first.labels:
            raise DatasetError(
                f"{part.folder} ({', '.join(part.labels)}) cannot be joined with {first.folder}"
                f" ({', '.join(first.labels)}): prepare both with the same --labels"
            )
    meta = {
        key: "; ".join(str(part.meta[key]) for part in parts)
        for key in ("corpus", "licence", "citation")
    }
    return Prepared(
        stores=tuple(store for part in parts for store in part.stores),
        meta=meta
        | {
            "count": sum(len(part.ids) for part in parts),
            "labels": list(first.labels),
            "licences": {name: text for part in parts for name, text in part.licences().items()},
            "leaks": [leak for part in parts for leak in part.leaks],
        },
        ids=tuple(f"{part.meta['corpus']}/{name}" for part in parts for name in part.ids),
        splits=tuple(split for part in parts for split in part.splits),
        groups=tuple(group for part in parts for group in part.groups),
        y=np.concatenate([part.y for part in parts]),
        corpora=tuple(corpus for part in parts for corpus in part.corpora),
        notes=tuple(note for part in parts for note in part.notes),
        digests=tuple(digest for part in parts for digest in part.digests),
    )


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared folder.

    Raises:
        DatasetError: the folder or one of its files is absent, damaged or of another format.
    """
    try:
        meta = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        header, *cells = [row for _, row in csv_rows(csv_text(folder / "samples.csv"))]
        rows = [dict(zip(header, row, strict=False)) for row in cells]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{folder} is not a prepared folder ({Path(error.filename).name} is absent): make one"
            " with 'facevoice prepare CORPUS --root FOLDER -o FOLDER'"
        ) from None
    if meta.get("format") != FORMAT:
        raise DatasetError(
            f"{folder} has format {meta.get('format')!r}, this version reads {FORMAT}: prepare it"
            f" again with 'facevoice prepare {meta.get('corpus', 'CORPUS')} --root FOLDER -o"
            " ANOTHER_FOLDER'"
        )
    store = Store(folder)
    if len(store) != len(rows):
        raise DatasetError(
            f"{folder / 'samples.csv'} has {len(rows)} rows, the arrays hold {len(store)} samples:"
            " delete the folder and prepare it again"
        )
    index = {label: k for k, label in enumerate(meta["labels"])}
    return Prepared(
        stores=(store,),
        meta=meta,
        ids=tuple(row["id"] for row in rows),
        splits=tuple(row["split"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        y=np.array([index[row["label"]] for row in rows], np.int64),
        corpora=tuple(row.get("corpus") or str(meta["corpus"]) for row in rows),
        notes=tuple(row.get("note") or "" for row in rows),
        digests=tuple(row.get("digest") or "" for row in rows),
    )
