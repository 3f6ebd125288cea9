"""The speech of prepared folders, of clips without their pictures."""

import csv
import json

import numpy as np
import pytest

from facevoice.errors import DatasetError
from facevoice.train.fit.joined import join
from facevoice.train.prepare import clip_file as clipfile
from facevoice.train.prepare.clip_file import pack_clip, read_clip, read_clip_speech
from facevoice.train.prepare.folder import FORMAT, open_prepared
from support.evidence_factory import make_evidence


def clips(folder, evidences):
    """A prepared folder of clips, written by hand."""
    (folder / "clips").mkdir(parents=True)
    columns = ["id", "label", "split", "group", "source", "file", "missing_face", "missing_voice"]
    rows = []
    for number, evidence in enumerate(evidences):
        file = f"clips/{number}.npz"
        np.savez(folder / file, **pack_clip(evidence))
        rows.append([str(number), "happy", "train", f"s{number}", "", file, "", ""])
    with (folder / "samples.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    meta = {
        "format": FORMAT, "content": "clips", "labels": ["happy"], "corpus": folder.name,
        "licence": "none", "citation": "none", "count": len(rows), "rate_hz": 16000,
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(meta))
    return open_prepared(folder)


@pytest.fixture
def prepared(tmp_path):
    whole = make_evidence(seed=1, start_seconds=0.5)
    return clips(tmp_path / "corpus", [whole, make_evidence(speech_seconds=0)])


def test_speech_of_clips_is_read_without_their_pictures(prepared, monkeypatch):
    expected = read_clip(prepared.folder / prepared.files[0]).speech
    monkeypatch.setattr(clipfile, "_pictures", lambda *_: pytest.fail("pictures were read"))
    heard, none = prepared.speeches()
    np.testing.assert_array_equal(heard.samples, expected.samples)
    assert (heard.rate_hz, heard.start_seconds) == (16000, 0.5)
    assert none is None


def test_joined_folders_give_their_speech_in_order(prepared, tmp_path):
    other = clips(tmp_path / "other", [make_evidence(seed=2)])
    joined = join([prepared, other]).speeches()
    assert [item is None for item in joined] == [False, True, False]
    np.testing.assert_array_equal(joined[2].samples, other.speeches()[0].samples)


def test_packed_speech_becomes_waveforms(tmp_path):
    folder = tmp_path / "speech"
    folder.mkdir()
    np.save(folder / "speech.npy", np.array([0, 32767, -32767], np.int16))
    np.save(folder / "offsets.npy", np.array([0, 2, 3]))
    (folder / "samples.csv").write_text(
        "id,label,split,group\na,happy,train,s\nb,happy,train,s\n", encoding="utf-8"
    )
    meta = {"format": FORMAT, "content": "speech", "labels": ["happy"], "rate_hz": 16000}
    (folder / "prepared.json").write_text(json.dumps(meta))
    first, second = open_prepared(folder).speeches()
    assert first.samples.tolist() == [0.0, 1.0]
    assert second.samples.tolist() == [-1.0]
    assert second.rate_hz == 16000


def test_pictures_hold_no_speech(tmp_path):
    (tmp_path / "samples.csv").write_text("id,label,split,group\na,happy,train,s\n")
    meta = {"format": FORMAT, "content": "face_images", "labels": ["happy"]}
    (tmp_path / "prepared.json").write_text(json.dumps(meta))
    with pytest.raises(DatasetError, match="holds face_images, no speech"):
        open_prepared(tmp_path).speeches()


def test_a_damaged_clip_is_named(prepared):
    path = prepared.folder / prepared.files[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"0\.npz cannot be read"):
        read_clip_speech(path)
    with pytest.raises(DatasetError, match=r"0\.npz cannot be read"):
        prepared.speeches()
