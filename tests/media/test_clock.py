"""Time stamps judged by what follows them: each damaged series beside the times it should have."""

from dataclasses import dataclass
from fractions import Fraction
from math import inf

import numpy as np
import pytest

from facevoice.media.clock import UNRELATED_SECONDS, Clock
from facevoice.media.stamps import PictureLine, SoundLine

MILLI = Fraction(1, 1000)
FRAME = 0.023  # seconds of sound
PICTURE = 0.04


@dataclass(frozen=True)
class Stamp:
    pts: int | None
    dts: int | None = None
    time_base: Fraction | None = MILLI


def decided(clock, stamps, length):
    """The times that a clock gives to frames with these stamps in seconds, None for none."""
    found = []
    for stamp in stamps:
        found += clock.push(Stamp(None if stamp is None else round(stamp * 1000)), length)
    return [time for time, _ in found + clock.flush()]


def heard(stamps, **options):
    clock = Clock(MILLI, SoundLine(), **options)
    return decided(clock, stamps, FRAME), clock


def seen(stamps, **options):
    clock = Clock(MILLI, PictureLine(), **options)
    return decided(clock, stamps, PICTURE), clock


def sound(count=200, start=1.0):
    return [round(start + number * FRAME, 3) for number in range(count)]


def pictures(count=120, start=1.0):
    return [round(start + number * PICTURE, 3) for number in range(count)]


READERS = pytest.mark.parametrize(("read", "right"), [(heard, sound()), (seen, pictures())])


@READERS
def test_right_stamps_are_taken_as_they_are(read, right):
    times, clock = read(right)
    assert times == right
    assert clock.mended == 0
    assert not clock.restarted


@READERS
@pytest.mark.parametrize("off", [49.0, 1.5, 0.5, -0.5, -1.2, -2.0, -30.0, 4000.0, 1e6])
@pytest.mark.parametrize("place", [0, 1, 60])
def test_one_damaged_stamp_is_mended_and_moves_no_other(read, right, off, place):
    damaged = right.copy()
    damaged[place] += off
    times, clock = read(damaged, beside=1.0)
    assert times == pytest.approx(right, abs=2e-3)
    assert clock.mended == 1


@pytest.mark.parametrize("off", [49.0, -2.0, -30.0])
def test_frames_of_one_packet_with_one_bad_stamp_are_mended(off):
    damaged = sound()
    for place in range(50, 60):
        damaged[place] += off
    times, clock = heard(damaged)
    assert times == pytest.approx(sound(), abs=5e-3)
    assert clock.mended == 10


@READERS
@pytest.mark.parametrize("creep", [0.0, 0.001])
@pytest.mark.parametrize("until", [90, None])
def test_clamped_stamps_go_on_by_durations(read, right, creep, until):
    clamped = right.copy()
    stop = len(right) if until is None else until
    for place in range(60, stop):
        clamped[place] = right[60] + creep * (place - 60)
    times, clock = read(clamped)
    assert times == pytest.approx(right, abs=0.03)
    assert clock.mended == pytest.approx(stop - 61, abs=5)


def test_a_stamp_that_leaps_and_then_stands_still_is_no_gap():
    """A muxer that is given one bad stamp clamps all the later ones to it."""
    times, clock = heard(sound()[:60] + [154_351.0] * 140)
    assert times == pytest.approx(sound(), abs=5e-3)
    assert clock.mended == 140


@READERS
@pytest.mark.parametrize("gap", [0.2, 5.0, 700.0])
def test_a_real_gap_is_kept(read, right, gap):
    broken = right[:70] + [time + gap for time in right[70:]]
    times, clock = read(broken)
    assert times == pytest.approx(broken, abs=1e-6)
    assert clock.mended == 0


@READERS
@pytest.mark.parametrize("start", [0.0, 1.0, 20_000.0])
def test_a_restarted_clock_continues(read, right, start):
    again = [start + time - right[0] for time in right]
    times, clock = read(right + again)
    steps = np.diff(times)
    assert clock.restarted
    assert clock.mended == 0
    assert steps == pytest.approx(np.full(len(steps), steps[0]), abs=3e-3)


@READERS
def test_frames_without_stamps_follow_each_other(read, right):
    times, _ = read([*right[:50], *[None] * 20, *right[70:]])
    assert times == pytest.approx(right, abs=3e-3)


def test_pictures_of_any_rate_keep_their_stamps():
    steps = np.random.default_rng(2).choice([0.005, 0.02, 0.033, 0.4, 3.0, 60.0], 300)
    stamps = np.round(np.cumsum(steps), 3).tolist()
    times, clock = seen(stamps)
    assert times == stamps
    assert clock.mended == 0


def test_late_sound_after_a_lost_packet_is_late():
    lost = sound()[:80] + sound()[82:]
    assert heard(lost)[0] == lost


def test_the_first_picture_may_stand_for_long():
    times, clock = seen([0.0, *pictures(start=20.0)], beside=0.0)
    assert times[0] == 0.0
    assert clock.mended == 0


@pytest.mark.parametrize(
    ("stop", "right"), [(inf, True), (93.0, True), (2.0, True), (6.0, False), (-inf, False)]
)
def test_a_last_picture_far_off_needs_a_header_that_lasts_until_then(stop, right):
    line = pictures()  # until 5.8 s: a header of 2 s is wrong
    clock = Clock(MILLI, PictureLine(stop))
    times = decided(clock, [*line, 93.0], PICTURE)
    assert times[-1] == pytest.approx(93.0 if right else line[-1] + PICTURE)
    assert clock.mended == (not right)


def test_streams_that_share_no_clock_are_joined_at_their_starts():
    far = [1e9 + time for time in pictures()]
    times, clock = seen(far, beside=1.0)
    assert times == pytest.approx(pictures(), abs=1e-3)
    assert clock.mended == 1
    near = pictures(start=UNRELATED_SECONDS / 2)
    assert seen(near, beside=1.0)[0] == near


def test_few_frames_are_held():
    clock = Clock(MILLI, PictureLine())
    held = 0
    for number in range(2000):  # all stamps stand still
        held += 1 - len(clock.push(Stamp(1000 if number > 5 else number * 40), PICTURE))
        assert held <= 20
