"""Preparing a corpus: what is kept, what is said of the rest, and that nothing is done twice."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from facevoice.cli import main
from facevoice.errors import DatasetError, FacevoiceError, OutputError
from facevoice.evidence import EvidenceReader
from facevoice.samples import SAMPLE
from facevoice.train.prepare import gather, parts
from facevoice.train.prepare.folder import FORMAT, open_prepared
from facevoice.train.prepare.packed import pack
from facevoice.train.prepare.run import prepare
from facevoice.train.prepare.selection import Choices
from facevoice.types import Evidence
from support.evidence_factory import make_evidence
from support.media_files import steady, tone, write_media
from support.small_corpora import (
    MANIFEST,
    Interrupted,
    add_row,
    contents,
    corpus_of_clips,
    dropped_rows,
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A corpus of three clips and what an uninterrupted preparation makes of it."""
    root = corpus_of_clips(tmp_path_factory.mktemp("clips") / "corpus")
    output = root.parent / "prepared"
    return root, prepare(MANIFEST, root, output)


# --- clips ---


def test_prepared_clips_hold_what_prediction_sees(clips):
    _, prepared = clips
    assert prepared.ids == ("clip0.mp4", "clip1.mp4", "clip2.mp4")
    assert prepared.splits == ("train", "train", "test")
    assert [prepared.labels[k] for k in prepared.y] == ["happy", "sad", "happy"]
    (seen,) = EvidenceReader().clip(SAMPLE)
    kept = prepared.evidence(0)
    assert kept.faces is not None
    assert seen.faces is not None
    np.testing.assert_array_equal(kept.faces.times_seconds, seen.faces.times_seconds)
    np.testing.assert_array_equal(kept.faces.boxes, seen.faces.boxes)
    np.testing.assert_array_equal(kept.faces.landmarks, seen.faces.landmarks)
    error = np.abs(kept.faces.images.astype(int) - seen.faces.images.astype(int))
    assert error.mean() < 2.5
    assert kept.speech is not None
    assert seen.speech is not None
    np.testing.assert_allclose(kept.speech.samples, seen.speech.samples, atol=1e-4)
    assert kept.speech.start_seconds == seen.speech.start_seconds
    np.testing.assert_array_equal(kept.speech_spans, seen.speech_spans)
    assert (kept.start_seconds, kept.stop_seconds) == (seen.start_seconds, seen.stop_seconds)
    assert (kept.people, kept.face_seconds) == (seen.people, seen.face_seconds)
    assert [row for row, _ in prepared.evidences()] == [0, 1, 2]


def test_a_part_carries_no_date(tmp_path):
    arrays = pack(make_evidence())
    parts._save(tmp_path / "a.npz", arrays)
    time.sleep(2.1)  # the resolution of dates in a zip file
    parts._save(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_contact_sheet_shows_each_clip(clips):
    _, prepared = clips
    with Image.open(prepared.folder / "contact_sheet.jpg") as sheet:
        assert sheet.size == (3 * 112, 136)


def test_the_long_clip_of_several_windows_is_one_piece_of_evidence():
    whole = gather.joined(
        [
            make_evidence(faces=0, speech_seconds=0, start_seconds=0),
            make_evidence(faces=2, speech_seconds=0.5, start_seconds=20),
        ]
    )
    assert isinstance(whole, Evidence)
    assert (whole.start_seconds, whole.stop_seconds) == (0, 22)
    assert whole.faces is not None
    assert whole.speech is not None
    assert not whole.missing
    nothing = gather.joined([make_evidence(faces=0, speech_seconds=0)] * 2)
    assert dict(nothing.missing) == {"face": "no_face", "voice": "no_speech"}


# --- resuming ---


def test_an_interrupted_preparation_goes_on_and_ends_with_the_same_bytes(
    clips, tmp_path, monkeypatch
):
    root, whole = clips
    true, seen = gather.evidence_of, []

    def interrupted(sample, corpus, threads):
        if len(seen) == 2:
            raise Interrupted
        seen.append(sample.id)
        return true(sample, corpus, threads)

    monkeypatch.setattr(parts, "evidence_of", interrupted)
    output = tmp_path / "prepared"
    with pytest.raises(Interrupted):
        prepare(MANIFEST, root, output)
    with pytest.raises(DatasetError, match=r"prepared\.json is absent"):
        open_prepared(output)
    (output / "parts" / ".half.npz.999.tmp").write_bytes(b"half of a file")
    seen.clear()
    shown = []
    prepare(MANIFEST, root, output, progress=lambda done, total: shown.append((done, total)))
    assert seen == ["clip2.mp4"], "finished clips are not done again"
    assert shown == [(2, 3), (3, 3)]
    assert contents(output) == contents(whole.folder)


def test_a_finished_preparation_is_not_touched(clips, monkeypatch):
    root, prepared = clips
    before = contents(prepared.folder)
    monkeypatch.setattr(parts, "evidence_of", None)  # would fail if it were called
    assert prepare(MANIFEST, root, prepared.folder).ids == prepared.ids
    assert contents(prepared.folder) == before


def test_a_changed_file_is_done_again(tmp_path, monkeypatch):
    root = corpus_of_clips(tmp_path / "corpus", 3)
    prepare(MANIFEST, root, tmp_path / "out")
    (root / "clip1.mp4").write_bytes((root / "clip1.mp4").read_bytes() + b"\0\0\0\x08free" * 9)
    true, seen = gather.evidence_of, []
    monkeypatch.setattr(
        parts, "evidence_of", lambda sample, *rest: seen.append(sample.id) or true(sample, *rest)
    )
    prepare(MANIFEST, root, tmp_path / "out")
    assert seen == ["clip1.mp4"], "the others are taken over"
    prepare(MANIFEST, root, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_an_older_preparation_is_refused(clips, tmp_path):
    root, prepared = clips
    shutil.copytree(prepared.folder, tmp_path / "out")
    path = tmp_path / "out" / "settings.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 2'))
    with pytest.raises(DatasetError, match=f"another preparation.*format 2, not {FORMAT}"):
        prepare(MANIFEST, root, tmp_path / "out")


def test_a_folder_with_another_preparation_is_refused(clips):
    root, prepared = clips
    with pytest.raises(DatasetError, match=r"another preparation.*content 'clips', not 'speech'"):
        prepare(MANIFEST, root, prepared.folder, Choices(content="speech"))


@pytest.mark.slow
def test_kill_9_in_the_middle_of_several_workers(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 8)
    command = [sys.executable, "-m", "facevoice", "prepare", "manifest", "--root", str(root)]
    options = ["--workers", "2", "--threads", "1"]
    output = tmp_path / "killed"
    process = subprocess.Popen([*command, "-o", str(output), *options])
    deadline = time.monotonic() + 120
    while len(list((output / "parts").glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)  # its workers notice
    kept = len(list((output / "parts").glob("*.npz")))
    assert 0 < kept < 8
    resumed = [*command, "-o", str(output), *options]
    said = subprocess.run(resumed, check=True, capture_output=True, text=True).stderr
    assert f"8/8 samples, {kept} known already" in said
    subprocess.run([*command, "-o", str(tmp_path / "whole"), "--threads", "1"], check=True)
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ctrl_c_ends_quietly(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 16)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "facevoice", "prepare", "manifest", "--workers", "2"),
            *("--root", str(root), "-o", str(tmp_path / "out")),
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out/parts").glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert not list((tmp_path / "out/parts").glob(".*"))


# --- bad input ---


def test_bad_clips_among_good_ones_are_counted_and_listed(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 1)
    (root / "torn.mp4").write_bytes(SAMPLE.read_bytes()[:300])
    (root / "empty.mp4").touch()
    write_media(root / "bars.mkv", times=steady(25), sound=np.zeros(16_000))
    write_media(root / "tone.wav", sound=tone(1.0, 16_000))
    for name in ("torn.mp4", "empty.mp4", "bars.mkv", "tone.wav"):
        add_row(root, name)
    prepared = prepare(MANIFEST, root, tmp_path / "out")
    assert prepared.ids == ("clip0.mp4",)
    assert prepared.meta["dropped"] == {
        "file: unreadable": 2,
        "neither face nor speech: no_face, silent": 1,
        "neither face nor speech: no_video_stream, no_speech": 1,
    }
    rows = dropped_rows(tmp_path / "out")
    assert [row["file"] for row in rows] == ["torn.mp4", "empty.mp4", "bars.mkv", "tone.wav"]
    assert "the file is empty" in rows[1]["detail"]
    assert str(tmp_path) not in (tmp_path / "out/dropped.csv").read_text()


def test_a_clip_that_lacks_a_modality_is_kept_with_the_reason(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 1)
    from facevoice import media

    sound = media.read_waveform(SAMPLE, rate_hz=16_000)
    assert sound is not None
    write_media(root / "bars.mkv", times=steady(25), sound=sound.samples)
    add_row(root, "bars.mkv")
    prepared = prepare(MANIFEST, root, tmp_path / "out")
    assert dict(prepared.evidence(1).missing) == {"face": "no_face"}
    with (tmp_path / "out/samples.csv").open(newline="") as stream:
        row = list(csv.DictReader(stream))[1]
    assert (row["missing_face"], row["missing_voice"]) == ("no_face", "")
    assert len(row["digest"]) == 16
    assert int(row["digest"], 16) > 0


def test_corpus_and_note_of_a_sample_are_kept(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 2)
    names = ("clip0.mp4", "clip1.mp4")
    table = [
        "file,label,speaker,corpus,note",
        f"{names[0]},happy,a,pl,plain",
        f"{names[1]},sad,b,,",
    ]
    (root / "labels.csv").write_text("\n".join(table) + "\n")
    prepared = prepare(MANIFEST, root, tmp_path / "out", Choices(content="speech"))
    assert prepared.corpora == ("pl", "manifest")
    assert prepared.notes == ("plain", "")
    again = (root / "labels.csv").read_text().replace("plain", "noisy")
    (root / "labels.csv").write_text(again)
    prepared = prepare(MANIFEST, root, tmp_path / "out", Choices(content="speech"))
    assert prepared.notes == ("noisy", "")


def test_nothing_usable_says_so(tmp_path):
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "labels.csv").write_text("file,label\n")
    with pytest.raises(DatasetError, match="no sample"):
        prepare(MANIFEST, root, tmp_path / "out")
    (root / "torn.mp4").write_bytes(SAMPLE.read_bytes()[:300])
    add_row(root, "torn.mp4,")
    (root / "labels.csv").write_text("file,label\ntorn.mp4,happy\n")
    with pytest.raises(DatasetError, match=r"none of 1 samples is usable.*unreadable"):
        prepare(MANIFEST, root, tmp_path / "out")


def test_a_full_disk_is_an_error_and_loses_nothing(clips, tmp_path, monkeypatch):
    root, whole = clips
    true = np.savez
    written: list[str] = []

    def full(stream, **arrays):
        if len(written) == 1:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(stream.name)
        true(stream, **arrays)

    output = tmp_path / "prepared"
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OutputError, match=r"npz cannot be written: No space left"):
            prepare(MANIFEST, root, output)
    assert len(list((output / "parts").iterdir())) == 1
    prepare(MANIFEST, root, output)
    assert contents(output) == contents(whole.folder)


def test_a_leaking_split_is_refused_recorded_or_mended(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 3)
    shutil.copy(root / "clip0.mp4", root / "clip2.mp4")
    with pytest.raises(DatasetError, match=r"content clip0\.mp4 in test and train"):
        prepare(MANIFEST, root, tmp_path / "out")
    taken = prepare(MANIFEST, root, tmp_path / "out", Choices(allow_leaks=True))
    assert taken.leaks[0]["ids"] == ["clip0.mp4", "clip2.mp4"]
    assert json.loads((tmp_path / "out/prepared.json").read_text())["leaks"][0]["kind"] == "content"
    mended = prepare(MANIFEST, root, tmp_path / "out", Choices(drop_leaks=True))
    assert mended.ids == ("clip1.mp4", "clip2.mp4")
    assert mended.leaks == ()
    assert dropped_rows(tmp_path / "out")[0]["reason"].startswith("leak")


# --- choices, workers, the command ---


def test_labels_and_limit_choose_samples(clips, tmp_path):
    root, _ = clips
    prepared = prepare(MANIFEST, root, tmp_path / "out", Choices(labels=("sad",)))
    assert prepared.ids == ("clip1.mp4",)
    assert prepared.labels == ("sad",)
    assert prepared.meta["dropped"] == {"label happy": 2}
    limited = prepare(MANIFEST, root, tmp_path / "few", Choices(limit=2))
    assert sorted(limited.labels[k] for k in limited.y) == ["happy", "sad"]
    with pytest.raises(DatasetError, match="has a label among joyful"):
        prepare(MANIFEST, root, tmp_path / "none", Choices(labels=("joyful",)))


def test_an_error_of_a_worker_arrives(tmp_path):
    root = corpus_of_clips(tmp_path / "corpus", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "parts").write_text("a file where a folder belongs")
    with pytest.raises(FacevoiceError, match="cannot be written"):
        prepare(MANIFEST, root, tmp_path / "out", workers=2, threads=1)


def test_the_command_says_how_labels_were_read_and_that_nobody_is_known(tmp_path, capsys):
    root = corpus_of_clips(tmp_path / "corpus", 1)
    (tmp_path / "named" / "Happiness").mkdir(parents=True)
    (root / "clip0.mp4").rename(tmp_path / "named" / "Happiness" / "one.mp4")
    arguments = ("--root", tmp_path / "named", "-o", tmp_path / "out")
    assert main(["prepare", "folders", *map(str, arguments)]) == 0
    for again in (False, True):
        err = capsys.readouterr().err
        assert "  happy 1; splits: train 1\n" in err
        assert "  read as: Happiness -> happy 1\n" in err
        assert "  no speakers or groups are known" in err
        assert again or main(["prepare", "folders", *map(str, arguments)]) == 0


def test_the_command_prepares_and_reports(tmp_path, capsys):
    root = corpus_of_clips(tmp_path / "corpus", 2)
    (root / "torn.mp4").write_bytes(b"torn")
    add_row(root, "torn.mp4")
    arguments = ["prepare", "manifest", "--root", str(root), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--limit", "9", "--allow-leaks"]) == 0
    err = capsys.readouterr().err
    assert "2 samples of manifest" in err
    assert "dropped 1: file: unreadable" in err
    assert "3/3 samples" in err
    assert "  happy 1, sad 1; splits: test 1, train 1; 2 groups\n" in err
    assert "no speaker" not in err
    assert main([*arguments, "--as", "films"]) == 1
    assert "--as takes clips" in capsys.readouterr().err
    assert main([*arguments[:1], "nonsense", *arguments[2:]]) == 1
    assert "known: afew" in capsys.readouterr().err
