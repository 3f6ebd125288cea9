"""Totals of people count what is where it is: speech in its stretches, sights until they end."""

from dataclasses import replace

import numpy as np
import pytest

from facevoice.timeline import Person
from facevoice.timeline.summary import Cores, Sighted, people_of, speech_of
from support.written_timelines import row

LABELS = ("a", "b")


def test_speech_counts_where_it_is():
    """A window of 5 s with a second of speech at its end, where someone comes into view."""
    (rows, sighted) = [row(0.0, 0, LABELS, 0, voice=True, stop=5.0)], {0: Sighted(3.76, 5.0)}
    speech = speech_of({(0.0, 5.0): [(0.5, 0.9), (3.8, 4.8)]})
    (person,) = people_of(rows, sighted, Cores(rows, sighted), speech)
    assert person.seconds_speaking == pytest.approx(1.0)
    assert (person.first_seen_seconds, person.last_seen_seconds) == (3.76, 5.0)


def test_speech_of_overlapping_windows_counts_once_and_for_those_who_speak():
    rows = [row(start, 0, LABELS, 0, voice=start < 2) for start in (0.0, 1.0, 2.0)]
    rows += [row(2.0, 1, LABELS, 0, voice=True)]
    sighted = {0: Sighted(0.0, 5.0), 1: Sighted(0.0, 5.0)}
    windows = {(start, start + 3): [(start, start + 2.9)] for start in (0.0, 1.0, 2.0)}
    speech = speech_of(windows)
    assert speech == [(0.0, 4.9)]
    first, second = people_of(rows, sighted, Cores(rows, sighted), speech)
    assert first.seconds_speaking == pytest.approx(3.0)
    assert second.seconds_speaking == pytest.approx(1.9)


def test_a_window_without_speech_of_its_own_has_none():
    """Windows look for speech by themselves: each has the word where it is nearest."""
    assert speech_of({(0.0, 3.0): [(0.5, 3.0)], (1.0, 4.0): []}) == [(0.5, 2.0)]


def test_no_part_of_a_row_lies_beyond_the_last_sight():
    rows, sighted = [row(0.0, 0, LABELS, 0)], {0: Sighted(0.5, 2.43)}
    assert Cores(rows, sighted).of(rows[0]) == (0.5, 2.43)
    unseen = replace(rows[0], person=None)
    assert Cores([unseen], {}).of(unseen) == (0.0, 3.0)


def test_people_are_equal_whose_portraits_are_not():
    """A timeline that was read back has no portraits."""
    person = Person(0, 0.0, 1.0, 1.0, 0.0, {}, portrait=np.zeros((4, 4, 3), np.uint8))
    assert person == replace(person, portrait=None)
    assert person != replace(person, last_seen_seconds=2.0)
