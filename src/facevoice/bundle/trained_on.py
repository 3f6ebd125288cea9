"""Which samples a bundle's networks were trained on, so that it is not measured on them.

A bundle keeps an 8-byte key (``scores.table.keys``) of every sample that its networks or weights
were fitted on, not the names themselves. Score tables carry the keys of their clips as text, and
for each clip whether it taught the bundle.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.scores.table.keys import Keys, are_among
from facevoice.writing import replacing

TRAINED_ON: Final = "trained_on.npy"
"""The file's name, in a run folder and in a bundle."""

PARTLY: Final = "trained_on_partly"
"""True in a card whose keys are not of all that taught the bundle: other samples may have, too."""


def write_keys(folder: Path, parts: Iterable[Keys]) -> None:
    """Write the keys of all parts to a folder, each once.

    Raises:
        OutputError: they cannot be written.
    """
    joined = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
    with replacing(folder / TRAINED_ON) as temporary, temporary.open("wb") as stream:
        np.save(stream, joined)


def read_keys(folder: Path) -> Keys | None:
    """The keys in a run folder or bundle, sorted; None if they were not recorded.

    Raises:
        BundleError: the file is damaged.
    """
    path = folder / TRAINED_ON
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
) -> NDArray[np.str_]:
    """(N,) "yes" or "no": whether each sample taught a bundle; "" where the bundle does not say.

    paths: of the samples, N or none: a file is also looked up under the name it really has.

    Raises:
        BundleError: the bundle's file of keys is damaged.
    """
    keys = read_keys(folder) if TRAINED_ON in card["files"] else None
    if keys is None:
        return np.full(len(ids), "", np.str_)
    others = "" if card.get(PARTLY, False) else "no"
    found = are_among(ids, labels, keys)
    if len(paths):
        found |= are_among([str(path.resolve()) for path in paths], labels, keys)
    return np.where(found, "yes", others)
