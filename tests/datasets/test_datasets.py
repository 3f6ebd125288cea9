"""Every adapter on miniatures of its corpus in the true layout, and on the real data at hand."""

import pickle
import shutil
from collections import Counter

import numpy as np
import pytest

from facevoice.datasets import CONTENTS, CORPORA, check_split, find_leaks, leaking_ids
from facevoice.datasets.affectnet import BoxedSample
from facevoice.datasets.names import label_set
from facevoice.datasets.tables import layouts, overview
from facevoice.errors import DatasetError
from facevoice.types import EMOTIONS, Sample
from support.miniatures import (
    MINIATURES,
    affectnet,
    emodb,
    fer2013,
    fer2013_rows,
    picture,
    speech_world,
    table,
    touch,
)
from support.places import DOCS

CASES = [
    pytest.param(name, maker, id=f"{name}-{number}")
    for name, makers in MINIATURES.items()
    for number, maker in enumerate(makers)
]


def test_every_corpus_has_a_miniature():
    assert set(MINIATURES) == set(CORPORA)


@pytest.mark.parametrize(("name", "maker"), CASES)
def test_an_adapter_finds_what_is_there(name, maker, tmp_path):
    expected = maker(tmp_path)
    corpus = CORPORA[name]
    found = corpus.find(tmp_path)
    assert {item.id: (item.label, item.split, item.group) for item in found.samples} == (
        expected.samples
    )
    assert found.reasons == expected.dropped
    assert len(found.samples) == len(expected.samples)
    assert (found.labels or corpus.labels) == expected.labels
    assert all(sample.path.exists() for sample in found.samples)
    assert all(sample.label in expected.labels for sample in found.samples)
    assert {sample.split for sample in found.samples} <= {"train", "val", "test"}
    assert corpus.find(tmp_path) == found, "the same order each time"
    assert find_leaks(found.samples) == ()


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)
def test_a_corpus_states_its_facts(corpus):
    assert CORPORA[corpus.name] is corpus
    assert corpus.content in CONTENTS
    assert corpus.labels in {EMOTIONS, ()}
    for fact in ("title", "layout", "mapping", "splits", "licence", "citation", "obtain"):
        assert getattr(corpus, fact).strip(), fact
    pickle.loads(pickle.dumps(corpus))  # noqa: S301 - worker processes get it so


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)
def test_a_wrong_root_says_what_was_looked_for_and_found(corpus, tmp_path):
    touch(tmp_path, "holiday.txt", "more/notes.doc")
    with pytest.raises(DatasetError) as caught:
        corpus.find(tmp_path)
    message = str(caught.value)
    assert corpus.layout in message
    assert "holiday.txt, more" in message
    with pytest.raises(DatasetError, match="is not a folder"):
        corpus.find(tmp_path / "gone")


def test_a_table_of_other_columns_is_refused(tmp_path):
    for name, file in (
        ("manifest", "labels.csv"),
        ("fer2013", "fer2013.csv"),
        ("affectnet", "training.csv"),
    ):
        folder = tmp_path / name
        table(folder / file, ("a", "b"), [(1, 2)])
        with pytest.raises(DatasetError, match=file):
            CORPORA[name].find(folder)


def test_a_manifest_with_an_unknown_split_is_refused(tmp_path):
    touch(tmp_path, "a.mp4")
    table(tmp_path / "labels.csv", ("file", "label", "split"), [("a.mp4", "happy", "holdout")])
    with pytest.raises(DatasetError, match=r"line 2.*holdout"):
        CORPORA["manifest"].find(tmp_path)


def test_the_same_recording_twice_is_refused(tmp_path):
    touch(tmp_path, "a/03a01Fa.wav", "b/03a01Fa.flac")
    with pytest.raises(DatasetError, match="occurs 2 times"):
        CORPORA["emodb"].find(tmp_path)


def test_labels_become_the_seven_only_if_all_do():
    assert label_set(["Anger", "joy"]) == {"Anger": "angry", "joy": "happy"}
    assert label_set(["Anger", "calm"]) == {"Anger": "Anger", "calm": "calm"}


@pytest.mark.parametrize("maker", [fer2013_rows, lambda root: fer2013_rows(root, icml=True)])
def test_rows_of_pixels_are_read(maker, tmp_path):
    maker(tmp_path)
    corpus = CORPORA["fer2013"]
    samples = corpus.find(tmp_path).samples
    pixels = [corpus.read(sample) for sample in samples]
    wanted = np.random.default_rng(0).integers(0, 256, 48 * 48).reshape(48, 48)
    np.testing.assert_array_equal(pixels[0], wanted)
    assert {picture.shape for picture in pixels} == {(48, 48)}


def test_affectnet_looks_about_the_face_that_the_table_names(tmp_path):
    affectnet(tmp_path)
    corpus = CORPORA["affectnet"]
    first, *_, last = corpus.find(tmp_path).samples
    assert isinstance(first, BoxedSample)
    assert first.box == (10, 12, 40, 42)
    assert corpus.read(first).shape == (50, 50, 3)  # 30 wide, 35 % more on either side, less 0.5
    assert corpus.read(last).shape == (64, 64, 3)  # a row without a box: the whole picture


# --- leaks ---


def samples_of(*rows: tuple[str, str, str], root) -> list[Sample]:
    made = []
    for name, split, group in rows:
        touch(root, name)
        made.append(Sample(name, root / name, "happy", split, group))
    return made


def test_a_group_on_both_sides_is_refused(tmp_path):
    rows = (("a", "train", "ann"), ("b", "test", "ann"), ("c", "test", "cy"))
    samples = samples_of(*rows, root=tmp_path)
    with pytest.raises(DatasetError, match=r"leaks 1 time,.*group ann in test and train"):
        check_split(samples)
    (leak,) = check_split(samples, allow=True)
    assert (leak.kind, leak.ids) == ("group", ("a", "b"))
    assert leaking_ids(samples, [leak]) == {"a"}


def test_the_same_bytes_on_both_sides_are_refused(tmp_path):
    rows = (("a", "train", "1"), ("b", "val", "2"), ("c", "train", "3"))
    samples = samples_of(*rows, root=tmp_path)
    assert check_split(samples) == ()
    shutil.copy(tmp_path / "a", tmp_path / "b")
    with pytest.raises(DatasetError, match="content a in train and val"):
        check_split(samples)
    assert leaking_ids(samples, find_leaks(samples)) == {"a"}


def test_the_same_bytes_on_one_side_are_no_leak(tmp_path):
    samples = samples_of(("a", "train", "1"), ("b", "train", "2"), root=tmp_path)
    shutil.copy(tmp_path / "a", tmp_path / "b")
    assert check_split(samples) == ()


def test_repeated_rows_of_pixels_leak(tmp_path):
    fer2013_rows(tmp_path)
    path = tmp_path / "fer2013.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1].replace("Training", "PrivateTest")]) + "\n")
    (leak,) = find_leaks(CORPORA["fer2013"].find(tmp_path).samples)
    assert leak.ids == ("train/00001", "test/00006")


def test_fer2013_as_a_copy_of_a_picture_leaks(tmp_path):
    fer2013(tmp_path)
    picture(tmp_path, "test/happy/copy.png", seed=1)  # as train/happy/b.png
    (leak,) = find_leaks(CORPORA["fer2013"].find(tmp_path).samples)
    assert leak.splits == ("test", "train")


# --- real data ---


@pytest.mark.parametrize(
    ("name", "folder", "count", "groups", "dropped"),
    [
        ("ravdess-speech", "ravdess_speech", 1248, 24, {"label calm": 192}),
        ("emodb", "emodb", 353, 10, {"label boredom": 9}),
        ("ravdess-facecrops", "ravdess_av", 52, 1, {"not a RAVDESS file name": 2}),
        ("manifest", "javanese_av", 144, 6, {}),
    ],
)
def test_real_corpora_load(data_folder, name, folder, count, groups, dropped):
    found = CORPORA[name].find(data_folder / folder)
    assert len(found.samples) == count
    assert len({sample.group for sample in found.samples}) == groups
    assert found.reasons == dropped
    if folder == "javanese_av":
        assert set(Counter(item.label for item in found.samples).values()) == {24}
        assert found.labels == EMOTIONS


def test_the_documentation_knows_every_corpus():
    """Its tables are those that the corpora's constants make."""
    text = (DOCS / "datasets.md").read_text(encoding="utf-8")
    for made in (overview(CORPORA.values()), layouts(CORPORA.values())):
        assert made.count("\n") == len(CORPORA) - 3  # two lines of head, one row for DFEW's folds
        for row in made.splitlines():
            assert row in text
    for corpus in CORPORA.values():
        assert corpus.citation == "none" or f"- {corpus.citation}\n" in text


def test_a_folder_of_several_corpora_says_which_sample_is_whose(tmp_path):
    """The rest of EMO-DB belongs to EMO-DB, by name and by speaker."""
    speech_world(tmp_path / "a")
    found = {item.id: item for item in CORPORA["speech-world"].find(tmp_path / "a").samples}
    assert {name: item.corpus for name, item in found.items()} == {
        "pl_1.opus": "pl", "am_1.opus": "am", "de_1.opus": CORPORA["emodb"].name,
    }  # fmt: skip
    assert found["am_1.opus"].note == "emotion_specific_sentence"
    assert {item.corpus for item in found.values()} <= set(CORPORA["speech-world"].licences)
    emodb(tmp_path / "b")
    assert {item.group for item in CORPORA["emodb"].find(tmp_path / "b").samples} == {"ED03"}
    touch(tmp_path / "c", "a.mp4", "b.mp4")
    rows = [("a.mp4", "happy", "mine", "noisy"), ("b.mp4", "sad", "", "")]
    table(tmp_path / "c/labels.csv", ("file", "label", "corpus", "note"), rows)
    first, second = CORPORA["manifest"].find(tmp_path / "c").samples
    assert (first.corpus, first.note) == ("mine", "noisy")
    assert (second.corpus, second.note) == ("", "")
