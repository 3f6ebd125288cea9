"""Small corpora of real clips and of pictures, and what a folder holds."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from facevoice.datasets import CORPORA
from facevoice.samples import SAMPLE

MANIFEST = CORPORA["manifest"]


def corpus_of_clips(root: Path, count: int = 3) -> Path:
    """Copies of the sample clip, each a little longer, so that no two are the same file."""
    root.mkdir(parents=True, exist_ok=True)
    rows = ["file,label,split,group"]
    for number in range(count):
        name = f"clip{number}.mp4"
        content = SAMPLE.read_bytes() + b"\0\0\0\x08free" * number
        (root / name).write_bytes(content)
        label = ("happy", "sad")[number % 2]
        rows.append(f"{name},{label},{('train', 'test')[number == count - 1]},p{number}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def add_row(root: Path, name: str) -> None:
    with (root / "labels.csv").open("a") as stream:
        stream.write(f"{name},happy,train,{name}\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def dropped_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "dropped.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


class Interrupted(Exception):  # noqa: N818 - what a test raises in the middle
    pass


def pictures(root: Path, count: int = 5) -> Path:
    for number in range(count):
        path = root / ("train", "test")[number % 2] / ("happy", "sad")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48), np.uint8)
        Image.fromarray(pixels).save(path)
    return root
