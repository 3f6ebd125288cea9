"""Stretches of time that hold something."""

from math import inf

from facevoice.evidence.covered import Covered


def test_stretches_join_across_short_breaks_only() -> None:
    covered = Covered()
    assert covered.empty
    assert covered.next_after(0.0) is None
    covered.add(0.0, 1.0)
    covered.add(1.3, 2.0)
    covered.add(9.0, 9.5)
    assert not covered.empty
    assert covered.next_after(0.0) == 0.0
    assert covered.next_after(1.5) == 1.5
    assert covered.next_after(2.0) == 9.0
    assert covered.next_after(9.5) is None


def test_pictures_may_come_after_later_sound() -> None:
    covered = Covered()
    covered.add(5000.0, 5001.0)
    for number in range(50):
        covered.add(number / 25, (number + 1) / 25)
    covered.add(5000.9, 5003.0)
    assert covered.next_after(0.5) == 0.5
    assert covered.next_after(2.0) == 5000.0
    assert covered.next_after(5002.0) == 5002.0
    covered.forget(4000.0)
    assert covered.next_after(0.5) == 5000.0


def test_an_instant_without_length_is_held() -> None:
    covered = Covered()
    covered.add(3.0, 3.0)
    assert covered.next_after(3.0) == 3.0
    assert covered.next_after(3.1) is None


def test_gaps_are_the_stretches_between() -> None:
    covered = Covered()
    covered.add(1.0, 2.0)
    covered.add(9.0, 9.5)
    gaps = [covered.gap_at(time) for time in (0.5, 1.5, 2.0, 9.2, 9.5)]
    assert gaps == [(-inf, 1.0), (1.5, 1.5), (2.0, 9.0), (9.2, 9.2), (9.5, inf)]
