"""Prepared data: a corpus decoded, cleaned and packed once, so that training reads arrays alone.

A prepared folder holds
    prepared.json  corpus, content, labels, licence, citation, counts, what was dropped and why
    samples.csv    id, label, split, group: one row a sample, in the order of the arrays
    images.npy     content "face_images": (N, H, W) or (N, H, W, 3) uint8
    speech.npy     content "speech": all cleaned speech at 16 kHz end to end, (S,) int16
    offsets.npy    content "speech": (N + 1,) int64, where each sample's speech starts in it
"""

import csv
import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.types import Float32Array

FORMAT: Final = 1
INT16_SCALE: Final = 32767.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared folder, opened: arrays are memory-mapped, never copied whole.

    labels: names; y: (N,) int64 indices into them.
    ids, splits, groups: N strings each.
    """

    folder: Path
    meta: dict[str, Any]
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    groups: tuple[str, ...]
    y: NDArray[np.int64]

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set, in order."""
        return tuple(self.meta["labels"])

    @property
    def content(self) -> str:
        """What the arrays hold: "face_images" or "speech"."""
        return str(self.meta["content"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sample table and of the settings that made the arrays."""
        digest = hashlib.sha256((self.folder / "samples.csv").read_bytes())
        digest.update((self.folder / "prepared.json").read_bytes())
        return digest.hexdigest()

    def images(self) -> NDArray[np.uint8]:
        """(N, H, W) or (N, H, W, 3) uint8, memory-mapped."""
        images: NDArray[np.uint8] = np.load(self.folder / "images.npy", mmap_mode="r")
        return images

    def speech(self) -> list[Float32Array]:
        """N arrays (S_i,) float32 in [-1, 1] at 16 kHz."""
        samples = np.load(self.folder / "speech.npy", mmap_mode="r")
        offsets = np.load(self.folder / "offsets.npy")
        return [
            np.asarray(samples[start:stop], np.float32) / np.float32(INT16_SCALE)
            for start, stop in pairwise(offsets)
        ]


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared folder.

    Raises:
        DatasetError: the folder or one of its files is absent, or of another format.
    """
    try:
        meta = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        with (folder / "samples.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder} is no prepared folder ({Path(error.filename).name} is absent): make one with"
            " 'facevoice prepare CORPUS --root FOLDER -o FOLDER'"
        ) from None
    if meta.get("format") != FORMAT:
        raise DatasetError(
            f"{folder} has format {meta.get('format')!r}, this version reads {FORMAT}"
        )
    index = {label: k for k, label in enumerate(meta["labels"])}
    return Prepared(
        folder=folder,
        meta=meta,
        ids=tuple(row["id"] for row in rows),
        splits=tuple(row["split"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        y=np.array([index[row["label"]] for row in rows], np.int64),
    )
