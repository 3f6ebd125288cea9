"""MELD: utterances of the TV series Friends in seven emotions (Poria et al. 2019)."""

from pathlib import Path
from typing import Final

from facevoice.datasets.corpus import Corpus, Gathering, table_rows
from facevoice.datasets.names import emotion_of
from facevoice.types import EMOTIONS, Sample
from facevoice.types.suffixes import VIDEO_SUFFIXES

_LAYOUT: Final = (
    "train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv and the folders train_splits,"
    " dev_splits_complete, output_repeated_splits_test with dia<D>_utt<U>.mp4, each at any depth"
)
_PARTS: Final = {
    "train": ("train_sent_emo.csv", "train_splits"),
    "val": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}


def gather(root: Path, gathering: Gathering) -> None:
    """The utterances that the tables name; the group is the dialogue.

    The same six friends talk in every split: MELD does not show how well unseen people are
    recognised.
    """
    for split, (table_name, folder_name) in _PARTS.items():
        table = next(iter(sorted(root.rglob(table_name))), None)
        folder = next((item for item in sorted(root.rglob(folder_name)) if item.is_dir()), None)
        if table is None or folder is None:
            continue
        videos = {
            path.stem: path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES
        }
        for row in table_rows(table, ("Dialogue_ID", "Utterance_ID", "Emotion")):
            name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            if name not in videos:
                gathering.drop(folder / f"{name}.mp4", "file of the table is absent")
                continue
            label = emotion_of(row["Emotion"]) or row["Emotion"]
            group = f"{split}/dia{row['Dialogue_ID']}"
            gathering.keep(Sample(f"{split}/{name}", videos[name], label, split, group))


CORPUS: Final = Corpus(
    name="meld",
    title="MELD, utterances of the TV series Friends",
    content="clips",
    labels=EMOTIONS,
    layout=_LAYOUT,
    mapping="anger, joy, sadness -> angry, happy, sad; the others have the same names",
    splits="train, val (dev) and test",
    groups="dialogue (the same actors speak in all splits)",
    licence="annotations GPL-3.0; the pictures and sound belong to the makers of the series",
    citation=(
        "S. Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in"
        " Conversations, ACL 2019"
    ),
    obtain="affective-meld.github.io",
    gather=gather,
)
