"""Preparing what is no video clip: pictures, face crops, folders of faces, speech."""

import shutil

import numpy as np
import pytest
from PIL import Image

from facevoice.datasets import CORPORA
from facevoice.samples import SAMPLE
from facevoice.scores.table import read_score_table
from facevoice.train.prepare import gather, parts
from facevoice.train.prepare.run import prepare
from facevoice.train.prepare.selection import Choices
from support.media_files import steady, tone, write_media
from support.miniatures import ferplus
from support.small_corpora import (
    MANIFEST,
    Interrupted,
    add_row,
    contents,
    corpus_of_clips,
    pictures,
)


def test_face_images_are_packed_and_a_bad_one_is_listed(tmp_path, monkeypatch):
    root = pictures(tmp_path / "corpus")
    (root / "train/happy/bad.png").write_bytes(b"no picture")
    monkeypatch.setattr(parts, "_UNIT_SIZES", {"face_images": 2})
    prepared = prepare(CORPORA["fer2013"], root, tmp_path / "out")
    assert len(prepared.ids) == 5
    assert prepared.meta["dropped"] == {"picture cannot be decoded": 1}
    assert not (tmp_path / "out/parts").exists()
    for row, identity in enumerate(prepared.ids):
        with Image.open(root / identity) as image:
            (stored,), place = prepared.pictures(row, 16)
            np.testing.assert_array_equal(stored[..., 0], np.asarray(image))
            np.testing.assert_array_equal(stored[..., 1], np.asarray(image))
            assert place == (2.0, 2.0, 252.0, 252.0)


def test_face_images_go_on_after_an_interruption(tmp_path, monkeypatch):
    root = pictures(tmp_path / "corpus")
    monkeypatch.setattr(parts, "_UNIT_SIZES", {"face_images": 2})
    whole = prepare(CORPORA["fer2013"], root, tmp_path / "whole")
    true, seen = gather.picture_of, []

    def interrupted(sample, *rest):
        if len(seen) == 3:
            raise Interrupted
        seen.append(sample.id)
        return true(sample, *rest)

    monkeypatch.setattr(parts, "picture_of", interrupted)
    with pytest.raises(Interrupted):
        prepare(CORPORA["fer2013"], root, tmp_path / "out")
    seen.clear()
    prepare(CORPORA["fer2013"], root, tmp_path / "out")
    assert len(seen) == 3, "the first unit of two is not read again"
    assert contents(tmp_path / "out") == contents(whole.folder)


def test_votes_of_raters_become_soft_labels(tmp_path):
    root = tmp_path / "corpus"
    ferplus(root)
    output = tmp_path / "out"
    prepare(CORPORA["fer2013"], root, output)
    votes = read_score_table(output / "votes.npz")
    assert votes.ids.tolist() == ["train/angry/a.jpg", "train/happy/b.png", "test/sad/a.jpg"]
    assert votes.splits.tolist() == ["train", "train", "test"]
    np.testing.assert_allclose(votes.scores[0, 0], [0.6, 0, 0, 0, 0.4, 0, 0])
    np.testing.assert_allclose(votes.scores[1, 0], [0, 0, 0, 5 / 6, 0, 0, 1 / 6])
    table = root / "ferplus.csv"
    table.write_text(table.read_text().replace(".png,0,0,0,5", ".png,0,0,0,9"))
    again = prepare(CORPORA["fer2013"], root, output, Choices(labels=("happy", "angry", "sad")))
    votes = read_score_table(again.folder / "votes.npz")
    np.testing.assert_allclose(votes.scores[:, 0], [[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_pictures_of_any_shape_give_their_middle_square(tmp_path):
    root = pictures(tmp_path / "corpus")
    wide = np.tile(np.arange(60, dtype=np.uint8), (40, 1))
    Image.fromarray(wide).save(root / "train/happy/wide.png")
    Image.new("L", (600, 700)).save(root / "train/happy/large.png")
    prepared = prepare(CORPORA["fer2013"], root, tmp_path / "out")
    stored = {name: prepared.pictures(row, 1)[0][0] for row, name in enumerate(prepared.ids)}
    np.testing.assert_array_equal(stored["train/happy/wide.png"][..., 0], wide[:, 10:50])
    assert stored["train/happy/large.png"].shape == (256, 256, 3)
    assert all(evidence.faces is not None for _, evidence in prepared.evidences())


def test_a_photograph_is_searched_for_its_face_and_aligned(tmp_path):
    from skimage import data

    for split in ("train", "val"):
        folder = tmp_path / "corpus" / split / "1"
        folder.mkdir(parents=True)
        crop = np.asarray(data.astronaut())[: 300 if split == "train" else 310]
        Image.fromarray(crop).save(folder / "a.png")
        Image.new("RGB", (99, 99), (split == "train" and "red") or "blue").save(folder / "none.png")
    prepared = prepare(CORPORA["affectnet"], tmp_path / "corpus", tmp_path / "out")
    assert len(prepared.ids) == 2
    assert prepared.meta["dropped"] == {"no face found": 2}
    ((_, evidence), _) = prepared.evidences()
    assert evidence.faces is not None
    np.testing.assert_array_equal(evidence.faces.images, prepared.pictures(0, 1)[0])
    assert 0.9 < evidence.faces.quality[0] <= 1
    assert np.isfinite(evidence.faces.landmarks).all()
    left, top, right, bottom = evidence.faces.boxes[0]
    assert 100 < left < right < 300
    assert 0 < top < bottom < 300


def test_speech_is_packed_and_comes_back_as_evidence(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 2)
    write_media(root / "tone.wav", sound=tone(1.0, 16_000))
    add_row(root, "tone.wav")
    prepared = prepare(MANIFEST, root, tmp_path / "out", Choices(content="speech"))
    assert prepared.meta["dropped"] == {"speech: no_speech": 1}
    first, second = (prepared.speech(row).samples for row in range(2))
    np.testing.assert_array_equal(first, second)
    evidence = dict(prepared.evidences())[1]
    assert evidence.faces is None
    assert evidence.speech is not None
    np.testing.assert_array_equal(evidence.speech.samples, second)


def test_face_crops_are_the_face_and_nothing_is_detected(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "_reader", None)
    root = corpus_of_clips(tmp_path / "corpus", 1)
    write_media(root / "crop.mkv", times=steady(25), size=(64, 64))
    add_row(root, "crop.mkv")
    prepared = prepare(MANIFEST, root, tmp_path / "out", Choices(content="face_crops"))
    with_sound, without = (evidence for _, evidence in prepared.evidences())
    assert with_sound.speech is not None
    assert without.faces is not None
    assert len(without.faces) == 16
    assert without.faces.boxes[0].tolist() == [0, 0, 64, 64]
    assert dict(without.missing) == {"voice": "no_audio_stream"}


def test_a_folder_of_faces_takes_the_sound_of_its_video(tmp_path):
    root = tmp_path / "corpus"
    (root / "Train_AFEW/Angry").mkdir(parents=True)
    shutil.copy(SAMPLE, root / "Train_AFEW/Angry/000046280.avi")
    for split, clip in (("Train", "000046280"), ("Val", "000149120")):
        suffix = "" if split == "Train" else "_Val"
        folder = root / f"{split}_AFEW/AlignedFaces_LBPTOP_Points{suffix}/Faces/Sad/{clip}"
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (128, 128), (number, 0, len(split))).save(folder / f"{number}.jpg")
    prepared = prepare(CORPORA["afew-faces"], root, tmp_path / "out")
    heard, silent = (evidence for _, evidence in prepared.evidences())
    assert heard.speech is not None
    assert silent.speech is None
    assert heard.faces is not None
    assert len(heard.faces) == 4
    assert heard.faces.seconds == pytest.approx(heard.stop_seconds - heard.start_seconds)
