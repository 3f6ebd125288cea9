"""AffectNet: photographs from the web with a face in eight expressions (Mollahosseini et al. 2017).

Three published forms: tables (``training.csv``, ``validation.csv``) over the photographs, which
also say where the face is; folders ``train_set`` and ``val_set`` with one annotation file per
picture; and repackagings in folders named by number or expression. The face is found and aligned in
each, as prediction does.

Not verified (the corpus is given on request only): folder names are those that published readers
of the corpus use; that numbered folders follow the order of the tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from facevoice.datasets.corpus import Corpus, Gathering, files_below, table_rows
from facevoice.datasets.names import emotion_of
from facevoice.types import EMOTIONS, Sample, UInt8Array
from facevoice.types.suffixes import PICTURE_SUFFIXES

_LAYOUT: Final = (
    "training.csv and validation.csv beside the folders of photographs (also below"
    " Manually_Annotated_Images); or train_set/images/*.jpg with train_set/annotations/*_exp.npy"
    " and val_set likewise; or train/<0-7 or expression>/*.jpg and val/..., test/..."
)
_CODES: Final = (
    "neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt", "none",
    "uncertain", "no face",
)  # fmt: skip
_TABLES: Final = {"train": "training.csv", "val": "validation.csv"}
_IMAGE_FOLDERS: Final = ("", "Manually_Annotated_Images", "Manually_Annotated_compressed")
_SETS: Final = {"train": ("train_set", "train"), "val": ("val_set", "val"), "test": ("test",)}
_MARGIN: Final = 0.35  # of the box's side, on each side: detectors need the face's surroundings


@dataclass(frozen=True, slots=True)
class BoxedSample(Sample):
    """A photograph and where in it the face is: left, top, right, bottom in pixels."""

    box: tuple[float, float, float, float]


def gather(root: Path, gathering: Gathering) -> None:
    """The photographs under root; contempt and pictures without an expression are dropped."""
    tables = {split: root / name for split, name in _TABLES.items() if (root / name).is_file()}
    if tables:
        for split, table in tables.items():
            _table(root, table, split, gathering)
    else:
        for split, names in _SETS.items():
            for path, label in _labelled(root, names):
                identity = f"{split}/{path.parent.name}/{path.stem}"
                gathering.keep(Sample(identity, path, label, split, group=identity))


def _table(root: Path, table: Path, split: str, gathering: Gathering) -> None:
    places = [root / name for name in _IMAGE_FOLDERS]
    for row in table_rows(table, ("subDirectory_filePath", "expression")):
        name = row["subDirectory_filePath"]
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            gathering.drop(root / name, "file of the table is absent")
            continue
        label = _expression(row["expression"].strip())
        identity, box = f"{split}/{name}", _box(row)
        sample = Sample(identity, path, label, split, identity)
        if box is not None:
            sample = BoxedSample(identity, path, label, split, identity, box)
        gathering.keep(sample)


def _expression(code: str) -> str:
    """What a number of the tables means; any other text as it is."""
    return _CODES[int(code)] if code.isdigit() and int(code) < len(_CODES) else code


def _box(row: dict[str, str]) -> tuple[float, float, float, float] | None:
    """The face's box; None where the row has none (AffectNet writes NULL)."""
    try:
        left, top, width, height = (
            float(row[f"face_{key}"]) for key in ("x", "y", "width", "height")
        )
    except (KeyError, ValueError):
        return None
    return (left, top, left + width, top + height) if width > 0 and height > 0 else None


def _labelled(root: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Pictures of one split with the names of their expressions."""
    for name in names:
        notes = root / name / "annotations"
        for path in files_below(root / name, PICTURE_SUFFIXES):
            note = notes / f"{path.stem}_exp.npy"
            code = path.parent.name
            if notes.is_dir():
                code = str(int(np.load(note))) if note.is_file() else "no annotation"
            yield path, emotion_of(code) or _expression(code)


def read(sample: Sample) -> UInt8Array:
    """The photograph, cut to the face's box and its surroundings where the table gives a box.

    Returns (H, W, 3) uint8 RGB. Raises OSError or ValueError if it cannot be decoded.
    """
    with Image.open(sample.path) as image:
        picture = image.convert("RGB")
    if isinstance(sample, BoxedSample):
        left, top, right, bottom = sample.box
        across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
        cut = (
            max(0, round(left - across)),
            max(0, round(top - down)),
            min(picture.width, round(right + across)),
            min(picture.height, round(bottom + down)),
        )
        if cut[0] >= cut[2] or cut[1] >= cut[3]:
            raise ValueError(f"{sample.id}: the box {sample.box} lies outside the picture")
        picture = picture.crop(cut)
    return np.asarray(picture)


CORPUS: Final = Corpus(
    name="affectnet",
    title="AffectNet photographs",
    content="pictures",
    labels=EMOTIONS,
    layout=_LAYOUT,
    mapping="8 -> 7: contempt dropped; none, uncertain and no-face dropped",
    splits="train and val (the official test set is not published)",
    groups="",
    licence="on request, for non-commercial research only",
    citation=(
        "A. Mollahosseini, B. Hasani and M. H. Mahoor, AffectNet: A Database for Facial Expression,"
        " Valence, and Arousal Computing in the Wild, IEEE Transactions on Affective Computing"
        " 10(1), 2019"
    ),
    obtain="by agreement: mohammadmahoor.com/pages/databases/affectnet",
    gather=gather,
    read=read,
)
