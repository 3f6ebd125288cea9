"""FER2013: 48x48 grey face pictures from the web, seven emotions (Goodfellow et al. 2013)."""

from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Found, nothing_found, require_folder
from facevoice.types import EMOTIONS, Sample

_LAYOUT: Final = "train/<emotion>/*.jpg|png and test/<emotion>/*.jpg|png"
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
_SYNONYMS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def find(root: Path) -> Found:
    """The pictures under root, the official public and private test sets together as "test".

    Each picture is its own group: the corpus does not say who is shown.
    """
    require_folder(root, "fer2013", _LAYOUT)
    samples = []
    dropped: dict[str, int] = {}
    for split in ("train", "test"):
        for path in sorted((root / split).glob("*/*")):
            name = path.parent.name.lower()
            label = _SYNONYMS.get(name, name)
            if path.suffix.lower() not in _SUFFIXES or label not in EMOTIONS:
                reason = f"folder {path.parent.name}, suffix {path.suffix}"
                dropped[reason] = dropped.get(reason, 0) + 1
                continue
            identity = f"{split}/{label}/{path.name}"
            samples.append(Sample(identity, path, label, split, group=identity))
    if not samples:
        raise nothing_found(root, "fer2013", _LAYOUT)
    return Found(tuple(samples), dropped)


CORPUS: Final = Corpus(
    name="fer2013",
    title="FER2013 face pictures",
    content="face_images",
    labels=EMOTIONS,
    layout=_LAYOUT,
    licence="no formal licence; published for the ICML 2013 challenge, for research",
    citation=(
        "I. J. Goodfellow et al., Challenges in Representation Learning: A report on three machine"
        " learning contests, ICONIP 2013"
    ),
    obtain="search for the data set 'FER-2013'; folder form of 28,709 + 7,178 pictures",
    find=find,
)
