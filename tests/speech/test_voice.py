from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facevoice.errors import BundleError, HashMismatchError, InvalidInputError
from facevoice.speech import SileroVoice, Speech, VoiceRules, find_speech, voice
from facevoice.speech.splice import cut
from facevoice.speech.voice import speech_spans
from facevoice.types import Float64Array, Waveform
from support.speech_sounds import RATE_HZ, sentence, tone, voiced, wave, white


@pytest.fixture(scope="module")
def silero() -> SileroVoice:
    return SileroVoice()


class Fixed:
    """A detector that returns given spans."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.spans = np.array(spans, np.float64).reshape(-1, 2)

    def __call__(self, waveform: Waveform) -> Float64Array:
        return self.spans


def test_finds_the_voice(silero: SileroVoice) -> None:
    spans = silero(wave(sentence()))
    assert spans.dtype == np.float64
    np.testing.assert_allclose(spans, [[0.75, 1.75], [2.25, 3.0]], atol=0.12)


def test_spans_are_presentation_time(silero: SileroVoice) -> None:
    early, late = silero(wave(sentence())), silero(wave(sentence(), 12.5))
    np.testing.assert_allclose(late - early, 12.5)


@pytest.mark.parametrize("sound", [tone(2, 1000), white(32000), np.zeros(32000, np.float32)])
def test_finds_no_voice_in_tones_noise_and_silence(silero: SileroVoice, sound: np.ndarray) -> None:
    assert silero(wave(sound)).shape == (0, 2)


@pytest.mark.parametrize("count", [0, 1, 100, 511, 512, 513, 300000])
def test_one_probability_per_32_ms(silero: SileroVoice, count: int) -> None:
    found = silero.probabilities(wave(white(count)))
    assert found.dtype == np.float32
    assert found.shape == (-(-count // 512),)
    assert ((found >= 0) & (found <= 1)).all()


def test_equals_the_package(silero: SileroVoice) -> None:
    """Equals silero-vad's streaming network, chunk by chunk, over more than one of our blocks."""
    package = pytest.importorskip("silero_vad")
    torch = pytest.importorskip("torch")
    sound = np.tile(sentence() + white(56000, 0.003), 5)  # 17.5 s
    model = package.load_silero_vad(onnx=True)
    wanted = model.audio_forward(torch.from_numpy(sound), RATE_HZ).numpy()[0]
    np.testing.assert_allclose(silero.probabilities(wave(sound)), wanted, atol=1e-5)
    stamps = package.get_speech_timestamps(torch.from_numpy(sound), model)
    spans = [[stamp["start"], stamp["end"]] for stamp in stamps]
    np.testing.assert_array_equal(silero(wave(sound)) * RATE_HZ, spans)


PROBABILITIES = st.lists(
    st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.49, 0.5, 0.8, 1.0]).flatmap(
        lambda value: st.integers(1, 6).map(lambda times: [value] * times)
    ),
    max_size=25,
).map(lambda runs: np.array([value for run in runs for value in run], np.float32))


@settings(max_examples=300, deadline=None)
@given(probabilities=PROBABILITIES, lacking=st.integers(0, 511))
def test_rules_equal_the_package(probabilities: np.ndarray, lacking: int) -> None:
    package = pytest.importorskip("silero_vad.utils_vad")
    count = max(0, len(probabilities) * 512 - lacking)
    wanted = package.get_speech_timestamps_from_probs(
        probabilities.tolist(), audio_length_samples=count
    )
    found = speech_spans(probabilities, count)
    assert found.tolist() == [[stamp["start"], stamp["end"]] for stamp in wanted]


@settings(max_examples=200, deadline=None)
@given(
    probabilities=PROBABILITIES,
    padding=st.floats(0, 0.3),
    silence=st.floats(0, 0.3),
    shortest=st.floats(0, 0.5),
)
def test_spans_are_sorted_disjoint_and_within(
    probabilities: np.ndarray, padding: float, silence: float, shortest: float
) -> None:
    rules = VoiceRules(
        min_speech_seconds=shortest, min_silence_seconds=silence, padding_seconds=padding
    )
    count = len(probabilities) * 512
    spans = speech_spans(probabilities, count, rules)
    assert spans.shape[1] == 2
    assert (spans[:, 1] > spans[:, 0]).all()
    assert ((spans >= 0) & (spans <= count)).all()
    assert all(after[0] >= before[1] for before, after in pairwise(spans))


def test_speech_is_cut_and_joined(silero: SileroVoice) -> None:
    speech = find_speech(wave(sentence(), 5.0), silero)
    assert speech.missing is None
    assert speech.waveform is not None
    length = np.diff(speech.spans).sum()
    assert speech.waveform.duration_seconds == pytest.approx(length - 0.01, abs=1e-3)
    assert speech.waveform.start_seconds == pytest.approx(speech.spans[0, 0], abs=1e-4)
    assert speech.waveform.samples.dtype == np.float32
    assert "2 spans" in repr(speech)


@pytest.mark.parametrize(
    ("sound", "code"),
    [
        (np.zeros(0, np.float32), "silent"),
        (np.zeros(48000, np.float32), "silent"),
        (white(48000, 1e-4), "silent"),
        (voiced(1.0) * np.float32(3e-3), "silent"),
        (np.full(48000, 0.5, np.float32), "silent"),
        (tone(3.0, 15), "silent"),
        (np.cos(2 * np.pi * 10 * np.arange(48000) / RATE_HZ).astype(np.float32), "silent"),
        (white(1), "silent"),
        (white(10), "too_short"),
        (voiced(0.2), "too_short"),
        (tone(2.0, 1000), "no_speech"),
        (white(48000), "no_speech"),
    ],
)
def test_missing_codes(silero: SileroVoice, sound: np.ndarray, code: str) -> None:
    speech = find_speech(wave(sound), silero)
    assert speech.missing == code
    assert speech.waveform is None
    assert speech.spans.shape == (0, 2)


def test_no_audio(silero: SileroVoice) -> None:
    assert find_speech(None, silero).missing == "no_audio_stream"


def test_very_little_speech_is_too_short() -> None:
    found = find_speech(wave(white(32000)), Fixed((0.5, 0.6), (1.0, 1.1)))
    assert found.missing == "too_short"
    assert len(found.spans) == 2


def test_quiet_speech_is_found(silero: SileroVoice) -> None:
    quiet = sentence() / np.float32(10)  # peak -30 dBFS
    assert find_speech(wave(quiet), silero).missing is None


@pytest.mark.parametrize("unheard", [np.full(56000, 0.1, np.float32), tone(3.5, 10, 0.1)])
def test_what_nobody_hears_changes_nothing(silero: SileroVoice, unheard: np.ndarray) -> None:
    plain, moved = (
        find_speech(wave(sound), silero) for sound in (sentence(), sentence() + unheard)
    )
    np.testing.assert_array_equal(plain.spans, moved.spans)
    assert plain.waveform is not None
    assert moved.waveform is not None
    assert np.abs(plain.waveform.samples - moved.waveform.samples).max() < 1e-3


def test_joints_do_not_click() -> None:
    sound = tone(3.0, 200, 0.5)
    joined = cut(wave(sound), np.array([[0.1001, 1.0], [1.5013, 2.0], [2.2, 2.9]])).samples
    steepest = np.abs(np.diff(sound)).max()
    assert np.abs(np.diff(joined)).max() < 2 * steepest
    assert np.abs(joined).max() < 0.75


@settings(max_examples=50, deadline=None)
@given(
    edges=st.lists(st.floats(-1, 4), max_size=8, unique=True), start=st.sampled_from([0.0, 7.25])
)
def test_cut_takes_any_spans(edges: list[float], start: float) -> None:
    ordered = np.sort(edges[: len(edges) // 2 * 2]).reshape(-1, 2) + start
    sound = wave(white(32000), start)
    found = cut(sound, ordered)
    assert len(found.samples) <= 32000
    assert start <= found.start_seconds <= sound.stop_seconds


def test_cutting_out_everything_changes_nothing() -> None:
    sound = wave(white(5000), 3.0)
    np.testing.assert_array_equal(cut(sound, np.array([[3.0, 4.0]])).samples, sound.samples)


def test_another_rate_is_refused(silero: SileroVoice) -> None:
    with pytest.raises(InvalidInputError, match="resample"):
        find_speech(Waveform(white(44100), 44100), silero)


def test_speech_has_either_sound_or_a_missing_code() -> None:
    with pytest.raises(InvalidInputError, match="missing code"):
        Speech(None, np.zeros((0, 2)), None)
    with pytest.raises(InvalidInputError, match="missing code"):
        Speech(wave(white(10)), np.zeros((0, 2)), "silent")


def test_a_damaged_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = (voice._MODELS / "manifest.json").read_text(encoding="utf-8")
    monkeypatch.setattr(voice, "_MODELS", tmp_path)
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        SileroVoice()
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    (tmp_path / "silero_vad_16k_sequence.onnx").write_bytes(b"no network")
    with pytest.raises(HashMismatchError, match="reinstall"):
        SileroVoice()
