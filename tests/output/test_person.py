"""Words about personal answers: where they are the plain ones, it is said why."""

from dataclasses import replace

import numpy as np

from facevoice.bundle import load_bundle
from facevoice.cli.timeline import summary
from facevoice.output.person import FEW_SHOWN, unchanged
from facevoice.output.predictions.text import render
from facevoice.person import Personal
from facevoice.predict import Predictor
from facevoice.types import Scores
from support.evidence_factory import make_evidence
from support.written_timelines import make_timeline, row, with_personal


def test_an_answer_that_changes_nothing_says_so(toy_bundle):
    predictor = Predictor(load_bundle(toy_bundle, threads=1), threads=1)
    found = predictor.of_evidence(make_evidence())
    same = replace(found, personal=Personal(found.scores, 24, 87.0))
    tree = predictor.bundle.tree
    assert f"24 clips, 1 min 27 s of the same person, which changes nothing: {FEW_SHOWN}" in render(
        same, tree
    )
    for values, said in (((0.5, 0.45), "; undecided between angry and disgust"), ((0.95, 0), "")):
        moved = Scores(found.scores.labels, np.array([*values, 0, 0, 0, 0, 0.05]))
        other = replace(found, personal=Personal(moved, 24, 87.0))
        assert f"of the same person{said}\n" in render(other, tree)


def test_a_person_whose_windows_all_stay_as_they_are():
    changed = with_personal(make_timeline())
    same = replace(
        changed,
        rows=tuple(
            row if row.personal is None else replace(row, personal=Personal(row.scores, 4, 12.5))
            for row in changed.rows
        ),
    )
    pairs = [(row.personal, row.scores) for row in same.rows]
    assert unchanged(pairs)
    assert not unchanged([*pairs, (changed.rows_of(0)[-1].personal, pairs[0][1])])
    assert not unchanged([(None, pairs[0][1])])
    assert f"    personal: the same: {FEW_SHOWN} in 12 s of this person" in list(summary(same))
    assert "    personal: against 12 s of this person: happy 100%" in list(summary(changed))


def test_a_summary_of_nobody_says_so():
    timeline = make_timeline()
    rows = tuple(row(start, None, timeline.labels, 0) for start in range(8))
    silent = replace(timeline, people=(), rows=rows, segments=(), frames=None)
    assert list(summary(silent))[1:] == ["  nobody is seen or heard"]
    assert "nobody" not in "".join(summary(timeline))


def test_a_summary_says_what_is_undecided_and_for_how_long():
    """Person 0 is undecided in the second of two segments, 4.12 of 9.12 s."""
    said = "; undecided 45% of the time, between angry and disgust"
    timeline = with_personal(make_timeline())
    first, second, *_ = list(summary(timeline))[1:]
    assert first.endswith(f"angry 100%{said}")
    assert "undecided" not in second
    (own,) = timeline.personal_segments
    both = replace(timeline, personal_segments=(replace(own, undecided="angry"),))
    assert "happy 100%; undecided throughout, between angry and happy" in list(summary(both))[2]
    more = replace(timeline.segments[0], undecided="sad")
    changed = replace(timeline, segments=(more, *timeline.segments[1:]))
    assert list(summary(changed))[1].endswith(
        "; undecided throughout, mostly between angry and sad"
    )
