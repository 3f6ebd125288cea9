"""DFEW: clips of films in seven emotions, five folds (Jiang et al. 2020).

Not verified (the corpus is given on request only): the folder of the videos. They are found by
their number anywhere under the root. The tables' places and codes are those of published readers.
"""

from functools import partial
from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, files_below, table_rows
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import VIDEO_SUFFIXES

FOLDS: Final = (1, 2, 3, 4, 5)
_LAYOUT: Final = (
    "EmoLabel_DataSplit/train(single-labeled)/set_{fold}.csv and"
    " EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv with the columns video_name, label,"
    " and the videos <number>.mp4, each at any depth"
)
_CODES: Final = {
    "1": "happy",
    "2": "sad",
    "3": "neutral",
    "4": "angry",
    "5": "surprise",
    "6": "disgust",
    "7": "fear",
}


def gather(root: Path, gathering: Gathering, fold: int) -> None:
    """The clips that one fold's tables name; the corpus does not name the film."""
    videos = {_number(path.stem): path for path in files_below(root, VIDEO_SUFFIXES)}
    for split in ("train", "test"):
        pattern = f"{split}(single-labeled)/set_{fold}.csv"
        table = next(iter(sorted(root.rglob(pattern))), None)
        if table is None:
            continue
        for row in table_rows(table, ("video_name", "label")):
            name, code = row["video_name"].strip(), row["label"].strip()
            number = _number(name)
            if number in videos:
                label = _CODES.get(code, f"code {code}")
                gathering.keep(Sample(number, videos[number], label, split, group=number))
            else:
                gathering.drop(root / f"{name}.mp4", "file of the table is absent")


def _number(name: str) -> str:
    """Names come with and without leading zeros and suffix."""
    return Path(name).stem.lstrip("0") or "0"


def _corpus(fold: int) -> Corpus:
    return Corpus(
        name="dfew" if fold == 1 else f"dfew-fold{fold}",
        title=f"DFEW clips of films, fold {fold} of {len(FOLDS)}",
        content="clips",
        labels=EMOTIONS,
        layout=_LAYOUT.format(fold=fold),
        mapping="1 to 7 -> happy sad neutral angry surprise disgust fear; clips with several labels"
        " are not in the tables",
        splits=f"train and test of fold {fold}",
        groups="",
        licence="on request, for academic research only",
        citation=(
            "X. Jiang et al., DFEW: A Large-Scale Database for Recognizing Dynamic Facial"
            " Expressions in the Wild, ACM Multimedia 2020"
        ),
        obtain="by agreement: dfew-dataset.github.io",
        gather=partial(gather, fold=fold),
    )


CORPORA: Final = tuple(_corpus(fold) for fold in FOLDS)
