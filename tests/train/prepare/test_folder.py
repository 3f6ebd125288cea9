"""A prepared folder: evidence goes in, the same evidence comes out, and little memory is used."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from facevoice.errors import DatasetError
from facevoice.faces.sample import crop_and_resize
from facevoice.train.prepare import store as store_module
from facevoice.train.prepare.folder import join, open_prepared
from facevoice.train.prepare.packed import WHOLE, pack
from support.evidence_factory import make_evidence
from support.prepared_folders import heard, shown, write_folder


def folder_of(folder, parts):
    rows = [f"{number},happy,train,s{number}" for number in range(len(parts))]
    return write_folder(folder, parts, rows, labels=("happy",))


@pytest.fixture
def prepared(tmp_path):
    whole = make_evidence(seed=1, start_seconds=0.5)
    return folder_of(tmp_path / "corpus", [pack(whole), pack(make_evidence(speech_seconds=0))])


@pytest.mark.parametrize(("faces", "speech"), [(3, 1.0), (0, 0.5), (2, 0.0)])
def test_a_folder_gives_back_its_evidence(tmp_path, faces, speech):
    evidence = make_evidence(faces=faces, speech_seconds=speech, start_seconds=1.5)
    other = make_evidence(seed=3)
    prepared = folder_of(tmp_path / "corpus", [pack(other), pack(evidence), pack(other)])
    again = prepared.evidence(1)
    assert dict(again.missing) == dict(evidence.missing)
    assert repr(again) == repr(evidence)
    assert again.people == evidence.people
    np.testing.assert_array_equal(again.speech_spans, evidence.speech_spans)
    if faces:
        for name in ("times_seconds", "boxes", "quality", "landmarks"):
            kept, given = (getattr(each.faces, name) for each in (again, evidence))
            np.testing.assert_array_equal(kept, given)
        grey = [each.faces.images.mean(axis=3).ravel() for each in (again, evidence)]
        assert np.corrcoef(*grey)[0, 1] > 0.8  # the colours of noise are what JPEG drops
    if speech:
        samples = np.clip(evidence.speech.samples, -1, 1)
        np.testing.assert_allclose(again.speech.samples, samples, atol=2e-5)


def test_landmarks_are_kept(tmp_path):
    evidence = make_evidence(faces=2)
    landmarks = np.arange(20, dtype=np.float32).reshape(2, 5, 2)
    evidence = replace(evidence, faces=replace(evidence.faces, landmarks=landmarks))
    kept = folder_of(tmp_path / "corpus", [pack(evidence)]).evidence(0)
    np.testing.assert_array_equal(kept.faces.landmarks, landmarks)


def test_speech_of_clips_is_read_without_their_pictures(prepared, monkeypatch):
    expected = prepared.evidence(0).speech
    monkeypatch.setattr(
        store_module.Store, "_picture", lambda *_: pytest.fail("pictures were read")
    )
    speech, none = prepared.speech(0), prepared.speech(1)
    np.testing.assert_array_equal(speech.samples, expected.samples)
    assert (speech.rate_hz, speech.start_seconds) == (16000, 0.5)
    assert none is None


def test_joined_folders_give_their_speech_in_order(prepared, tmp_path):
    other = folder_of(tmp_path / "other", [pack(make_evidence(seed=2))])
    joined = join([prepared, other])
    assert joined.has("voice").tolist() == [True, False, True]
    assert [joined.speech(row) is None for row in range(3)] == [False, True, False]
    np.testing.assert_array_equal(joined.speech(2).samples, other.speech(0).samples)
    assert joined.corpora == ("corpus", "corpus", "other")
    with pytest.raises(DatasetError, match="there are 3 samples, no sample 3"):
        joined.evidence(3)


def test_each_corpus_of_some_samples_has_its_licence(prepared, tmp_path):
    other = folder_of(tmp_path / "other", [pack(make_evidence(seed=2))] * 2)
    meta = other.meta | {"licences": {"pl": "CC BY"}, "licence": "of both"}
    joined = join([prepared, replace(other, meta=meta, corpora=("pl", "ko"))])
    assert joined.licences() == {"corpus": "none", "pl": "CC BY", "ko": "of both"}
    assert joined.licences([0, 2]) == {"corpus": "none", "pl": "CC BY"}


def test_packed_speech_becomes_waveforms(tmp_path):
    sounds = [np.array([0, 32767], np.int16), np.array([-32767], np.int16)]
    prepared = folder_of(tmp_path / "speech", [heard(samples) for samples in sounds])
    first, second = prepared.speech(0), prepared.speech(1)
    assert first.samples.tolist() == [0.0, 1.0]
    assert second.samples.tolist() == [-1.0]
    assert second.rate_hz == 16000
    assert not prepared.has("face").any()


def test_a_picture_is_stored_as_it_came_and_lies_in_its_place(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)
    place = (16.0, 16.0, 208.0, 208.0)  # four times as large as what is stored
    prepared = folder_of(tmp_path / "faces", [shown(images[0]), shown(images[1], place)])
    assert (prepared.folder / "pictures.npy").stat().st_size == 128 + 2 * 48 * 48
    stored, at = prepared.pictures(1, 16)
    assert at == place
    np.testing.assert_array_equal(stored[0, ..., 0], images[1])
    evidence = prepared.evidence(1)
    assert dict(evidence.missing) == {"voice": "no_audio_stream"}
    faces = evidence.faces.images

    def likeness(box):
        back = crop_and_resize(faces, box, 48)[0, ..., 0]
        return np.corrcoef(back.ravel(), images[1].ravel())[0, 1]

    assert likeness(place) > 0.85, "noise loses a little by being scaled up and down"
    assert likeness((20.0, 16.0, 212.0, 208.0)) < 0.5, "one stored pixel to the side"
    whole = prepared.evidence(0).faces.images
    assert prepared.pictures(0, 1)[1] == WHOLE
    assert np.corrcoef(whole[0, 2::16, 2::16, 0].ravel(), images[0, ::3, ::3].ravel())[0, 1] > 0.5


def test_only_the_chosen_faces_are_decoded(prepared, monkeypatch):
    decoded = []
    true = store_module.Store._picture
    monkeypatch.setattr(
        store_module.Store, "_picture", lambda *of: decoded.append(of[1]) or true(*of)
    )
    assert len(prepared.pictures(1, 2)[0]) == 2
    assert decoded == [3, 5]  # of the second clip's three
    decoded.clear()
    assert len(prepared.pictures(1, 2, np.random.default_rng(0))[0]) == 1
    assert decoded[0] in {3, 5}
    silent = folder_of(prepared.folder.parent / "silent", [heard(np.zeros(9))])
    with pytest.raises(DatasetError, match="sample 0 shows no face"):
        silent.pictures(0, 1)


def test_nothing_is_copied_as_a_whole(prepared, tmp_path):
    """Arrays are memory-mapped, by another process as well, and joined folders share them."""
    joined = join([prepared, folder_of(tmp_path / "other", [pack(make_evidence())])])
    for store in (*joined.stores, *pickle.loads(pickle.dumps(joined)).stores):  # noqa: S301
        for array in store._arrays.values():
            assert isinstance(array.base, np.memmap)
    assert len(pickle.dumps(joined)) < 5000


@pytest.mark.parametrize("name", ["samples", "faces", "pictures", "speech"])
def test_a_damaged_folder_is_named(prepared, name):
    path = prepared.folder / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DatasetError, match=rf"{name}\.npy cannot be read.*prepare it again"):
        open_prepared(prepared.folder)
    path.unlink()
    with pytest.raises(DatasetError, match=rf"{name}\.npy cannot be read"):
        open_prepared(prepared.folder)


def test_a_damaged_picture_is_named(prepared):
    path = prepared.folder / "pictures.npy"
    path.write_bytes(path.read_bytes()[:128] + bytes(path.stat().st_size - 128))
    damaged = open_prepared(prepared.folder)
    with pytest.raises(DatasetError, match=r"pictures\.npy cannot be read"):
        damaged.evidence(0)
    assert damaged.speech(0) is not None


def test_a_table_must_fit_its_arrays(prepared):
    with (prepared.folder / "samples.csv").open("a") as stream:
        stream.write("2,happy,train,s2\n")
    with pytest.raises(DatasetError, match="has 3 rows, the arrays hold 2 samples"):
        open_prepared(prepared.folder)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_older_folder_names_the_command_that_makes_a_new_one(prepared, number):
    path = prepared.folder / "prepared.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": number}))
    with pytest.raises(DatasetError, match=rf"format {number}.*'facevoice prepare corpus --root"):
        open_prepared(prepared.folder)
