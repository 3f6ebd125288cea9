"""The one reader of labels: tables and folders as people write them, and what it says of them."""

from pathlib import Path

import pytest

from facevoice.datasets import CORPORA, Found, read_labels
from facevoice.datasets.corpus import GROUPS_UNKNOWN
from facevoice.datasets.names import meanings
from facevoice.errors import DatasetError
from facevoice.media import find_media
from facevoice.types import EMOTIONS
from facevoice.types.suffixes import MEDIA_SUFFIXES
from support.miniatures import touch


def facts(found: Found) -> list[tuple[str, str | None, str, str]]:
    return [(item.id, item.label, item.split, item.group) for item in found.samples]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "header", [("file", "label", "split", "group"), ("Path", " Emotion", "Split", "speaker")]
)
def test_tables_are_read_whatever_their_separator_and_case(
    tmp_path: Path, separator: str, header: tuple[str, ...]
) -> None:
    rows = [header, ("a.mp4", "Joy", "Training", "ann"), ("deep/b.mp4", "sad", "dev", "")]
    path = tmp_path / "labels.csv"
    path.write_text("\r\n".join(separator.join(row) for row in rows), encoding="utf-8-sig")
    found = read_labels(path)
    assert facts(found) == [
        ("a.mp4", "Joy", "train", "ann"),
        ("deep/b.mp4", "sad", "val", "deep/b.mp4"),
    ]
    assert [item.path for item in found.samples] == [tmp_path / "a.mp4", tmp_path / "deep/b.mp4"]
    assert found.renamed == {"split Training -> train": 1, "split dev -> val": 1}
    assert read_labels(tmp_path) == found  # a folder that holds the table


def test_folders_named_by_label_are_read(tmp_path: Path) -> None:
    touch(tmp_path, "Happiness/x.mp4", "Anger/deep/y.wav")
    assert facts(read_labels(tmp_path)) == [
        ("Anger/deep/y.wav", "Anger", "", "Anger/deep/y.wav"),
        ("Happiness/x.mp4", "Happiness", "", "Happiness/x.mp4"),
    ]


def test_spellings_become_the_labels_wanted_and_are_told() -> None:
    assert meanings(["Anger", "HAPPY", "calm"], EMOTIONS) == {"Anger": "angry", "HAPPY": "happy"}
    own = ("Joy", "joy", "Surprised")
    assert meanings(["joy", "happy", "surprise"], own) == {
        "joy": "joy",
        "happy": "Joy",
        "surprise": "Surprised",
    }


def test_what_is_mapped_and_left_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label,split\na,Joy,dev\nb,happy,dev\nc,calm,test\nd,,test\n")
    found = read_labels(path).over(EMOTIONS)
    assert found.reasons == {"label calm": 1, "no label": 1}
    assert list(found.lines()) == [
        "2 files: happy 2; splits: val 2",
        "read as: Joy -> happy 1, split dev -> val 2",
        "left out: 1 with label calm, 1 with no label",
        GROUPS_UNKNOWN,
    ]
    assert found.of_split("dev") == found.of_split("val")
    with pytest.raises(DatasetError, match="no clip in split 'mine'; splits: val"):
        found.of_split("mine")


def test_a_known_group_needs_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label,speaker\na,happy,ann\nb,sad,ann\n")
    assert list(read_labels(path).over(EMOTIONS).lines()) == ["2 files: happy 1, sad 1; 1 group"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,happy\n", r"the columns name, label.*file or path; label or emotion"),
        ("file,label\na,calm\nb,calm\n", r"among angry.*Anger|anger.*found: calm 2"),
        ("file,label\na,happy\na,sad\n", "a occurs 2 times"),
        ("file,label\n,happy\n", "line 2: file ''"),
        ("file,label\na,\n", "line 2 and all later lines lack the label"),
        ("file,label\n", "no row of labels"),
    ],
)
def test_errors_say_what_was_found_and_what_is_accepted(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_labels(path).over(EMOTIONS)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.csv does not exist"):
        read_labels(tmp_path / "gone.csv")
    with pytest.raises(
        DatasetError, match=r"no labelled file under .*manifest\.csv or labels\.csv"
    ):
        read_labels(tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe,happy\n")
    with pytest.raises(DatasetError, match="not a CSV file of labels"):
        read_labels(tmp_path)


def test_prepare_and_evaluate_read_the_same_file_alike(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    path = tmp_path / "labels.csv"
    path.write_text("file;emotion;split\na.mp4;Happiness;training\nb.mp4;Surprised;eval\n")
    prepared, judged = CORPORA["manifest"].find(path), read_labels(path).over(EMOTIONS)
    assert facts(prepared) == facts(judged)
    assert prepared.renamed == judged.renamed
    assert facts(judged)[1] == ("b.mp4", "surprise", "test", "b.mp4")


def test_files_of_other_suffixes_are_counted_and_named(tmp_path):
    for name in ("happy/a.mp4", "happy/b.dav", "sad/c.WMV", "sad/notes.txt", "sad/d", "sad/.e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = read_labels(tmp_path)
    assert [sample.id for sample in found.samples] == ["happy/a.mp4", "sad/c.WMV"]
    assert found.reasons == {"no suffix": 1, "the suffix .dav": 1, "the suffix .txt": 1}
    assert "left out: 1 with no suffix, 1 with the suffix .dav, 1 with the suffix .txt" in [
        *found.lines()
    ]


def test_folders_of_labels_and_of_media_take_the_same_files(tmp_path: Path) -> None:
    touch(tmp_path, *(f"happy/a{suffix}" for suffix in MEDIA_SUFFIXES))
    taken = [sample.path for sample in read_labels(tmp_path).samples]
    assert taken == find_media([tmp_path])
    assert {".gif", ".jfif", ".mp2"} < {path.suffix for path in taken}
