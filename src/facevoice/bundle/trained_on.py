"""Which samples a bundle's networks were trained on, so that it is not measured on them.

A bundle keeps an 8-byte key (``scores.table.keys``) of every sample that its networks or weights
were fitted on, not the names themselves. Score tables carry the keys of their clips as text, and
for each clip whether it taught the bundle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.scores.table.keys import Keys, are_among, keys_of_digests
from facevoice.writing import replacing

TRAINED_ON: Final = "trained_on.npy"
"""The file's name, in a run folder and in a bundle."""

VALIDATED_ON: Final = "validated_on.npy"
"""Of those, the samples that no weight was fitted to: they chose when training stopped, set a
temperature, or chose how branches are fused. Absent if there are none.
"""

PARTLY: Final = "trained_on_partly"
"""True in a card whose keys are not of all that taught the bundle: other samples may have, too."""


_NONE: Final[Keys] = np.zeros(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What taught a run or a bundle.

    learnt: (N,) keys of the samples that weights were fitted to.
    validated: (M,) keys of further ones, see ``VALIDATED_ON``.
    """

    learnt: Keys
    validated: Keys = field(default_factory=lambda: _NONE)

    @property
    def every(self) -> Keys:
        """All keys, sorted, each once."""
        return np.union1d(self.learnt, self.validated)

    def __add__(self, other: "Lessons") -> "Lessons":
        learnt = np.union1d(self.learnt, other.learnt)
        return Lessons(learnt, np.setdiff1d(np.union1d(self.every, other.every), learnt))


def lessons_of(keys: tuple[Keys, Keys], rows: NDArray[np.int64]) -> Lessons:
    """What some samples of a prepared folder teach; keys: of all its samples, see its ``keys``."""
    names, contents = (each[rows] for each in keys)
    return Lessons(np.union1d(names, contents[contents != 0]))


def write_lessons(folder: Path, lessons: Lessons) -> None:
    """Write the keys of what taught a run or a bundle into its folder.

    Raises:
        OutputError: they cannot be written.
    """
    validated = np.setdiff1d(lessons.validated, lessons.learnt)
    for name, keys in ((TRAINED_ON, lessons.every), (VALIDATED_ON, validated)):
        if name == TRAINED_ON or len(keys):
            with replacing(folder / name) as temporary, temporary.open("wb") as stream:
                np.save(stream, keys)
        else:
            (folder / name).unlink(missing_ok=True)


def read_lessons(folder: Path) -> Lessons | None:
    """What taught a run or a bundle; None if that was not recorded.

    Raises:
        BundleError: a file is damaged.
    """
    every = _read_keys(folder / TRAINED_ON)
    if every is None:
        return None
    validated = _read_keys(folder / VALIDATED_ON)
    if validated is None:
        return Lessons(every)
    return Lessons(np.setdiff1d(every, validated), validated)


def _read_keys(path: Path) -> Keys | None:
    if not path.is_file():
        return None
    try:
        keys: Keys = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    if keys.dtype != np.uint64 or keys.ndim != 1:
        raise BundleError(f"{path} must hold (N,) uint64, it holds {keys.shape} {keys.dtype}")
    return keys


def known(
    folder: Path,
    card: Mapping[str, Any],
    ids: Sequence[str],
    labels: Sequence[str],
    paths: Sequence[Path] = (),
    digests: Sequence[str] = (),
) -> NDArray[np.str_]:
    """(N,) whether each sample taught a bundle: a word of ``scores.table.TAUGHT``.

    paths: of the samples, N or none: a file is also looked up under the name it really has; what
        is no file (the folder of prepared samples) does not name them.
    digests: of the samples' contents, N or none.

    Raises:
        BundleError: the bundle's file of keys is damaged.
    """
    lessons = read_lessons(folder) if TRAINED_ON in card["files"] else None
    if lessons is None:
        return np.full(len(ids), "", np.str_)
    contents = keys_of_digests(digests)
    pairs = zip(ids, paths, strict=True) if len(paths) else ()
    files = [str(path.resolve()) if path.is_file() else name for name, path in pairs]
    places = [ids, files] if files else [ids]

    def among(keys: Keys) -> NDArray[np.bool_]:
        found = [are_among(each, labels, keys) for each in places]
        if contents.size:
            found.append((contents != 0) & np.isin(contents, keys))
        return np.asarray(np.any(found, axis=0))

    others = "" if card.get(PARTLY, False) else "no"
    validated = np.where(among(lessons.validated), "validation", others)
    return np.where(among(lessons.learnt), "yes", validated)
