"""Summaries of evidence over several windows."""

import pytest

from facevoice.predict import EvidenceSummary

LEFT, RIGHT = (0.0, 0.0, 20.0, 30.0), (90.0, 0.0, 120.0, 40.0)


def window(face_seconds=0.0, box=None, people=0):
    frames = 0 if box is None else 4
    return EvidenceSummary(frames, face_seconds, 1.5, people, box)


def test_seconds_and_frames_add_up_and_people_do_not():
    whole = EvidenceSummary.total([window(1.0, LEFT, 2), window(), window(2.0, RIGHT, 1)])
    assert (whole.face_frames, whole.people) == (8, 2)
    assert (whole.face_seconds, whole.speech_seconds) == (3.0, 4.5)


@pytest.mark.parametrize(
    ("windows", "box"),
    [
        ([window(1.0, LEFT), window(2.0, RIGHT)], RIGHT),
        ([window(1.0, LEFT), window(1.0, RIGHT)], LEFT),
        ([window(), window(0.0, RIGHT)], RIGHT),
        ([window()], None),
    ],
)
def test_the_box_is_that_of_the_window_with_the_longest_face(windows, box):
    assert EvidenceSummary.total(windows).box == box
