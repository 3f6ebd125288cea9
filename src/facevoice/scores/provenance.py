"""Where a figure comes from: which clips, scores and versions."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from facevoice.scores.table import ScoreTable

_DIGEST_LETTERS = 16


def fingerprint(table: ScoreTable) -> str:
    """sha256 of everything that a table holds; the order of clips and branches counts."""
    hasher = hashlib.sha256()
    for name in ("ids", "branches", "labels", "truth", "groups", "splits", "missing"):
        text = "\x1f".join(str(value) for value in getattr(table, name))
        hasher.update(f"{name}\x1e{text}\x1e".encode())
    hasher.update(np.ascontiguousarray(table.scores, "<f8").tobytes())
    return hasher.hexdigest()


def clip_digests(table: ScoreTable, branches: Sequence[str]) -> tuple[str, ...]:
    """A digest of each clip's scores, by which a clip is recognised under another name.

    branches: which scores to look at, in order. A clip on which none of them has scores gets "".
    """
    chosen = table.select(branches)
    rows = np.ascontiguousarray(chosen.scores, "<f8")
    return tuple(
        hashlib.sha256(row.tobytes()).hexdigest()[:_DIGEST_LETTERS] if answered else ""
        for row, answered in zip(rows, chosen.answered, strict=True)
    )


def groups_known(table: ScoreTable) -> bool:
    """Whether the table says which clips belong to one speaker or film."""
    return bool((table.groups != table.ids).any())


def versions() -> dict[str, str]:
    """The versions of what the figures were computed with."""
    return {
        "facevoice": version("facevoice"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }
