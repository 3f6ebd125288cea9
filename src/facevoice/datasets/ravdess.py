"""RAVDESS: 24 actors speaking two sentences in eight emotions (Livingstone and Russo 2018).

Names are MM-VV-EE-II-SS-RR-AA: modality (01 picture and sound, 02 picture only, 03 sound only),
channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import SOUND_SUFFIXES, VIDEO_SUFFIXES

_NAME: Final = re.compile(
    r"0(?P<modality>[123])-(?P<channel>0[12])-(?P<emotion>0[1-8])-\d\d-\d\d-\d\d-(?P<actor>\d\d)"
)
_CODES: Final = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}


def gather(root: Path, gathering: Gathering, suffixes: frozenset[str], prefix: str = "") -> None:
    """The recordings under root; songs and the label calm are dropped.

    A picture-only video whose twin has sound is dropped. The group is the actor (RAV01 ... RAV24),
    the same in every form of the corpus. There is no official split: all are "train".
    """
    paths = files_below(root, suffixes)
    stems = {path.stem for path in paths}
    for path in paths:
        match = _NAME.fullmatch(path.stem.removeprefix(prefix))
        if match is None or not path.stem.startswith(prefix):
            gathering.drop(path, "not a RAVDESS file name")
        elif match["channel"] == "02":
            gathering.drop(path, "song")
        elif (
            _CODES[match["emotion"]] in EMOTIONS
            and match["modality"] == "2"
            and "01" + path.stem[2:] in stems
        ):
            gathering.drop(path, "picture-only copy of a recording with sound")
        else:
            label, group = _CODES[match["emotion"]], f"RAV{match['actor']}"
            gathering.keep(Sample(path.stem, path, label, "train", group))


VIDEO: Final = Corpus(
    name="ravdess",
    title="RAVDESS video",
    content="clips",
    labels=EMOTIONS,
    layout=(
        "MM-VV-EE-II-SS-RR-AA.mp4, at any depth (MM 01: picture and sound, 02: picture; AA: actor)"
    ),
    mapping="fearful, surprised -> fear, surprise; calm and songs dropped",
    splits="none: leave actors out",
    groups="actor (RAV01 ... RAV24)",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "S. R. Livingstone and F. A. Russo, The Ryerson Audio-Visual Database of Emotional"
        " Speech and Song (RAVDESS), PLoS ONE 13(5), 2018"
    ),
    obtain="zenodo.org/records/1188976",
    gather=partial(gather, suffixes=VIDEO_SUFFIXES),
)
SPEECH: Final = replace(
    VIDEO,
    name="ravdess-speech",
    title="RAVDESS speech (sound only)",
    content="speech",
    layout="MM-VV-EE-II-SS-RR-AA.wav|flac, at any depth (MM 03: sound; AA: actor)",
    gather=partial(gather, suffixes=SOUND_SUFFIXES),
)
CROPS: Final = replace(
    VIDEO,
    name="ravdess-facecrops",
    title="RAVDESS video cut to the face",
    content="face_crops",
    layout="facecrop_MM-VV-EE-II-SS-RR-AA.mp4, at any depth",
    obtain="zenodo.org/records/1188976 (cut it yourself)",
    gather=partial(gather, suffixes=VIDEO_SUFFIXES, prefix="facecrop_"),
)
