"""Features of speech by early layers of encoders."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevoice.bundle.files import PART_FOLDERS
from facevoice.errors import BundleError, InvalidInputError
from facevoice.session import Session, hash_of
from facevoice.speech.encoders import (
    SHIPPED_ENCODERS,
    Encoder,
    EncoderPart,
    encoder_features,
    shipped_encoders,
)
from facevoice.speech.log_mel import log_mel
from facevoice.types import Waveform
from support.toy_bundle import TOY_ENCODER_FEATURES, TOY_ENCODERS, save_encoder

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> Waveform:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    return Waveform(samples.astype(np.float32), RATE)


def levelled(samples: np.ndarray) -> np.ndarray:
    return (samples * (0.1 / np.sqrt(np.mean(samples**2)))).astype(np.float32)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, ...]:
    folder = tmp_path_factory.mktemp("encoders")
    save_encoder(folder / "bands.onnx", log_mel=True)
    save_encoder(folder / "blocks.onnx", log_mel=False)
    parts = map(EncoderPart.of_dict, TOY_ENCODERS)
    return tuple(Encoder(part, Session(folder / part.file)) for part in parts)


def test_features_are_means_and_deviations_of_the_layers_in_order(
    toys: tuple[Encoder, ...],
) -> None:
    speech = noise(1.2)
    bands, blocks = (encoder.session for encoder in toys)
    states = [*bands.run(log_mel(speech)[None]), blocks.run(levelled(speech.samples)[None])[1]]
    wanted = [each for (found,) in states for each in (found.mean(axis=0), found.std(axis=0))]
    found = encoder_features(toys, speech)
    assert found.shape == (TOY_ENCODER_FEATURES,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-4, atol=1e-5)


def test_long_speech_is_pooled_over_all_its_pieces(toys: tuple[Encoder, ...]) -> None:
    speech = noise(20)  # read as three pieces
    columns = np.array_split(log_mel(speech), 3, axis=1)
    runs = [toys[0].session.run(np.ascontiguousarray(piece)[None]) for piece in columns]
    states = [np.concatenate(layer, axis=1)[0] for layer in zip(*runs, strict=True)]
    wanted = [each for layer in states for each in (layer.mean(axis=0), layer.std(axis=0))]
    found = encoder_features(toys[:1], speech)
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-4, atol=1e-5)


def test_new_speech_is_read_as_a_part_of_the_whole(toys: tuple[Encoder, ...]) -> None:
    speech = noise(1.5)
    for encoder in toys:  # their states do not depend on their neighbours
        whole, new = encoder.states(speech), encoder.states(speech, RATE)
        for layer, part in zip(whole, new, strict=True):
            assert len(part) == pytest.approx(len(layer) / 3, abs=1)
            np.testing.assert_allclose(part, layer[-len(part) :], atol=1e-5)
        pieces = encoder_features([encoder], speech, piece_seconds=0.5)
        np.testing.assert_allclose(pieces, encoder_features([encoder], speech), atol=0.02)


def test_speech_is_read_once_for_all_who_use_a_network(
    toys: tuple[Encoder, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = toys[0]
    run, runs = Session.run, []
    monkeypatch.setattr(Session, "run", lambda *given: runs.append(1) or run(*given))
    speech = noise(1)
    whole = encoder_features([bands], speech)
    second = Encoder(EncoderPart("bands.onnx", "log_mel", ("layer_2",)), bands.session)
    np.testing.assert_array_equal(encoder_features([second], speech), whole[6:])
    assert len(runs) == 1
    assert (encoder_features([bands], noise(1, seed=1)) != whole).any()
    assert len(runs) == 2


def test_speech_of_any_length_and_rate(toys: tuple[Encoder, ...]) -> None:
    for seconds in (0.0, 0.01, 0.25):
        assert np.isfinite(encoder_features(toys, noise(seconds))).all()
    with pytest.raises(InvalidInputError, match="resample"):
        encoder_features(toys, Waveform(np.zeros(8000, np.float32), 8000))


def test_a_part_says_what_is_wrong_with_it(toys: tuple[Encoder, ...]) -> None:
    with pytest.raises(BundleError, match="log_mel or samples, not 'pictures'"):
        EncoderPart("x.onnx", "pictures", ("y",))  # type: ignore[arg-type]
    for layers in ((), "layer_1"):
        with pytest.raises(BundleError, match="layers must name"):
            EncoderPart("x.onnx", "samples", layers)  # type: ignore[arg-type]
    wrong = Encoder(EncoderPart("bands.onnx", "log_mel", ("layer_9",)), toys[0].session)
    with pytest.raises(BundleError, match="no output layer_9; it has layer_1, layer_2"):
        wrong.states(noise(1))


def test_the_shipped_encoders_read_speech_of_any_length() -> None:
    encoders = shipped_encoders()
    for seconds in (0.0, 0.25, 2.0, 9.0):
        found = encoder_features(encoders, noise(seconds))
        assert found.shape == (2 * (384 + 384 + 288 + 288),)
        assert np.isfinite(found).all()
    assert np.abs(found).max() < 100
    assert found.std() > 0.1


def test_loudness_does_not_count() -> None:
    encoders, speech = shipped_encoders(), noise(1.5)
    quiet = Waveform(speech.samples / 10, RATE)
    found, wanted = (encoder_features(encoders, each) for each in (quiet, speech))
    np.testing.assert_allclose(found, wanted, atol=1e-2)


@pytest.mark.parametrize("folder", PART_FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_shipped_network_is_in_the_manifest_with_its_origin(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert sorted(files) == sorted(path.name for path in folder.glob("*.onnx"))
    for name, facts in files.items():
        assert facts["sha256"] == hash_of(folder / name)
        assert facts["licence"]
    notices = "".join(path.read_text() for path in folder.glob("*NOTICE"))
    assert notices.count("opyright") >= 1
    assert {part.file for part in SHIPPED_ENCODERS} <= set(files) or folder.parent.name == "faces"
