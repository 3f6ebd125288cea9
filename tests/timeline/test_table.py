"""The timeline's tables themselves."""

from dataclasses import replace

import numpy as np
import pytest

from facevoice.errors import InvalidInputError
from support.written_timelines import make_timeline, same


def test_a_shifted_timeline_differs_in_its_times_alone():
    there = make_timeline().shifted(8.0)
    assert (there.start_seconds, there.stop_seconds, there.cuts.tolist()) == (8.0, 18.0, [12.0])
    assert there.rows[0].start_seconds == there.segments[0].start_seconds == 8.0
    assert there.people[1].last_seen_seconds == 17.75
    assert there.frames.times_seconds[0] == 8.0
    assert there.segments[0].score == 0.6
    back, first = (replace(each, segments=()) for each in (there.shifted(-8.0), make_timeline()))
    assert same(back, first)
    assert make_timeline(with_frames=False).shifted(1.0).frames is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop_seconds": -1.0}, "Timeline must span finite seconds in order"),
        ({"hop_seconds": 4.0}, "0 < hop <= window"),
        ({"cuts": np.array([2.0, 1.0])}, "cuts must be"),
        ({"people": ()}, "must be those of the rows"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        replace(make_timeline(), **change)
