"""Several prepared folders of one content and one label set, trained on as one."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.train.prepare.folder import Prepared
from facevoice.types import Float32Array, Waveform


class TrainingData(Protocol):
    """What training reads: one prepared folder, or several joined."""

    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def content(self) -> str: ...  # noqa: D102
    @property
    def ids(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def splits(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def groups(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def y(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def meta(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    def images(self) -> NDArray[np.uint8]: ...  # noqa: D102
    def speech(self) -> list[Float32Array]: ...  # noqa: D102
    def speeches(self) -> list[Waveform | None]: ...  # noqa: D102
    def has_face(self) -> NDArray[np.bool_]: ...  # noqa: D102
    def faces(  # noqa: D102
        self, row: int, most: int, rng: np.random.Generator | None = None
    ) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, slots=True)
class Joined:
    """Prepared folders one after another; ids are told apart by the corpus's name."""

    parts: tuple[Prepared, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set of all parts."""
        return self.parts[0].labels

    @property
    def content(self) -> str:
        """What all parts hold."""
        return self.parts[0].content

    @property
    def ids(self) -> tuple[str, ...]:
        """corpus/id of each sample."""
        return tuple(f"{part.meta['corpus']}/{name}" for part in self.parts for name in part.ids)

    @property
    def splits(self) -> tuple[str, ...]:
        """The split of each sample."""
        return tuple(split for part in self.parts for split in part.splits)

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each sample, as its corpus names it."""
        return tuple(group for part in self.parts for group in part.groups)

    @property
    def y(self) -> NDArray[np.int64]:
        """(N,) label indices."""
        return np.concatenate([part.y for part in self.parts])

    @property
    def meta(self) -> dict[str, Any]:
        """Names, licences, citations and counts of all corpora."""
        joined = {
            key: "; ".join(str(part.meta[key]) for part in self.parts)
            for key in ("corpus", "licence", "citation")
        }
        return joined | {
            "count": len(self.ids),
            "labels": list(self.labels),
            "read_as": self.parts[0].meta.get("read_as"),
            "leaks": [leak for part in self.parts for leak in part.leaks],
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the parts' fingerprints."""
        return hashlib.sha256("".join(part.fingerprint for part in self.parts).encode()).hexdigest()

    def images(self) -> NDArray[np.uint8]:
        """All pictures, copied into memory."""
        return np.concatenate([part.images() for part in self.parts])

    def speech(self) -> list[Float32Array]:
        """All speech."""
        return [samples for part in self.parts for samples in part.speech()]

    def speeches(self) -> list[Waveform | None]:
        """All waveforms, None where a clip has no speech."""
        return [waveform for part in self.parts for waveform in part.speeches()]

    def has_face(self) -> NDArray[np.bool_]:
        """(N,) whether a sample shows a face."""
        return np.concatenate([part.has_face() for part in self.parts])

    def faces(
        self, row: int, most: int, rng: np.random.Generator | None = None
    ) -> NDArray[np.uint8]:
        """Faces of a clip, see ``Prepared.faces``."""
        for part in self.parts:
            if row < len(part.ids):
                return part.faces(row, most, rng)
            row -= len(part.ids)
        raise DatasetError(f"there are {len(self.ids)} samples, no sample {row + len(self.ids)}")


def join(parts: Sequence[Prepared]) -> TrainingData:
    """One or several prepared folders as one.

    Raises:
        DatasetError: the contents or label sets differ.
    """
    if len(parts) == 1:
        return parts[0]
    for part in parts[1:]:
        if _kind(part) != _kind(parts[0]):
            raise DatasetError(
                f"{part.folder} ({part.content}: {', '.join(part.labels)}) cannot be joined with"
                f" {parts[0].folder} ({parts[0].content}: {', '.join(parts[0].labels)})"
            )
    return Joined(tuple(parts))


def _kind(part: Prepared) -> tuple[str, bool, tuple[str, ...]]:
    """Content, whether pictures come aligned, labels."""
    return part.content, part.meta.get("read_as") == "pictures", part.labels
