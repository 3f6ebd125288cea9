"""FER2013 with labels by majority of FER+'s raters (Barsoum et al. 2016): see ``ferplus_votes``."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from facevoice.datasets import fer2013
from facevoice.datasets.corpus import Corpus, Gathering
from facevoice.datasets.ferplus_votes import NAMED_COLUMNS, PUBLISHED, votes
from facevoice.types import EMOTIONS

_CLEAR: Final = 5
"""A picture's label is clear where more of the ten raters than this agree."""


def gather(root: Path, gathering: Gathering) -> None:
    """FER2013's pictures under the label that most raters agree on, where it is clear."""
    counts = votes(root)
    if not counts:
        gathering.drop(root, "no votes beside the pictures")
        return
    pictures = fer2013.CORPUS.find(root)
    for item in pictures.dropped:
        gathering.drop(item.path, item.reason)
    for sample in pictures.samples:
        found = counts.get(sample.id)
        if found is None or found.max() <= _CLEAR:
            gathering.drop(sample.path, "no clear majority")
        else:
            gathering.keep(replace(sample, label=EMOTIONS[int(found.argmax())]))


CORPUS: Final = Corpus(
    name="ferplus",
    title="FER2013 face pictures, labels of FER+",
    content="face_images",
    labels=EMOTIONS,
    layout=(
        "FER2013 (see fer2013) with ferplus.csv or ferplus.csv.gz (columns"
        f" {', '.join(NAMED_COLUMNS)}) or, beside fer2013.csv, {PUBLISHED} as published"
    ),
    mapping=f"the emotion that more than {_CLEAR} of 10 raters saw; others are dropped",
    splits=fer2013.CORPUS.splits,
    groups="",
    licence=f"votes: MIT; pictures: {fer2013.PICTURES_LICENCE}",
    citation=(
        "E. Barsoum et al., Training Deep Networks for Facial Expression Recognition with"
        " Crowd-Sourced Label Distribution, ICMI 2016"
    ),
    obtain="votes: github.com/microsoft/FERPlus; pictures: see fer2013",
    gather=gather,
    read=fer2013.read,
    face_box=fer2013.CORPUS.face_box,
    votes=votes,
)
