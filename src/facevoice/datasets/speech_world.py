"""Emotional speech of four smaller corpora in one folder, each in a language of its own.

``labels.csv`` names file, emotion, speaker, language and a note. Each language is a corpus of its
own in training and in figures. The German clips are those of EMO-DB that incomplete copies of it
lack: they carry EMO-DB's name and its speakers' names, so that nobody stands on both sides of a
split.
"""

from pathlib import Path
from typing import Final

from facevoice.datasets import emodb
from facevoice.datasets.corpus import Corpus, Gathering, table_rows
from facevoice.types import EMOTIONS, Sample

_TABLE: Final = "labels.csv"
_COLUMNS: Final = ("file", "emotion", "speaker", "language", "note")
_CORPORA: Final = {"de": emodb.CORPUS.name}  # other languages give their corpus its name


def gather(root: Path, gathering: Gathering) -> None:
    """The files that the table names; the group is the speaker, the corpus the language."""
    table = root / _TABLE
    for row in table_rows(table, _COLUMNS) if table.is_file() else ():
        path = root / row["file"]
        if not path.is_file():
            gathering.drop(path, "file of the table is absent")
            continue
        language = row["language"]
        gathering.keep(
            Sample(
                row["file"], path, row["emotion"], "train", row["speaker"],
                corpus=_CORPORA.get(language, language), note=row["note"],
            )
        )  # fmt: skip


CORPUS: Final = Corpus(
    name="speech-world",
    title="speech in Polish (nEMO), Amharic (ASED), Korean, and the rest of EMO-DB",
    content="speech",
    labels=EMOTIONS,
    layout=f"{_TABLE} with the columns {', '.join(_COLUMNS)}, and the files that it names",
    mapping="the same seven emotions; each language lacks some",
    splits="none: leave speakers or corpora out",
    groups="speaker",
    licence=(
        "nEMO and the Korean part: CC BY-NC-SA 4.0; ASED: none stated, offered for research;"
        " EMO-DB: free for research"
    ),
    licences={
        "pl": "CC BY-NC-SA 4.0 (nEMO)",
        "ko": "CC BY-NC-SA 4.0",
        "am": "none stated, offered for research (ASED)",
        emodb.CORPUS.name: emodb.CORPUS.licence,
    },
    citation=(
        "I. Christop, nEMO: Dataset of Emotional Speech in Polish, LREC-COLING 2024; E. A. Retta et"
        " al., A New Amharic Speech Emotion Dataset and Classification Benchmark, ACM TALLIP 22(1),"
        " 2023"
    ),
    obtain="nEMO: huggingface.co/datasets/amu-cai/nEMO; ASED: github.com/Ethio2021/ASED_V1",
    gather=gather,
)
