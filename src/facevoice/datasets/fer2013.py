"""FER2013: 48x48 grey face pictures from the web, seven emotions (Goodfellow et al. 2013).

Two published forms: folders of pictures, and ``fer2013.csv`` with the pixels in its rows. The
corpus is known to repeat pictures, also across its splits: see ``leaks``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from facevoice.datasets.corpus import Corpus, Gathering
from facevoice.datasets.ferplus_votes import SPLITS, row_id, votes
from facevoice.datasets.names import emotion_of
from facevoice.errors import DatasetError
from facevoice.types import EMOTIONS, Sample, UInt8Array
from facevoice.types.suffixes import PICTURE_SUFFIXES

_LAYOUT: Final = (
    "train/<emotion>/*.jpg|png and test/<emotion>/*.jpg|png, or fer2013.csv (or"
    " icml_face_data.csv) with the columns emotion, pixels, Usage"
)
_TABLES: Final = ("fer2013.csv", "icml_face_data.csv")
_CODES: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_SIDE: Final = 48


@dataclass(frozen=True, slots=True)
class RowSample(Sample):
    """A picture in a row of a CSV file.

    start, stop: where its pixels are in the file, in bytes.
    """

    start: int
    stop: int

    def content(self) -> bytes:
        """The bytes of the picture."""
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.stop - self.start)


def gather(root: Path, gathering: Gathering) -> None:
    """The pictures under root; in the folder form both official test sets are "test"."""
    table = next((root / name for name in _TABLES if (root / name).is_file()), None)
    if table is not None:
        _rows(table, gathering)
    else:
        _folders(root, gathering)


def _folders(root: Path, gathering: Gathering) -> None:
    for split in ("train", "test"):
        for path in sorted((root / split).glob("*/*")):
            picture = path.suffix.lower() in PICTURE_SUFFIXES
            label = emotion_of(path.parent.name) if picture else None
            identity = f"{split}/{label}/{path.name}"
            sample = Sample(identity, path, label, split, group=identity)
            gathering.keep(sample, f"folder {path.parent.name}, suffix {path.suffix}")


def _rows(table: Path, gathering: Gathering) -> None:
    with table.open("rb") as stream:
        names = [name.strip().strip('"') for name in stream.readline().decode().split(",")]
        if sorted(names) != ["Usage", "emotion", "pixels"]:
            raise DatasetError(f"fer2013: {table} has the columns {names}; expected {_LAYOUT}")
        place = {name: names.index(name) for name in names}
        start = stream.tell()
        for number, line in enumerate(stream, start=1):
            cells = line.split(b",")
            begin = start + sum(len(cell) + 1 for cell in cells[: place["pixels"]])
            start += len(line)
            if len(cells) != 3:
                gathering.drop(table, "row without three cells")
                continue
            pixels = cells[place["pixels"]]
            code, usage = (cells[place[key]].decode().strip() for key in ("emotion", "Usage"))
            if not code.isdigit() or int(code) >= len(_CODES) or usage not in SPLITS:
                gathering.drop(table, f"row of emotion {code}, usage {usage}")
                continue
            identity = row_id(SPLITS[usage], number)
            gathering.keep(
                RowSample(
                    identity, table, _CODES[int(code)], SPLITS[usage], identity,
                    start=begin, stop=begin + len(pixels),
                )
            )  # fmt: skip


def read(sample: Sample) -> UInt8Array:
    """The picture of a sample of either form: (H, W) or (H, W, 3) uint8.

    Raises:
        OSError, ValueError: it cannot be decoded.
    """
    if isinstance(sample, RowSample):
        text = sample.content().decode("ascii").strip().strip('"')
        pixels = np.array([int(value) for value in text.split()], np.int64)
        if pixels.size != _SIDE**2 or pixels.min() < 0 or pixels.max() > 255:
            raise ValueError(f"{sample.id}: not {_SIDE}x{_SIDE} pixels of 0 to 255")
        return pixels.reshape(_SIDE, _SIDE).astype(np.uint8)
    with Image.open(sample.path) as image:
        return np.asarray(image.convert("L"))


PICTURES_LICENCE: Final = "no formal licence; published for the ICML 2013 challenge, for research"
"""Of the pictures alone."""

CORPUS: Final = Corpus(
    name="fer2013",
    title="FER2013 face pictures",
    content="face_images",
    labels=EMOTIONS,
    layout=_LAYOUT,
    mapping="the same seven emotions",
    splits="train and test; in the CSV form also val (PublicTest)",
    groups="",
    licence=f"{PICTURES_LICENCE}; votes of FER+, where there are any: MIT",
    citation=(
        "I. J. Goodfellow et al., Challenges in Representation Learning: A report on three machine"
        " learning contests, ICONIP 2013"
    ),
    obtain="search for the data set 'FER-2013'; folder form of 28,709 + 7,178 pictures",
    gather=gather,
    read=read,
    face_box=(2.0, 2.0, 252.0, 252.0),  # as scripts/face_framing.py measures it
    votes=votes,
)
