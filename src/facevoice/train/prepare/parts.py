"""The pieces of a preparation, each in a file of its own, so that what is done is never redone.

A unit is a clip, or some dozens of pictures or sounds. Its file is named by what went into it and
written at once; it stays for clips and is merged for the others.

    clips/<key>.npz    the evidence of a clip (see clipfile)
    clips/<key>.json   why a clip cannot be used
    parts/<key>.npz    values and their lengths, and why others cannot be used
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.datasets import Corpus
from facevoice.train.prepare.clip_file import pack_clip, pack_speech
from facevoice.train.prepare.gather import Unusable, evidence_of, picture_of, speech_of
from facevoice.types import MODALITIES, Sample
from facevoice.writing import replacing

CLIPS: Final = "clips"
PARTS: Final = "parts"
_UNIT_SIZES: Final = {"pictures": 16, "face_images": 256, "speech": 16}  # else a clip at a time


@dataclass(frozen=True, slots=True)
class Unit:
    """Some samples that are prepared together; key: names them and the bytes they came with."""

    key: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What is done to each unit.

    size: side of pictures, None as they are. threads: of the networks, None for all cores.
    """

    corpus: Corpus
    output: Path
    size: int | None
    threads: int | None

    @property
    def has_clips(self) -> bool:
        """Whether each sample becomes evidence in a file of its own."""
        return self.corpus.content not in _UNIT_SIZES

    def units(self, samples: Sequence[Sample]) -> list[Unit]:
        """Cut the samples into units, in order."""
        size = _UNIT_SIZES.get(self.corpus.content, 1)
        pieces = [tuple(samples[at : at + size]) for at in range(0, len(samples), size)]
        return [Unit(_key(piece), piece) for piece in pieces]

    def path(self, unit: Unit) -> Path:
        """The file of a unit."""
        return self.output / (CLIPS if self.has_clips else PARTS) / f"{unit.key}.npz"

    def done(self, unit: Unit) -> bool:
        """Whether nothing is left to do for a unit."""
        path = self.path(unit)
        return path.is_file() or path.with_suffix(".json").is_file()

    def __call__(self, unit: Unit) -> None:
        """Prepare a unit and write its file.

        Raises:
            OutputError: the file cannot be written.
        """
        path = self.path(unit)
        if not self.has_clips:
            _save(path, self._packed(unit.samples))
            return
        evidence = evidence_of(unit.samples[0], self.corpus.content, self.threads)
        if isinstance(evidence, Unusable):
            with replacing(path.with_suffix(".json")) as temporary:
                record = {"reason": evidence.reason, "detail": evidence.detail}
                temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
        else:
            _save(path, pack_clip(evidence))

    def _packed(self, samples: tuple[Sample, ...]) -> dict[str, NDArray[Any]]:
        values: list[NDArray[Any]] = []
        reasons = []
        for sample in samples:
            value = self._value(sample)
            if isinstance(value, Unusable):
                reasons.append([value.reason, value.detail])
            else:
                reasons.append(["", ""])
                values.append(value)
        flat = [value.reshape(-1) for value in values] or [np.zeros(0, np.uint8)]
        shapes = [value.shape + (0,) * (3 - value.ndim) for value in values]
        return {
            "values": np.concatenate(flat),
            "shapes": np.array(shapes, np.int64).reshape(-1, 3),
            "reasons": np.array(reasons),
        }

    def _value(self, sample: Sample) -> NDArray[Any] | Unusable:
        if self.corpus.content != "speech":
            return picture_of(sample, self.corpus, self.size, self.threads)
        speech = speech_of(sample)
        return speech if isinstance(speech, Unusable) else pack_speech(speech)


def outcomes(work: Work, unit: Unit) -> list[Unusable | None]:
    """For each sample of a finished unit None, or why it cannot be used."""
    path = work.path(unit)
    if work.has_clips:
        note = path.with_suffix(".json")
        if path.is_file():
            return [None]
        record = json.loads(note.read_text(encoding="utf-8"))
        return [Unusable(record["reason"], record["detail"])]
    with np.load(path, allow_pickle=False) as arrays:
        reasons = arrays["reasons"]
    return [Unusable(str(why), str(detail)) if why else None for why, detail in reasons]


def missing_of(path: Path) -> tuple[str, str]:
    """The missing codes of a clip's file for face and voice, "" where they are there."""
    with np.load(path, allow_pickle=False) as arrays:
        codes = arrays["missing"]
    face, voice = (str(codes[number]) for number in range(len(MODALITIES)))
    return face, voice


def shapes_of(work: Work, units: Sequence[Unit]) -> list[tuple[int, ...]]:
    """The shape of every picture or sound of all units, in order."""
    shapes: list[tuple[int, ...]] = []
    for unit in units:
        with np.load(work.path(unit), allow_pickle=False) as arrays:
            shapes += [tuple(int(side) for side in row if side) for row in arrays["shapes"]]
    return shapes


def merge(path: Path, work: Work, units: Sequence[Unit], shape: tuple[int, ...]) -> None:
    """Write the values of all units end to end as one array, a unit in memory at a time.

    Raises:
        OutputError: it cannot be written.
    """
    dtype = np.dtype(np.int16 if work.corpus.content == "speech" else np.uint8)
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    # written as a stream: a full disk is an error there, but kills whoever writes a memory map
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for unit in units:
            with np.load(work.path(unit), allow_pickle=False) as arrays:
                values = arrays["values"]
            if len(values):
                stream.write(values.astype(dtype, copy=False).tobytes())


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # it takes allow_pickle, too


def _key(samples: tuple[Sample, ...]) -> str:
    """A name that changes with the samples and the length of their files."""
    digest = hashlib.sha256()
    for sample in samples:
        path = sample.path
        length = path.stat().st_size if path.is_file() else sum(1 for _ in path.iterdir())
        digest.update(f"{sample.id}\0{length}\0".encode())
    return digest.hexdigest()[:20]
