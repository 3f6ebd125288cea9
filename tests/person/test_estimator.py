"""What holds of any estimator: see also docs/person.md."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facevoice.errors import InvalidInputError
from facevoice.person import FEWEST_CLIPS, BranchPopulation, Population, Reading, Statistics

LABELS = 4
BRANCHES = ("face.one", "face.two", "voice")
logs = arrays.arrays(np.float64, LABELS, elements=st.floats(-27, 0))
seconds = st.floats(0, 100)


@st.composite
def clips(draw):
    """The reading of one clip: any of the branches may lack, though not all."""
    names = draw(st.lists(st.sampled_from(BRANCHES), min_size=1, unique=True))
    return Reading(
        {name: draw(logs) for name in names}, {name: draw(seconds) for name in names}, draw(seconds)
    )


people = st.lists(clips(), min_size=FEWEST_CLIPS, max_size=8)
MEANS = np.log(np.random.default_rng(5).dirichlet(np.ones(LABELS), len(BRANCHES)))
POPULATION = Population(
    {name: BranchPopulation(mean, 9, 3) for name, mean in zip(BRANCHES, MEANS, strict=True)}
)


def after(readings, start=None):
    return reduce(Statistics.plus, readings, start or Statistics.empty())


def shifts(readings):
    return after(readings).shift(POPULATION)


def close(one, two):
    assert set(one) == set(two)
    for name, shift in one.items():
        np.testing.assert_allclose(shift, two[name], atol=1e-9)


@given(people, st.randoms())
def test_the_order_of_clips_does_not_matter(readings, random):
    mixed = [*readings]
    random.shuffle(mixed)
    close(shifts(readings), shifts(mixed))


@given(people, st.integers(0, 8))
def test_a_state_goes_on_where_it_was(readings, place):
    """One by one or in two parts, through a file or not: the same state to the digit."""
    part = after(readings[:place])
    again = Statistics.from_dict(part.to_dict())
    assert again == part
    assert after(readings[place:], again) == after(readings)


@given(people)
def test_a_duplicate_moves_the_shift_no_further_than_what_it_repeats(readings):
    """Clips that all come twice say the same, with less left to the prior."""
    once, twice = shifts(readings), shifts(readings + readings)
    for name, shift in once.items():
        assert (np.abs(twice[name]) >= np.abs(shift) - 1e-9).all()
        assert (twice[name] * shift >= -1e-12).all()


@given(people)
def test_a_branch_without_scores_is_not_shifted(readings):
    seen = {name for reading in readings for name in reading.log_scores}
    assert set(shifts(readings)) == seen
    assert all(np.isfinite(shift).all() for shift in shifts(readings).values())


@given(people)
def test_a_lacking_modality_leaves_the_others_alone(readings):
    """What one branch says has no effect on the shift of another."""
    alone = [
        Reading(
            {name: each for name, each in reading.log_scores.items() if name == "voice"},
            {name: each for name, each in reading.weights.items() if name == "voice"},
            reading.seconds,
        )
        for reading in readings
    ]
    found = shifts(readings).get("voice")
    expected = shifts(alone).get("voice")
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_array_equal(found, expected)


@given(st.integers(FEWEST_CLIPS, 30))
def test_a_person_like_the_population_is_not_shifted(count):
    typical = Reading(dict(zip(BRANCHES, MEANS, strict=True)), dict.fromkeys(BRANCHES, 1.0), 1.0)
    for shift in shifts([typical] * count).values():
        np.testing.assert_allclose(shift, 0, atol=1e-12)


@given(logs, st.integers(FEWEST_CLIPS, 30))
def test_constant_scores_are_drawn_towards_the_population(log_scores, count):
    """Never beyond it."""
    same = Reading({"voice": log_scores}, {"voice": 1.0}, 1.0)
    moved = log_scores + shifts([same] * count)["voice"]
    low, high = np.minimum(log_scores, MEANS[2]), np.maximum(log_scores, MEANS[2])
    assert (moved >= low - 1e-9).all()
    assert (moved <= high + 1e-9).all()


def test_few_clips_and_a_bundle_without_a_population_are_said():
    one = Reading({"voice": MEANS[0]}, {"voice": 1.0}, 1.0)
    assert Statistics.empty().lacking(POPULATION) == "too_little"
    assert after([one] * (FEWEST_CLIPS - 1)).lacking(POPULATION) == "too_little"
    assert after([one] * FEWEST_CLIPS).lacking(POPULATION) is None
    assert after([one] * FEWEST_CLIPS).lacking(None) == "no_population"
    assert after([one] * FEWEST_CLIPS).lacking(Population({})) == "no_population"


@pytest.mark.parametrize(
    ("log_scores", "weights", "length"),
    [
        ({"voice": MEANS[0]}, {}, 1.0),
        ({"voice": MEANS[0]}, {"voice": -1.0}, 1.0),
        ({"voice": MEANS[0]}, {"voice": 1.0}, np.nan),
        ({"voice": MEANS[0] * np.inf}, {"voice": 1.0}, 1.0),
        ({"voice": MEANS[0], "face": MEANS[0][:2]}, {"voice": 1.0, "face": 1.0}, 1.0),
    ],
)
def test_a_reading_that_makes_no_sense_is_refused(log_scores, weights, length):
    with pytest.raises(InvalidInputError):
        Reading(log_scores, weights, length)
