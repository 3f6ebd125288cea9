"""EMO-DB: ten German actors speaking ten sentences in seven emotions (Burkhardt et al. 2005).

Names are e.g. 03a01Fa: two digits for the speaker, three characters for the text, a letter for the
emotion (of its German name), a letter for the version.
"""

import re
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import SOUND_SUFFIXES

_LAYOUT: Final = "wav/SSTTTEV.wav|flac, at any depth (SS: speaker, E: emotion's letter)"
_NAME: Final = re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[AEFLNTW])[a-z]?")
_CODES: Final = {
    "A": "fear",  # Angst
    "E": "disgust",  # Ekel
    "F": "happy",  # Freude
    "L": "boredom",  # Langeweile
    "N": "neutral",
    "T": "sad",  # Trauer
    "W": "angry",  # Wut
}


def gather(root: Path, gathering: Gathering) -> None:
    """The recordings under root; boredom is dropped. The group is the speaker (ED03 ...)."""
    for path in files_below(root, SOUND_SUFFIXES):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            gathering.drop(path, "not an EMO-DB file name")
        else:
            label, group = _CODES[match["emotion"]], f"ED{match['speaker']}"
            gathering.keep(Sample(path.stem, path, label, "train", group))


CORPUS: Final = Corpus(
    name="emodb",
    title="EMO-DB, the Berlin database of emotional speech",
    content="speech",
    labels=EMOTIONS,
    layout=_LAYOUT,
    mapping="letters W E A F N T -> angry disgust fear happy neutral sad; boredom (L) dropped",
    splits="none: leave speakers out",
    groups="speaker (ED03 ... ED16)",
    licence="free for research",
    citation="F. Burkhardt et al., A Database of German Emotional Speech, INTERSPEECH 2005",
    obtain="emodb.bilderbar.info",
    gather=gather,
)
