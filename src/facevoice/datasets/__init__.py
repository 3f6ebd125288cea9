"""Corpora: one module each turns a folder in its published layout into samples.

``CORPORA`` maps the name that the command line takes to the corpus.
"""

from typing import Final

from facevoice.datasets import fer2013, ravdess
from facevoice.datasets.corpus import Corpus

CORPORA: Final[dict[str, Corpus]] = {
    corpus.name: corpus for corpus in (fer2013.CORPUS, ravdess.SPEECH)
}

__all__ = ["CORPORA", "Corpus"]
