"""AFEW, the corpus of the paper: clips of films and TV series (Dhall et al. 2012, EmotiW).

``afew`` reads the videos; ``afew-faces`` the aligned faces that come with them, with the sound of
the videos if these are there too. The test set of the challenge has no labels.

Not verified (the corpus is given on request only): that file names identify the film. A clip is
therefore its own group. The organisers split the corpus by film. The places of the aligned faces
are those that published readers of the corpus use.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below
from facevoice.datasets.names import emotion_of
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES

_VIDEO_LAYOUT: Final = (
    "Train_AFEW/<Emotion>/*.avi, Val_AFEW/<Emotion>/*.avi and optionally Test_AFEW/*.avi"
)
_FACE_LAYOUT: Final = (
    "Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/<clip>/*.jpg and"
    " Val_AFEW/AlignedFaces_LBPTOP_Points_Val/Faces/<clip>/*.jpg (or .../<Emotion>/<clip>/*.jpg),"
    " beside <Emotion>/<clip>.avi, which give the labels and the sound"
)
_FOLDERS: Final = {"train": "Train_AFEW", "val": "Val_AFEW", "test": "Test_AFEW"}
UNLABELLED: Final = "no label (test set of the challenge)"


@dataclass(frozen=True, slots=True)
class FaceFolder(Sample):
    """A clip as a folder of aligned faces (``path``); sound: the file that holds its sound."""

    sound: Path | None


def gather_video(root: Path, gathering: Gathering) -> None:
    """The clips under root; those of the test set have no label and are dropped."""
    for split, folder in _FOLDERS.items():
        for path in files_below(root / folder, VIDEO_SUFFIXES):
            name, identity = path.parent.name, f"{split}/{path.stem}"
            sample = Sample(identity, path, emotion_of(name), split, group=identity)
            reason = UNLABELLED if split == "test" else f"folder {name} is not an emotion"
            gathering.keep(sample, reason)


def gather_faces(root: Path, gathering: Gathering) -> None:
    """The folders of aligned faces under root."""
    for split, name in _FOLDERS.items():
        videos = {path.stem: path for path in files_below(root / name, VIDEO_SUFFIXES)}
        pictures = files_below(root / name, PICTURE_SUFFIXES, "AlignedFaces*/**/*")
        for folder in sorted({path.parent for path in pictures}):
            video = videos.get(folder.name)
            label = emotion_of(folder.parent.name)
            if label is None and video is not None:
                label = emotion_of(video.parent.name)
            identity = f"{split}/{folder.name}"
            sample = FaceFolder(identity, folder, label, split, identity, video)
            reason = UNLABELLED if split == "test" else "no <Emotion>/<clip>.avi gives the label"
            gathering.keep(sample, reason)


VIDEO: Final = Corpus(
    name="afew",
    title="AFEW clips of films",
    content="clips",
    labels=EMOTIONS,
    layout=_VIDEO_LAYOUT,
    mapping="the same seven emotions; the unlabelled test set is dropped",
    splits="train and val (773 and 383 clips)",
    groups="",
    licence="on request, for academic research only",
    citation=(
        "A. Dhall et al., Collecting Large, Richly Annotated Facial-Expression Databases from"
        " Movies, IEEE MultiMedia 19(3), 2012"
    ),
    obtain="by agreement with the organisers of EmotiW: sites.google.com/view/emotiw2020",
    gather=gather_video,
)
FACES: Final = replace(
    VIDEO,
    name="afew-faces",
    title="AFEW, the aligned faces that come with it",
    content="face_folders",
    layout=_FACE_LAYOUT,
    gather=gather_faces,
)
