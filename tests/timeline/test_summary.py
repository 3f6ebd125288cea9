"""Totals of people count what is where it is: speech in its stretches, sights until they end."""

from dataclasses import replace

import numpy as np
import pytest

from facevoice.timeline import Person
from facevoice.timeline.summary import Cores, Sighted, people_of, segments_of, speech_of
from facevoice.types import Scores
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


def between(values):
    """Rows of three labels, three seconds each, one after the other."""
    rows = [row(3.0 * number, 0, ("a", "b", "c"), 0) for number in range(len(values))]
    return [
        replace(each, scores=Scores(("a", "b", "c"), np.array(value)))
        for each, value in zip(rows, values, strict=True)
    ]


def test_a_segment_is_undecided_by_the_rule_of_predictions_on_its_mean():
    """One doubtful window among clear ones is not enough."""
    cases = {
        "b": [(0.48, 0.42, 0.1)] * 3,
        None: [(0.48, 0.42, 0.1), (0.8, 0.1, 0.1), (0.8, 0.1, 0.1)],
        "c": [(0.4, 0.1, 0.5)],
    }
    for other, values in cases.items():
        rows = between(values)
        (found,) = segments_of(rows, Cores(rows, {0: Sighted(0.0, 9.0)}))
        assert found.undecided == (other if other != "c" else "a")
        mean = np.mean(values, axis=0)
        assert found.score == pytest.approx(mean.max())
        pair = Scores(("a", "b", "c"), mean).undecided
        assert pair == (None if other is None else (found.emotion, found.undecided))
    alone = [replace(row(0.0, 0, ("a",), 0), scores=Scores(("a",), np.ones(1)))]
    assert segments_of(alone, Cores(alone, {0: Sighted(0.0, 3.0)}))[0].undecided is None


def test_a_segment_that_another_emotion_leads_by_little_is_undecided():
    rows = between([(0.6, 0.3, 0.1), (0.44, 0.46, 0.1), (0.6, 0.3, 0.1), (0.44, 0.46, 0.1)])
    (found,) = segments_of(rows, Cores(rows, {0: Sighted(0.0, 12.0)}))
    assert (found.emotion, found.undecided) == ("a", None)
    rows = between([(0.46, 0.44, 0.1), (0.41, 0.49, 0.1), (0.46, 0.44, 0.1), (0.41, 0.49, 0.1)])
    (found,) = segments_of(rows, Cores(rows, {0: Sighted(0.0, 12.0)}))
    assert (found.emotion, found.undecided) == ("a", "b")


def test_people_are_equal_whose_portraits_are_not():
    """A timeline that was read back has no portraits."""
    person = Person(0, 0.0, 1.0, 1.0, 0.0, {}, portrait=np.zeros((4, 4, 3), np.uint8))
    assert person == replace(person, portrait=None)
    assert person != replace(person, last_seen_seconds=2.0)
