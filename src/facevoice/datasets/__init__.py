"""Corpora: one module each turns a folder in its published layout into samples.

``CORPORA`` maps the name that the command line takes to the corpus.
"""

from typing import Final

from facevoice.datasets import (
    afew,
    affectnet,
    caer,
    crema_d,
    dfew,
    emodb,
    fer2013,
    ferplus,
    labels,
    meld,
    ravdess,
    speech_world,
)
from facevoice.datasets.corpus import CONTENTS, Content, Corpus, Dropped, Found
from facevoice.datasets.labels import read_labels
from facevoice.datasets.leaks import Leak, check_split, find_leaks, leaking_ids

CORPORA: Final[dict[str, Corpus]] = {
    corpus.name: corpus
    for corpus in (
        afew.VIDEO,
        afew.FACES,
        affectnet.CORPUS,
        fer2013.CORPUS,
        ferplus.CORPUS,
        ravdess.VIDEO,
        ravdess.SPEECH,
        ravdess.CROPS,
        crema_d.VIDEO,
        crema_d.SPEECH,
        emodb.CORPUS,
        speech_world.CORPUS,
        meld.CORPUS,
        *dfew.CORPORA,
        caer.CORPUS,
        labels.MANIFEST,
        labels.FOLDERS,
    )
}

__all__ = [
    "CONTENTS",
    "CORPORA",
    "Content",
    "Corpus",
    "Dropped",
    "Found",
    "Leak",
    "check_split",
    "find_leaks",
    "leaking_ids",
    "read_labels",
]
