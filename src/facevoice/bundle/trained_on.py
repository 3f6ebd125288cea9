"""Which samples a bundle's networks were trained on, so that it is not measured on them.

A bundle keeps an 8-byte key of every sample that any of its numbers was fitted on, not the names
themselves. A key is made of the file's name without folder and suffix and of the label, so that a
sample is recognised in any folder and after conversion to any format.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.writing import replacing

TRAINED_ON: Final = "trained_on.npy"
"""The file's name, in a run folder and in a bundle."""

Keys = NDArray[np.uint64]


def keys_of(ids: Sequence[str], labels: Sequence[str]) -> Keys:
    """(N,) uint64, a key for each sample; ids: names or paths, with or without a suffix."""
    keys = np.zeros(len(ids), np.uint64)
    for row, (name, label) in enumerate(zip(ids, labels, strict=True)):
        last = name.replace("\\", "/").rsplit("/", 1)[-1]
        stem = last.rsplit(".", 1)[0] if "." in last else last
        digest = hashlib.sha256(f"{stem}\0{label}".encode()).digest()
        keys[row] = int.from_bytes(digest[:8], "big")
    return keys


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
    folder: Path, card: Mapping[str, Any], ids: Sequence[str], labels: Sequence[str]
) -> NDArray[np.bool_]:
    """(N,) whether a bundle's networks were trained on each sample; False if none is recorded.

    Raises:
        BundleError: the bundle's file of keys is damaged.
    """
    keys = read_keys(folder) if TRAINED_ON in card["files"] else None
    if keys is None:
        return np.zeros(len(ids), bool)
    return np.isin(keys_of(ids, labels), keys)
