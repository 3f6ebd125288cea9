"""CREMA-D: 91 actors speaking twelve sentences in six emotions (Cao et al. 2014).

Names are <actor>_<sentence>_<emotion>_<intensity>, e.g. 1001_DFA_ANG_XX.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import SOUND_SUFFIXES, VIDEO_SUFFIXES

_NAME: Final = re.compile(r"(?P<actor>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}")
_CODES: Final = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_VIDEO_LAYOUT: Final = "VideoFlash/<actor>_<sentence>_<emotion>_<intensity>.flv (any depth; or mp4)"
_SPEECH_LAYOUT: Final = "AudioWAV/<actor>_<sentence>_<emotion>_<intensity>.wav (any depth)"


def gather(root: Path, gathering: Gathering, suffixes: frozenset[str]) -> None:
    """The group is the actor (CREMA1001 ... CREMA1091); there is no official split."""
    for path in files_below(root, suffixes):
        match = _NAME.fullmatch(path.stem)
        if match is None or match["emotion"] not in _CODES:
            gathering.drop(path, "not a CREMA-D file name")
            continue
        label, group = _CODES[match["emotion"]], f"CREMA{match['actor']}"
        gathering.keep(Sample(path.stem, path, label, "train", group))


VIDEO: Final = Corpus(
    name="crema-d",
    title="CREMA-D video",
    content="clips",
    labels=EMOTIONS,
    layout=_VIDEO_LAYOUT,
    mapping="six of the seven; there is no surprise",
    splits="none: leave actors out",
    groups="actor (CREMA1001 ... CREMA1091)",
    licence="Open Database License 1.0",
    citation=(
        "H. Cao et al., CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset, IEEE"
        " Transactions on Affective Computing 5(4), 2014"
    ),
    obtain="github.com/CheyneyComputerScience/CREMA-D (git lfs)",
    gather=partial(gather, suffixes=VIDEO_SUFFIXES),
)
SPEECH: Final = replace(
    VIDEO,
    name="crema-d-speech",
    title="CREMA-D speech (sound only)",
    content="speech",
    layout=_SPEECH_LAYOUT,
    gather=partial(gather, suffixes=SOUND_SUFFIXES),
)
