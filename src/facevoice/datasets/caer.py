"""CAER: clips of TV shows in seven emotions (Lee et al. 2019).

Not verified: that the numbers of the clips identify the show. A clip is therefore its own group.
"""

from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below
from facevoice.datasets.names import emotion_of
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import VIDEO_SUFFIXES

_LAYOUT: Final = "train/<Emotion>/*.avi, validation/<Emotion>/*.avi and test/<Emotion>/*.avi"
_FOLDERS: Final = {"train": "train", "val": "validation", "test": "test"}


def gather(root: Path, gathering: Gathering) -> None:
    """The clips under root."""
    for split, folder in _FOLDERS.items():
        for path in files_below(root / folder, VIDEO_SUFFIXES, "*/*"):
            name = path.parent.name
            identity = f"{split}/{name}/{path.stem}"
            sample = Sample(identity, path, emotion_of(name), split, group=identity)
            gathering.keep(sample, f"folder {name} is not an emotion")


CORPUS: Final = Corpus(
    name="caer",
    title="CAER clips of TV shows",
    content="clips",
    labels=EMOTIONS,
    layout=_LAYOUT,
    mapping="Anger -> angry; the others have the same names",
    splits="train, val (validation) and test",
    groups="",
    licence="for non-commercial research only",
    citation="J. Lee et al., Context-Aware Emotion Recognition Networks, ICCV 2019",
    obtain="caer-dataset.github.io",
    gather=gather,
)
