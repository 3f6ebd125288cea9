"""What labels and splits are called elsewhere: the one table of synonyms."""

from collections.abc import Iterable, Sequence
from typing import Final

from facevoice.types import EMOTIONS

SYNONYMS: Final = {
    "afraid": "fear",
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
"""Other names of the seven emotions, in lower case."""

SPLITS: Final = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "development": "val",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
"""Names of the splits, in lower case. In a triple of train, dev and eval the last is the test."""


def emotion_of(name: str) -> str | None:
    """The one of the seven emotions that a corpus calls ``name``, None if it is none of them."""
    return meanings([name], EMOTIONS).get(name)


def meanings(names: Iterable[str], labels: Sequence[str]) -> dict[str, str]:
    """Names as written -> the labels that they mean; names that mean none are left out.

    A name means the label of just that spelling, or else a label that differs from it only in case
    or by ``SYNONYMS``.
    """
    plain = {_plain(label): label for label in reversed(labels)}
    found = {name: name if name in labels else plain.get(_plain(name)) for name in names}
    return {name: label for name, label in found.items() if label is not None}


def label_set(names: Sequence[str]) -> dict[str, str]:
    """Names as a corpus writes them -> labels.

    If every name means one of the seven emotions they are these; else the names stay as they are.
    """
    emotions = meanings(names, EMOTIONS)
    return emotions if emotions.keys() == set(names) else {name: name for name in names}


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The label set of a corpus of its own: the seven if all are among them, else sorted."""
    present = set(labels)
    return EMOTIONS if present <= set(EMOTIONS) else tuple(sorted(present))


def _plain(name: str) -> str:
    lower = name.strip().lower()
    return SYNONYMS.get(lower, lower)
