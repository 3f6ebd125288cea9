"""The pieces of a preparation, each in a file of its own, so that nothing finished is redone.

A unit is a clip, or some dozens of pictures or sounds. Its file ``parts/<key>.npz`` is named after
what went into it and appears when it is complete. It holds the arrays of ``packed`` for its
samples, and ``reasons``: why others cannot be used. Finished parts are merged into the folder's
arrays.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.datasets import Corpus
from facevoice.train.prepare.gather import Reading, Unusable, evidence_of, picture_of
from facevoice.train.prepare.packed import ARRAYS, Arrays, pack, pack_picture, together
from facevoice.train.prepare.store import Store
from facevoice.types import Sample
from facevoice.writing import replacing

PARTS: Final = "parts"
_UNIT_SIZES: Final = {"pictures": 16, "face_images": 256, "speech": 16}  # else one clip


@dataclass(frozen=True, slots=True)
class Unit:
    """Some samples that are prepared together; key: names them and the bytes they came with."""

    key: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What is done to each unit."""

    corpus: Corpus
    output: Path
    reading: Reading

    def units(self, samples: Sequence[Sample]) -> list[Unit]:
        """Cut the samples into units, in order."""
        size = _UNIT_SIZES.get(self.corpus.content, 1)
        pieces = [tuple(samples[at : at + size]) for at in range(0, len(samples), size)]
        return [Unit(_key(piece), piece) for piece in pieces]

    def path(self, unit: Unit) -> Path:
        """The file of a unit."""
        return self.output / PARTS / f"{unit.key}.npz"

    def __call__(self, unit: Unit) -> None:
        """Prepare a unit and write its file.

        Raises:
            OutputError: the file cannot be written.
        """
        found = [self._packed(sample) for sample in unit.samples]
        reasons = [
            (each.reason, each.detail) if isinstance(each, Unusable) else ("", "") for each in found
        ]
        arrays = together([each for each in found if not isinstance(each, Unusable)])
        arrays["samples"]["unit"] = unit.key.encode()
        _save(self.path(unit), arrays | {"reasons": np.array(reasons)})

    def _packed(self, sample: Sample) -> Arrays | Unusable:
        if self.corpus.content == "face_images":
            picture = picture_of(sample, self.corpus)
            return (
                picture
                if isinstance(picture, Unusable)
                else pack_picture(picture, self.corpus.face_box)
            )
        evidence = evidence_of(sample, self.corpus, self.reading)
        return evidence if isinstance(evidence, Unusable) else pack(evidence)

    def outcomes(self, unit: Unit) -> list[Unusable | tuple[str, ...]]:
        """For each sample of a finished unit its missing codes, or why it cannot be used."""
        with np.load(self.path(unit), allow_pickle=False) as arrays:
            reasons, codes = arrays["reasons"].tolist(), iter(arrays["samples"]["missing"].tolist())
        return [Unusable(*reason) if reason[0] else tuple(next(codes)) for reason in reasons]

    def take_over(self, units: Sequence[Unit]) -> None:
        """Write the parts that a finished folder holds: files that have not changed since."""
        store = Store(self.output)
        keys, firsts, counts = np.unique(
            store.samples["unit"], return_index=True, return_counts=True
        )
        held = {key.decode(): (at, n) for key, at, n in zip(keys, firsts, counts, strict=True)}
        for unit in units:
            first, count = held.get(unit.key, (0, 0))
            if count == len(unit.samples) and not self.path(unit).is_file():
                arrays = store.arrays(first, first + count)
                _save(self.path(unit), arrays | {"reasons": np.array([("", "")] * count)})


def merge(work: Work, units: Sequence[Unit]) -> None:
    """Write the arrays of all units end to end, with one unit in memory at a time.

    Raises:
        OutputError: they cannot be written.
    """
    with ExitStack() as stack:
        # written as streams: a full disk is an error there, but kills whoever writes a memory map
        streams = {name: _stream(work.output / f"{name}.npy", stack) for name in ARRAYS}
        counts = dict.fromkeys(ARRAYS, 0)
        for unit in units:
            with np.load(work.path(unit), allow_pickle=False) as arrays:
                for name, stream in streams.items():
                    array = arrays[name]
                    stream.write(array.tobytes())
                    counts[name] += len(array)
        for name, stream in streams.items():
            stream.seek(0)
            _write_header(stream, name, counts[name])


def _stream(path: Path, stack: ExitStack) -> BinaryIO:
    stream = stack.enter_context(stack.enter_context(replacing(path)).open("wb"))
    _write_header(stream, path.stem, 0)
    return stream


def _write_header(stream: BinaryIO, name: str, count: int) -> None:
    """The header of a .npy file; numpy leaves room in it for any count."""
    descr = np.lib.format.dtype_to_descr(ARRAYS[name])
    header = {"descr": descr, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(stream, header)


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
