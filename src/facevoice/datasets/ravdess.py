"""RAVDESS: 24 actors speaking two sentences in eight emotions (Livingstone and Russo 2018)."""

import re
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Found, nothing_found, require_folder
from facevoice.types import EMOTIONS, Sample

_LAYOUT: Final = "MM-VV-EE-II-SS-RR-AA.wav|flac, at any depth (MM 03: sound; AA: actor)"
_NAME: Final = re.compile(
    r"0[123]-(?P<channel>01|02)-(?P<emotion>0[1-8])-\d\d-\d\d-\d\d-(?P<actor>\d\d)"
)
_EMOTION_CODES: Final = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_SOUND_SUFFIXES: Final = frozenset({".wav", ".flac"})


def find_speech(root: Path) -> Found:
    """The speech recordings under root; songs and the label calm are dropped and counted.

    The group is the actor (RAV01 ... RAV24). There is no official split: all are "train".
    """
    require_folder(root, "ravdess-speech", _LAYOUT)
    samples = []
    dropped: dict[str, int] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in _SOUND_SUFFIXES:
            continue
        match = _NAME.fullmatch(path.stem)
        reason = ""
        if match is None:
            reason = "name is not RAVDESS's"
        elif match["channel"] == "02":
            reason = "song"
        elif _EMOTION_CODES[match["emotion"]] not in EMOTIONS:
            reason = f"label {_EMOTION_CODES[match['emotion']]}"
        if match is None or reason:
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        label = _EMOTION_CODES[match["emotion"]]
        samples.append(Sample(path.stem, path, label, "train", group=f"RAV{match['actor']}"))
    if not samples:
        raise nothing_found(root, "ravdess-speech", _LAYOUT)
    return Found(tuple(samples), dropped)


SPEECH: Final = Corpus(
    name="ravdess-speech",
    title="RAVDESS speech (sound only)",
    content="speech",
    labels=EMOTIONS,
    layout=_LAYOUT,
    licence="CC BY-NC-SA 4.0",
    citation=(
        "S. R. Livingstone and F. A. Russo, The Ryerson Audio-Visual Database of Emotional Speech"
        " and Song (RAVDESS), PLoS ONE 13(5), 2018"
    ),
    obtain="zenodo.org/records/1188976",
    find=find_speech,
)
