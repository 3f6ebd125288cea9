"""Channels and types of samples: each case against a twin that has nothing wrong with it."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from facevoice import media
from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.media.sound import waveform_of
from support.media_files import tone, write_media

RATE = 16_000
NOISE = np.random.default_rng(7).uniform(-0.5, 0.5, RATE)


def heard(path: Path) -> Any:
    wave = media.read_waveform(path, rate_hz=RATE)
    assert wave is not None
    return wave.samples


def of_channels(path: Path, *channels: Any, layout: str = "stereo") -> Any:
    write_media(path, sound=np.stack(channels), sound_codec="pcm_f32le", sound_layout=layout)
    return heard(path)


@pytest.mark.parametrize("gain", [-1.0, -0.94, -0.5])
def test_opposite_channels_are_heard_as_the_stronger_one(tmp_path: Path, gain: float) -> None:
    twin = of_channels(tmp_path / "twin.wav", NOISE, layout="mono")
    opposite = of_channels(tmp_path / "a.wav", NOISE, gain * NOISE)
    assert np.array_equal(opposite, twin)
    assert np.array_equal(waveform_of(np.stack([NOISE, gain * NOISE], 1), RATE, RATE).samples, twin)


def test_opposite_channels_with_noise_and_an_offset(tmp_path: Path) -> None:
    hiss = np.random.default_rng(8).normal(0, 0.05, (2, RATE))
    left, right = NOISE + hiss[0] + 0.3, -NOISE + hiss[1] + 0.3
    twin = of_channels(tmp_path / "twin.wav", left, layout="mono")
    found = of_channels(tmp_path / "a.wav", left, right)
    assert abs(np.corrcoef(found, twin)[0, 1]) > 0.98


def test_hum_that_all_channels_share_does_not_hide_that_they_cancel(tmp_path: Path) -> None:
    hum = tone(1.0, RATE, 50.0) * 0.6
    left = NOISE / 2 + hum
    found = of_channels(tmp_path / "a.wav", left, hum - NOISE / 2)
    assert np.allclose(np.abs(np.corrcoef(found - hum, NOISE)[0, 1]), 1, atol=1e-3)


def test_noise_in_the_pauses_does_not_bring_the_mix_back(tmp_path: Path) -> None:
    words = np.tile(np.repeat([1.0, 0.0], RATE // 2), 3) * np.tile(NOISE, 3)
    hiss = np.random.default_rng(8).normal(0, 0.01, (2, len(words)))
    left = words + hiss[0]
    found = of_channels(tmp_path / "a.wav", left, hiss[1] - words)
    assert np.allclose(found, left, atol=1e-6)


def test_a_phase_that_turns_midway(tmp_path: Path) -> None:
    sound = np.tile(NOISE, 4)
    second = np.where(np.arange(len(sound)) < len(sound) // 2, sound, -sound)
    found = of_channels(tmp_path / "a.wav", sound, second)
    assert np.allclose(found[: 2 * RATE], sound[: 2 * RATE], atol=1e-4)
    late = slice(round(2.5 * RATE), None)
    assert np.allclose(np.abs(found[late]), np.abs(sound[late]), atol=1e-4)
    assert np.abs(np.diff(found)).max() <= np.abs(np.diff(sound)).max() * 1.01  # without a click


@pytest.mark.parametrize("gain", [1.0, 0.0, 0.3, -0.2])
def test_channels_that_do_not_cancel_are_mixed(tmp_path: Path, gain: float) -> None:
    found = of_channels(tmp_path / "a.wav", NOISE, gain * NOISE)
    assert np.allclose(found, (1 + gain) / 2 * NOISE, atol=1e-6)


def test_unrelated_channels_are_mixed(tmp_path: Path) -> None:
    other = np.random.default_rng(9).uniform(-0.5, 0.5, RATE)
    assert np.allclose(
        of_channels(tmp_path / "a.wav", NOISE, other), (NOISE + other) / 2, atol=1e-6
    )


def test_opposite_fronts_of_a_surround_recording(tmp_path: Path) -> None:
    rest = np.zeros((4, RATE))
    found = of_channels(tmp_path / "a.wav", NOISE, -NOISE, *rest, layout="5.1")
    assert np.allclose(found, NOISE, atol=1e-6)


def test_low_frequency_effects_alone_are_heard(tmp_path: Path) -> None:
    effects = np.zeros((6, RATE))
    effects[3] = NOISE
    assert np.allclose(of_channels(tmp_path / "a.wav", *effects, layout="5.1"), NOISE, atol=1e-6)
    effects[2] = NOISE / 2
    centre = of_channels(tmp_path / "b.wav", *effects, layout="5.1")
    effects[3] = 0
    assert np.array_equal(centre, of_channels(tmp_path / "c.wav", *effects, layout="5.1"))


def write_samples(path: Path, codec: str, form: str, samples: Any) -> Path:
    """A WAV of stereo samples (N, 2) as they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame(format=form, layout="stereo", samples=len(samples))
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        frame.planes[0].update(np.ascontiguousarray(samples).tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_wide_samples_of_files(tmp_path: Path) -> None:
    pair = np.stack([NOISE, NOISE], 1)
    twin = heard(
        write_samples(tmp_path / "16.wav", "pcm_s16le", "s16", (pair * 2**15).astype("i2"))
    )
    integers = write_samples(tmp_path / "64.wav", "pcm_s64le", "s64", (pair * 2**63).astype("i8"))
    floats = write_samples(tmp_path / "f64.wav", "pcm_f64le", "dbl", pair)
    assert np.allclose(heard(integers), twin, atol=1e-4)
    assert np.allclose(heard(floats), twin, atol=1e-4)


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_files_of_floats_that_are_not_scaled_are_refused(tmp_path: Path, codec: str) -> None:
    samples = np.stack([NOISE, NOISE], 1) * 2**15
    form, kind = {"pcm_f32le": ("flt", "f4"), "pcm_f64le": ("dbl", "f8")}[codec]
    path = write_samples(tmp_path / "a.wav", codec, form, samples.astype(kind))
    with pytest.raises(MediaUnreadableError, match=r"a\.wav.*full scale is 1: divide"):
        heard(path)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", "i2", "i4", ">i2", ">f4"])
def test_types_of_samples_in_memory(kind: str) -> None:
    scale = {"i1": 2**7, "u1": 2**7, "i2": 2**15, "i4": 2**31}.get(kind[-2:], 1)
    samples = (NOISE * scale + (2**7 if kind == "u1" else 0)).astype(kind)
    found = waveform_of(samples, RATE, RATE).samples
    assert np.allclose(found, NOISE, atol=2e-2 if kind[-1] == "1" else 1e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((NOISE * 2**15).astype(np.int64), "int64 has no agreed full scale"),
        ((NOISE * 2**15).astype(np.uint16), "uint16 has no agreed full scale"),
        ((NOISE * 2**15).astype(np.int32), r"loudest sample is 16\d+: if these are 16-bit"),
        ((NOISE * 2**19).astype(np.int32), r"otherwise divide it by 2\*\*\(bits - 1\)"),
        ((NOISE * 2**23).astype(np.int32), r"2\*\*23 for values of 24 bits"),
        (np.full(100, -(2**23), np.int32), "loudest sample is 8388608"),
        (NOISE * 2**15, r"must be in \[-1, 1\]"),
        (NOISE > 0, "float or integer, got bool"),
        (NOISE.astype(complex), "float or integer, got complex128"),
        (np.array(["a"]), "float or integer"),
        (np.array([0.0, np.nan]), "NaN or infinity"),
        (np.zeros((0, 0)), "no channel"),
        (np.zeros((2, 2, 2)), "transpose"),
        (np.zeros((2, 100)), "transpose"),
    ],
)
def test_samples_without_a_scale_are_refused(samples: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        waveform_of(samples, RATE, RATE)


@pytest.mark.parametrize(
    "rate", [float("nan"), float("inf"), 0, -16_000, 44.1, 22_050.5, 1e12, "16k", None]
)
def test_rates_are_checked(rate: Any) -> None:
    with pytest.raises(InvalidInputError, match="samples per second"):
        waveform_of(tone(1.0, RATE), rate, RATE)


def test_rates_of_any_numeric_type() -> None:
    for rate in (RATE, float(RATE), np.int32(RATE), np.float32(RATE)):
        assert waveform_of(tone(1.0, RATE), rate, RATE).rate_hz == RATE
