"""Files with several sound tracks: which one is read, and what is said about the others."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.batch import predict_all
from facevoice.bundle import load_bundle
from facevoice.cli import main
from facevoice.errors import InvalidInputError
from facevoice.output.timeline import write
from facevoice.output.timeline.reading import read
from facevoice.predict import Prediction
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.timeline.live import live
from facevoice.train.prepare.folder import open_prepared
from facevoice.types import AudioTracks
from support.media_files import tone, write_tracks
from support.places import PREDICTION_SCHEMA, TIMELINE_SCHEMA

RATE = 16_000
HINT = "sound track 0 of 2 has no speech, but track 1 has: choose with --audio-track"


@pytest.fixture(scope="module")
def speech() -> Any:
    wave = media.read_waveform(SAMPLE, rate_hz=RATE)
    assert wave is not None
    return wave.samples


@pytest.fixture(scope="module")
def second_speaks(tmp_path_factory: pytest.TempPathFactory, speech: Any) -> Path:
    folder = tmp_path_factory.mktemp("tracks")
    return write_tracks(folder / "two.mkv", np.zeros_like(speech), speech)


def test_a_track_is_chosen_by_its_number(second_speaks: Path, speech: Any) -> None:
    info = media.probe(second_speaks, audio_track=1)
    assert (info.audio_tracks, info.audio_track) == (2, 1)
    chosen = media.read_waveform(second_speaks, rate_hz=RATE, audio_track=1)
    assert chosen is not None
    assert np.abs(chosen.samples - speech).max() < 1e-4
    first = media.read_waveform(second_speaks, rate_hz=RATE, audio_track=0)
    assert first is not None
    assert not first.samples.any()


@pytest.mark.parametrize("track", [2, -1, 0.5, "1", np.array([1])])
def test_a_track_that_is_not_there_is_refused(second_speaks: Path, track: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"two\.mkv: it has 2 sound tracks, 0 to 1"):
        media.probe(second_speaks, audio_track=track)


def test_how_many_tracks_there_are_is_said(tmp_path: Path) -> None:
    one = write_tracks(tmp_path / "one.wav", tone(1.0, RATE))
    with pytest.raises(InvalidInputError, match="it has one sound track, 0"):
        media.probe(one, audio_track=1)


def test_a_silent_track_beside_one_that_speaks_is_stated(
    second_speaks: Path, speech: Any, tmp_path: Path, toy_bundle: Path
) -> None:
    predictor = facevoice.load(toy_bundle)
    silent, chosen = predictor(second_speaks), predictor(second_speaks, audio_track=1)
    twin = predictor(write_tracks(tmp_path / "twin.wav", speech))
    assert silent.missing["voice"] == "silent"
    assert silent.audio_tracks == AudioTracks(2, 0, (1,))
    assert chosen.scores is not None
    assert twin.scores is not None
    assert np.allclose(chosen.scores.values, twin.scores.values, atol=1e-6)
    assert chosen.audio_tracks == AudioTracks(2, 1)
    record = json.loads(json.dumps(silent.to_dict()))
    jsonschema.validate(record, PREDICTION_SCHEMA)
    assert Prediction.from_dict(record).audio_tracks == silent.audio_tracks
    (batched,) = predict_all([second_speaks], bundle=toy_bundle, audio_track=1)
    assert batched.missing == chosen.missing


def test_nothing_is_said_where_no_other_track_speaks(tmp_path: Path, toy_bundle: Path) -> None:
    quiet, noise = np.zeros(RATE), np.random.default_rng(5).uniform(-0.3, 0.3, RATE)
    path = write_tracks(tmp_path / "a.mkv", quiet, noise, quiet)
    assert facevoice.load(toy_bundle)(path).audio_tracks == AudioTracks(3, 0)


def test_timelines_choose_and_state_tracks(
    second_speaks: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(toy_bundle)
    silent = timeline(second_speaks, bundle)
    assert silent.audio_tracks == AudioTracks(2, 0, (1,))
    assert any(row.speech_seconds for row in timeline(second_speaks, bundle, audio_track=1).rows)
    written = write(silent, tmp_path, ["csv", "json"], source=second_speaks)
    for path in written:
        if path.name.endswith((".json", ".windows.csv")):
            assert read(path).audio_tracks == silent.audio_tracks
    jsonschema.validate(json.loads((tmp_path / "two.json").read_text()), TIMELINE_SCHEMA)


def test_live_reads_the_chosen_track(second_speaks: Path, toy_bundle: Path) -> None:
    windows = list(live(str(second_speaks), toy_bundle, audio_track=1))
    assert any(row.speech_seconds for window in windows for row in window.rows)
    assert {window.audio_tracks for window in windows} == {2}
    with pytest.raises(InvalidInputError, match="it has 2 sound tracks"):
        list(live(str(second_speaks), toy_bundle, audio_track=2))


def test_commands_choose_and_state_tracks(
    second_speaks: Path, toy_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--bundle", str(toy_bundle)]
    for verb in ("predict", "timeline"):
        assert main([verb, str(second_speaks), *model]) == 0
        assert HINT in capsys.readouterr().out
        assert main([verb, str(second_speaks), "--audio-track", "1", *model]) == 0
        assert HINT not in capsys.readouterr().out
        assert main([verb, str(second_speaks), "--audio-track", "7", *model]) == 1
        assert "2 sound tracks, 0 to 1" in capsys.readouterr().err
    assert main(["live", str(second_speaks), *model]) == 0
    assert "one of 2: choose with --audio-track" in capsys.readouterr().err


def test_labelled_clips_choose_tracks(
    second_speaks: Path, toy_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{second_speaks},happy\n")
    command = ["evaluate", str(labels), "--bundle", str(toy_bundle), "--json", "--allow-trained"]
    assert main(command) == 0
    assert "1 of 1 clip without speech" in capsys.readouterr().err
    assert main([*command, "--audio-track", "1"]) == 0
    captured = capsys.readouterr()
    assert "no speech" not in captured.err
    assert json.loads(captured.out)["nodes"]["voice"]["coverage"] == 1


def test_preparing_a_corpus_chooses_and_states_tracks(
    second_speaks: Path, speech: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "happy").mkdir(parents=True)
    shutil.copy(second_speaks, corpus / "happy")
    write_tracks(corpus / "happy" / "one.wav", speech)
    command = ["prepare", "folders", "--root", str(corpus), "-o"]
    assert main([*command, str(tmp_path / "first")]) == 0
    assert "1 file without speech in the sound track" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "second"), "--audio-track", "1"]) == 0
    assert "--audio-track" not in capsys.readouterr().err
    assert open_prepared(tmp_path / "second").ids == ("happy/two.mkv",)
    assert main([*command, str(tmp_path / "first"), "--audio-track", "1"]) == 1
    assert "another preparation" in capsys.readouterr().err
