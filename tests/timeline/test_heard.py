"""Overlapping windows read only what is new of the speech, if a branch allows it."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevoice.branches.tree import nodes
from facevoice.bundle import load_bundle
from facevoice.samples import SAMPLE
from facevoice.session import Session
from facevoice.speech.splice import cut
from facevoice.timeline import timeline
from facevoice.timeline.heard import HeardSpeech
from facevoice.types import EMOTIONS, Evidence, Scores, Waveform
from support.toy_bundle import add_speech_encoder

RATE = 16_000
STEP = 160


class Listener:
    """Its states are the mean times of 10 ms each, if sound is made of its times."""

    name, labels, modality, in_pieces = "listener", EMOTIONS, "voice", True

    def __init__(self) -> None:
        self.read: list[float] = []
        self.states = np.zeros(0)

    def score(self, evidence):
        return self.of_heard(self.hear(evidence.speech, 0)) if evidence.speech else None

    def hear(self, speech, first):
        new = speech.samples[first:]
        self.read.append(len(new) / RATE)
        rows = new[: len(new) // STEP * STEP].reshape(-1, STEP).mean(axis=1, keepdims=True)
        return [rows, rows[::2]]

    def of_heard(self, states):
        self.states = states[0][:, 0]
        assert abs(len(states[1]) - len(states[0]) / 2) <= 2
        return Scores(EMOTIONS, np.full(7, 1 / 7))


def window(start: float, stop: float, *spans: tuple[float, float]) -> Evidence:
    """Evidence whose samples are their own times in the recording, 0 to 10 s."""
    sound = Waveform((np.arange(10 * RATE) / RATE / 10).astype(np.float32), RATE)
    found = np.array(spans).reshape(-1, 2)
    missing = {"face": "no_face"} | ({} if spans else {"voice": "no_speech"})
    speech = cut(sound, found) if spans else None
    return Evidence(None, speech, start, stop, found, missing)


def heard(listener: Listener) -> np.ndarray:
    return listener.states * 10


def test_a_later_window_reads_what_is_new_and_forgets_what_is_over() -> None:
    listener = Listener()
    memory = HeardSpeech(listener)
    memory.score(window(0, 3, (0.5, 3.0)))
    memory.score(window(1, 4, (1.0, 2.2), (2.3, 3.6)))
    assert listener.read == pytest.approx([2.5, 0.6], abs=0.03)
    times = heard(listener)
    assert times.min() == pytest.approx(1.0, abs=0.02)
    assert times.max() == pytest.approx(3.6, abs=0.02)
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(np.diff(times), 0.01, atol=0.011)
    memory.score(window(2, 5, (2.0, 2.2), (2.3, 3.6), (4.2, 5.0)))
    assert listener.read[2] == pytest.approx(0.8, abs=0.03)
    assert heard(listener).min() == pytest.approx(2.0, abs=0.02)


def test_a_single_window_is_read_as_any_evidence() -> None:
    listener, evidence = Listener(), window(0, 3, (0.5, 1.0), (1.4, 3.0))
    HeardSpeech(listener).score(evidence)
    once = listener.states
    listener.score(evidence)
    np.testing.assert_array_equal(once, listener.states)


def test_a_window_that_hears_something_else_is_read_whole() -> None:
    listener = Listener()
    memory = HeardSpeech(listener)
    memory.score(window(0, 3, (0.5, 2.0)))
    memory.score(window(1, 4, (1.0, 3.5)))  # it finds a second more in what was read
    assert listener.read == pytest.approx([1.5, 2.5], abs=0.02)
    memory.score(window(0, 3, (0.5, 2.0)))  # not the next window
    assert listener.read[2] == pytest.approx(1.5, abs=0.02)


def test_a_little_new_speech_waits_for_the_next_window() -> None:
    listener = Listener()
    memory = HeardSpeech(listener)
    memory.score(window(0, 3, (0.5, 3.0)))
    memory.score(window(1, 4, (1.0, 3.1)))
    assert len(listener.read) == 1
    memory.score(window(2, 5, (2.0, 3.1), (4.0, 4.5)))
    assert listener.read[1] == pytest.approx(0.6, abs=0.03)


def test_pauses_and_jumps_are_no_trouble() -> None:
    listener = Listener()
    memory = HeardSpeech(listener)
    memory.score(window(0, 3, (0.5, 3.0)))
    assert memory.score(window(1, 4)) is None
    memory.score(window(5, 8, (6.0, 7.0)))
    assert listener.read == pytest.approx([2.5, 1.0], abs=0.02)


def seconds_read(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """How many seconds the encoder of samples reads in an overlapping timeline of the sample."""
    loaded = load_bundle(bundle, threads=1)
    encoder = dict(nodes(loaded.tree))["voice.encoded"].encoders[1].session
    run, read = Session.run, []

    def counted(self, *arrays):
        if self is encoder:
            read.append(arrays[0].size / RATE)
        return run(self, *arrays)

    monkeypatch.setattr(Session, "run", counted)
    rows = timeline(SAMPLE, loaded, window=1.5, hop=0.5).rows
    assert len(rows) > 3
    assert any(row.voice is not None for row in rows)
    return sum(read)


def test_only_a_branch_that_learnt_from_pieces_reads_them(
    toy_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = add_speech_encoder(toy_bundle, tmp_path / "whole")
    pieces = add_speech_encoder(toy_bundle, tmp_path / "pieces", in_pieces=True)
    assert json.loads((pieces / "bundle.json").read_text())["format"] == 3
    with monkeypatch.context() as patch:
        every_window = seconds_read(whole, patch)
    with monkeypatch.context() as patch:
        once = seconds_read(pieces, patch)
    assert once < 0.6 * every_window
