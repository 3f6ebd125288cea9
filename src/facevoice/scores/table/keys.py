"""Keys of clips: by them a clip is known again in another folder, format or table.

A key is made of the file's name without folder and suffix, and of the label. Where several clips of
one corpus share both (``ann/01.mp4`` and ``bob/01.mp4``, both happy), as many folders as tell them
apart belong to the name. A clip is looked up under its name with no folder, with one, and so on;
and by its content, where that is known, which finds copies under other names and labels.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError

Keys = NDArray[np.uint64]

_MOST_FOLDERS: Final = 4


def keys_of(names: Sequence[str], labels: Sequence[str]) -> Keys:
    """(N,) uint64, the key of each clip without any folder; names: ids or paths."""
    pairs = zip(names, labels, strict=True)
    return np.array([_key(next(_tails(name)), label) for name, label in pairs], np.uint64)


def distinct_keys(names: Sequence[str], labels: Sequence[str]) -> Keys:
    """(N,) uint64, keys with the fewest folders that tell apart all clips of one corpus."""
    tails = [list(_tails(name)) for name in names]
    found = np.zeros(len(tails), np.uint64)
    waiting = list(range(len(tails)))
    for depth in range(_MOST_FOLDERS + 1):
        pairs = [(each[min(depth, len(each) - 1)], label) for each, label in
                 zip(tails, labels, strict=True)]  # fmt: skip
        counts = Counter(pairs)
        last = depth == _MOST_FOLDERS
        for row in waiting:
            if counts[pairs[row]] == 1 or last:
                found[row] = _key(*pairs[row])
        waiting = [row for row in waiting if counts[pairs[row]] > 1]
    return found


def deepest(texts: Sequence[str], name: str, label: str) -> str:
    """Of keys that one clip has in several tables, as texts, the one with the most folders.

    How many it has depends on the other clips beside it. One made without the label counts as
    having fewer than all with it. "" if one of them is not the clip's.
    """
    pairs = [(tail, each) for each in ("", label) for tail in _tails(name)]
    own = as_texts(np.array([_key(*pair) for pair in pairs], np.uint64)).tolist()
    return max(texts, key=own.index) if set(texts) <= set(own) else ""


def keys_of_digests(digests: Sequence[str]) -> Keys:
    """(N,) uint64, keys by content, see ``types.Sample.digest``; 0 where there is none."""
    return np.array([int(digest or "0", 16) for digest in digests], np.uint64)


def are_among(names: Sequence[str], labels: Sequence[str], keys: Keys) -> NDArray[np.bool_]:
    """(N,) whether each clip has one of the keys, with however many folders."""
    known = frozenset(keys.tolist())
    pairs = zip(names, labels, strict=True)
    found = [any(_key(tail, label) in known for tail in _tails(name)) for name, label in pairs]
    return np.array(found, bool)


def as_texts(keys: Keys) -> NDArray[np.str_]:
    """(N,) keys as tables and weights carry them: hexadecimal, after a letter.

    Without the letter, readers of tables take some of them for numbers.
    """
    return np.array([f"k{key:016x}" for key in keys.tolist()], np.str_)


def from_texts(texts: Iterable[str]) -> Keys:
    """The keys behind such texts; "" (unknown) is left out.

    Raises:
        InvalidInputError: one is not a key.
    """
    try:
        return np.array([int(text[1:], 16) for text in texts if text], np.uint64)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"a clip's key is damaged: {error}") from error


def _tails(name: str) -> Iterator[str]:
    """The name without suffix: alone, then below its folder, and so on."""
    parts = [part for part in name.replace("\\", "/").split("/") if part] or [""]
    stem = parts[-1].rsplit(".", 1)[0] if "." in parts[-1] else parts[-1]
    for count in range(min(len(parts), _MOST_FOLDERS + 1)):
        folders = parts[len(parts) - 1 - count : -1]
        yield "/".join([*folders, stem])


def _key(tail: str, label: str) -> int:
    digest = hashlib.sha256(f"{tail}\0{label}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
