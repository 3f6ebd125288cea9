"""Numbers in a wrong unit, order or type are refused, and the message names what is right."""

import math
from typing import Any

import numpy as np
import pytest

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.evidence.arrays import checked_arrays
from facevoice.evidence.plan import Plan, clip_plan
from facevoice.media import MediaInfo
from facevoice.samples import SAMPLE
from facevoice.types import Frame, Waveform
from support.media_files import tone

RATE = 16_000
SOUND = tone(4.0, RATE)
SECONDS = np.arange(100) / 25  # 25 pictures a second for 4 s


def pictures(count: int) -> Any:
    return np.zeros((count, 8, 8, 3), np.uint8)


def checked(times: Any, sound: Any = None, rate: Any = RATE) -> Any:
    return checked_arrays(pictures(len(times)), times, sound, None if sound is None else rate)


@pytest.mark.parametrize("sound", [None, SOUND])
@pytest.mark.parametrize(
    "times",
    [SECONDS, list(SECONDS), SECONDS.astype("f4"), SECONDS + 1.4, SECONDS - 0.5, [0, 1, 2], [3.0]],
)
def test_times_in_seconds_are_taken(times: Any, sound: Any) -> None:
    assert [frame.time_seconds for frame in checked(times, sound).frames] == list(map(float, times))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (SECONDS * 1000, "milliseconds"),
        ((SECONDS * 1000).astype(int), "milliseconds"),
        (SECONDS * 1e9, "milliseconds"),
        (SECONDS / 60, "minutes"),
        (SECONDS / 3600, "minutes"),
        ([0.0, 1e12], "milliseconds"),
        ([0.0, 0.1, 0.2, 1e12], "at most 1e"),
        ([0.0, math.inf], "finite"),
        ([0.0, math.nan], "finite"),
        ([-math.inf, 0.0], "finite"),
        ([1.0, 0.0], "increase"),
        ([0.0, 0.0], "increase"),
        (["0", "1"], "numbers of seconds"),
        ([None, None], "numbers of seconds"),
        ([True, False], "numbers of seconds"),
        ([0j, 1j], "numbers of seconds"),
        (SECONDS.astype("timedelta64[s]"), "numbers of seconds"),
        (SECONDS[:, None], r"must be \(T,\)"),
    ],
)
def test_times_in_another_unit_are_refused(times: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked(times)


def test_times_beside_sound_share_its_unit_and_clock() -> None:
    checked(SECONDS, SOUND)
    with pytest.raises(InvalidInputError, match="numbers of pictures"):
        checked(np.arange(100), SOUND)
    with pytest.raises(InvalidInputError, match="on one clock"):
        checked(SECONDS + 1.7e9, SOUND)
    checked(SECONDS + 1.7e9)  # alone, any origin will do


def test_shapes_of_pictures() -> None:
    for frames, times in [
        (pictures(1)[0], [0.0]),
        (pictures(2), [0.0]),
        (pictures(2), None),
        (pictures(2).transpose(0, 3, 1, 2), [0.0, 1.0]),
        (pictures(2).astype(float), [0.0, 1.0]),
        (pictures(2)[..., :1], [0.0, 1.0]),
        (np.zeros((2, 0, 8, 3), np.uint8), [0.0, 1.0]),
    ]:
        with pytest.raises(InvalidInputError):
            checked_arrays(frames, times, None, None)


def test_values_of_pictures_are_from_0_to_255() -> None:
    for kind in ("f4", "f8", "u2", "i4", "?"):
        with pytest.raises(InvalidInputError, match="from 0 to 1 by 255"):
            checked_arrays(pictures(1).astype(kind), [0.0], None, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", [1.0], True])
def test_a_part_of_a_file_has_finite_bounds(value: Any) -> None:
    info = MediaInfo(SAMPLE, "video", 0.0, 4.0, True, True, 640, 360, 25.0, RATE)
    for part in ((value, None), (None, value)):
        with pytest.raises(InvalidInputError, match="finite seconds"):
            clip_plan(info, *part)
        with pytest.raises(InvalidInputError, match="finite seconds"):
            media.read_waveform(SAMPLE, rate_hz=RATE, start_seconds=part[0], stop_seconds=part[1])


@pytest.mark.parametrize("lengths", [(math.nan, 1), (3, math.nan), (1, 3), ("3", 1), (3, 1e-9)])
def test_windows_have_lengths_in_seconds(lengths: Any) -> None:
    with pytest.raises(InvalidInputError, match="hop"):
        Plan(0.0, *lengths, has_video=True, has_audio=True)


def test_frames_and_sound_have_finite_numbers() -> None:
    for time in (math.nan, math.inf, "0"):
        with pytest.raises(InvalidInputError, match="finite"):
            Frame(pictures(1)[0], time)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="finite"):
            Waveform(SOUND, RATE, time)  # type: ignore[arg-type]
    for rate in (math.nan, math.inf, 0, 44.1):
        with pytest.raises(InvalidInputError, match="samples per second"):
            Waveform(SOUND, rate)  # type: ignore[arg-type]
