"""RAVDESS: 24 actors speaking two sentences in eight emotions (Livingstone and Russo 2018).

Names are MM-VV-EE-II-SS-RR-AA: modality (01 picture and sound, 02 picture only, 03 sound only),
channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import (
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    Content,
    Corpus,
    Found,
    Gathering,
    files_below,
)
from facevoice.types import EMOTIONS, Sample

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
_CROP_PREFIX: Final = "facecrop_"


def _gather(
    root: Path, corpus: str, layout: str, suffixes: Iterable[str], prefix: str = ""
) -> Found:
    """The recordings under root; songs and the label calm are dropped.

    The group is the actor (RAV01 ... RAV24), the same in every form of the corpus. There is no
    official split: all are "train".
    """
    gathering = Gathering(corpus, root, layout)
    paths = files_below(root, suffixes)
    stems = {path.stem for path in paths}
    for path in paths:
        match = _NAME.fullmatch(path.stem.removeprefix(prefix))
        if match is None or not path.stem.startswith(prefix):
            gathering.drop(path, "name is not RAVDESS's")
        elif match["channel"] == "02":
            gathering.drop(path, "song")
        elif _CODES[match["emotion"]] not in EMOTIONS:
            gathering.drop(path, f"label {_CODES[match['emotion']]}")
        elif match["modality"] == "2" and "01" + path.stem[2:] in stems:
            gathering.drop(path, "picture-only copy of a recording with sound")
        else:
            label, group = _CODES[match["emotion"]], f"RAV{match['actor']}"
            gathering.keep(Sample(path.stem, path, label, "train", group))
    return gathering.found()


_SPEECH_LAYOUT: Final = "MM-VV-EE-II-SS-RR-AA.wav|flac, at any depth (MM 03: sound; AA: actor)"
_VIDEO_LAYOUT: Final = (
    "MM-VV-EE-II-SS-RR-AA.mp4, at any depth (MM 01: picture and sound, 02: picture; AA: actor)"
)
_CROP_LAYOUT: Final = "facecrop_MM-VV-EE-II-SS-RR-AA.mp4, at any depth"


def find_speech(root: Path) -> Found:
    """The speech recordings under root."""
    return _gather(root, "ravdess-speech", _SPEECH_LAYOUT, SOUND_SUFFIXES)


def find_video(root: Path) -> Found:
    """The videos of speech; a picture-only video whose twin has sound is dropped."""
    return _gather(root, "ravdess", _VIDEO_LAYOUT, VIDEO_SUFFIXES)


def find_crops(root: Path) -> Found:
    """Videos that were cut to the face beforehand."""
    return _gather(root, "ravdess-facecrops", _CROP_LAYOUT, VIDEO_SUFFIXES, _CROP_PREFIX)


def _corpus(name: str, title: str, content: Content, layout: str) -> Corpus:
    return Corpus(
        name=name,
        title=title,
        content=content,
        labels=EMOTIONS,
        layout=layout,
        mapping="fearful, surprised -> fear, surprise; calm and songs dropped",
        splits="none: leave actors out",
        groups="actor (RAV01 ... RAV24)",
        licence="CC BY-NC-SA 4.0",
        citation=(
            "S. R. Livingstone and F. A. Russo, The Ryerson Audio-Visual Database of Emotional"
            " Speech and Song (RAVDESS), PLoS ONE 13(5), 2018"
        ),
        obtain="zenodo.org/records/1188976"
        + (" (cut it yourself)" if content == "face_crops" else ""),
        find={"speech": find_speech, "clips": find_video, "face_crops": find_crops}[content],
    )


VIDEO: Final = _corpus("ravdess", "RAVDESS video", "clips", _VIDEO_LAYOUT)
SPEECH: Final = _corpus("ravdess-speech", "RAVDESS speech (sound only)", "speech", _SPEECH_LAYOUT)
CROPS: Final = _corpus(
    "ravdess-facecrops", "RAVDESS video cut to the face", "face_crops", _CROP_LAYOUT
)
