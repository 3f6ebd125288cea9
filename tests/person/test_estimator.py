"""What holds of any estimator: see also docs/person.md."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax
from scipy.stats import entropy

from facevoice.errors import InvalidInputError
from facevoice.person import FEWEST_CLIPS, BranchPopulation, Population, Reading, Statistics
from facevoice.person.estimator import (
    CENTRED_SHARE,
    FEW_EMOTIONS,
    NEUTRAL_PRIOR_CLIPS,
    NEUTRAL_TRUST,
    PRIOR_CLIPS,
)

LABELS = 4
BRANCHES = ("face.one", "face.two", "voice")
logs = arrays.arrays(np.float64, LABELS, elements=st.floats(-27, 0))
seconds = st.floats(0, 100)


@st.composite
def clips(draw):
    """The reading of one clip: any of the branches may lack, though not all."""
    names = draw(st.lists(st.sampled_from(BRANCHES), min_size=1, unique=True))
    return Reading(
        {name: draw(logs) for name in names},
        {name: draw(seconds) for name in names},
        draw(seconds),
        {"voice": draw(logs)} if "voice" in names and draw(st.booleans()) else {},
    )


people = st.lists(clips(), min_size=FEWEST_CLIPS, max_size=8)
MEANS = np.log(np.random.default_rng(5).dirichlet(np.ones(LABELS), len(BRANCHES)))
POPULATION = Population(
    {name: BranchPopulation(mean, 9, 3) for name, mean in zip(BRANCHES, MEANS, strict=True)}
)
SECOND = np.array([0.4, 0.3, 0.2, 0.1])
CENTRED = Population({"voice": BranchPopulation(MEANS[2], 9, 3, MEANS[0])})


def after(readings, start=None):
    return reduce(Statistics.plus, readings, start or Statistics.empty())


def shifts(readings):
    return {name: each.shift for name, each in after(readings).shift(POPULATION).items()}


def close(one, two):
    assert set(one) == set(two)
    for name, shift in one.items():
        np.testing.assert_allclose(shift, two[name], atol=1e-9)


@settings(max_examples=30)
@given(people, st.randoms())
def test_the_order_of_clips_does_not_matter(readings, random):
    mixed = [*readings]
    random.shuffle(mixed)
    close(shifts(readings), shifts(mixed))


@settings(max_examples=30)
@given(people, st.integers(0, 8))
def test_a_state_goes_on_where_it_was(readings, place):
    """One by one or in two parts, through a file or not: the same state to the digit."""
    part = after(readings[:place])
    again = Statistics.from_dict(part.to_dict())
    assert again == part
    assert after(readings[place:], again) == after(readings)


@settings(max_examples=30)
@given(people)
def test_a_duplicate_moves_the_shift_no_further_than_what_it_repeats(readings):
    """Clips that all come twice say the same, with less left to the prior."""
    once, twice = shifts(readings), shifts(readings + readings)
    for name, shift in once.items():
        assert (np.abs(twice[name]) >= np.abs(shift) - 1e-9).all()
        assert (twice[name] * shift >= -1e-12).all()


@settings(max_examples=30)
@given(people)
def test_a_branch_without_scores_is_not_shifted(readings):
    seen = {name for reading in readings for name in reading.log_scores}
    assert set(shifts(readings)) == seen
    assert all(np.isfinite(shift).all() for shift in shifts(readings).values())


@settings(max_examples=30)
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


@settings(max_examples=30)
@given(st.integers(FEWEST_CLIPS, 30))
def test_a_person_like_the_population_is_not_shifted(count):
    typical = Reading(dict(zip(BRANCHES, MEANS, strict=True)), dict.fromkeys(BRANCHES, 1.0), 1.0)
    for shift in shifts([typical] * count).values():
        np.testing.assert_allclose(shift, 0, atol=1e-12)


@settings(max_examples=30)
@given(logs, st.integers(FEWEST_CLIPS, 30))
def test_constant_scores_are_drawn_towards_the_population(log_scores, count):
    """Never beyond it, and not at all as long as they look like few emotions."""
    same = Reading({"voice": log_scores}, {"voice": 1.0}, 1.0)
    moved = log_scores + shifts([same] * count)["voice"]
    low, high = np.minimum(log_scores, MEANS[2]), np.maximum(log_scores, MEANS[2])
    assert (moved >= low - 1e-9).all()
    assert (moved <= high + 1e-9).all()
    if entropy(softmax(4 * log_scores)) <= np.log(FEW_EMOTIONS * LABELS):
        np.testing.assert_array_equal(moved, log_scores)


@settings(max_examples=30)
@given(people)
def test_emotions_shown_are_counted_as_diversity_is_in_ecology(readings):
    """Against scipy's entropy: Hill's number of order 1."""
    for name, own in after(readings).branches.items():
        logs = np.array([each.log_scores[name] for each in readings if name in each.log_scores])
        expected = np.exp(entropy(softmax(4 * logs, axis=1).mean(axis=0)))
        assert own.emotions == pytest.approx(expected, rel=1e-6)


def voiced(values, second):
    logs = np.log(np.asarray(values, float))
    return Reading({"voice": logs}, {"voice": 1.0}, 1.0, {"voice": np.log(second)})


def test_a_person_who_is_happy_throughout_stays_happy():
    happy = [voiced(values, SECOND) for values in ([0.8, 0.1, 0.05, 0.05], [0.6, 0.2, 0.1, 0.1])]
    assert not any(after(happy * 20).shift(CENTRED).values())


def test_a_varied_person_is_read_by_the_second_model_against_the_own_mean_of_it():
    varied = [voiced(np.roll([0.7, 0.1, 0.1, 0.1], k), np.roll(SECOND, k)) for k in range(LABELS)]
    found = after(varied * 2)
    shift = found.shift(CENTRED)["voice"]
    share = CENTRED_SHARE * 8 / (8 + PRIOR_CLIPS)
    assert shift.share == pytest.approx(share)
    own = np.mean([each.centred["voice"] for each in varied], axis=0)
    expected = (1 - share) * varied[0].log_scores["voice"]
    expected += share * (np.log(SECOND) - own + MEANS[0])
    np.testing.assert_allclose(shift(varied[0], "voice"), expected)
    plain = after(varied * 2).shift(POPULATION)["voice"]
    assert plain.share == 0


def test_a_clip_without_the_second_model_makes_the_branch_do_without():
    varied = [voiced(np.roll([0.7, 0.1, 0.1, 0.1], k), SECOND) for k in range(LABELS)]
    alone = Reading({"voice": MEANS[1]}, {"voice": 1.0}, 1.0)
    found = after([*varied, alone, *varied])
    assert found.branches["voice"].every.centred is None
    assert found.shift(CENTRED)["voice"].share == 0
    shift = after(varied * 2).shift(CENTRED)["voice"]
    np.testing.assert_array_equal(shift(alone, "voice"), MEANS[1])


NEUTRAL = np.log([0.1, 0.1, 0.6, 0.2])
CENTRED_NEUTRAL = np.log([0.2, 0.1, 0.5, 0.2])
KNOWS_NEUTRAL = Population(
    {
        "face.one": BranchPopulation(MEANS[0], 9, 3, neutral=NEUTRAL),
        "face.two": BranchPopulation(MEANS[1], 9, 3),
        "voice": BranchPopulation(MEANS[2], 9, 3, MEANS[0], NEUTRAL, CENTRED_NEUTRAL),
    }
)


def declared(readings, start=None):
    known = start or Statistics.empty()
    for reading in readings:
        known = known.plus(reading, neutral=True)
    return known


def test_one_neutral_clip_is_enough_and_moves_it_to_where_such_clips_lie():
    calm = Reading({"face.one": MEANS[1], "face.two": MEANS[1]}, dict.fromkeys(BRANCHES[:2], 1), 1)
    known = declared([calm])
    assert after([calm]).lacking(KNOWS_NEUTRAL) == "too_little"
    assert known.lacking(KNOWS_NEUTRAL) is None
    for count in (1, 3, 10):
        shifts = declared([calm] * count).shift(KNOWS_NEUTRAL)
        trust = NEUTRAL_TRUST * count / (count + NEUTRAL_PRIOR_CLIPS)
        expected = trust * (NEUTRAL - MEANS[1])
        # a face of few emotions is not trusted as a whole
        trusted = declared([calm] * count).branches["face.one"].trust
        expected = trusted * (MEANS[0] - MEANS[1]) + (1 - trusted) * expected
        np.testing.assert_allclose(shifts["face.one"].shift, expected)
        as_others = after([calm] * count).shift(KNOWS_NEUTRAL)["face.two"]
        np.testing.assert_array_equal(shifts["face.two"].shift, as_others.shift)


def test_neutral_clips_of_the_second_model_are_a_first_guess_until_others_say_more():
    calm = voiced([0.3, 0.1, 0.4, 0.2], SECOND)
    varied = [voiced(np.roll([0.7, 0.1, 0.1, 0.1], k), np.roll(SECOND, k)) for k in range(LABELS)]
    known = declared([calm] * 2)
    one = known.branches["voice"]
    trust = (1 - one.trust) * NEUTRAL_TRUST * 2 / (2 + NEUTRAL_PRIOR_CLIPS)
    assert one.neutral_trust == pytest.approx(trust)
    shift = known.shift(KNOWS_NEUTRAL)["voice"]
    assert shift.share == pytest.approx(trust + CENTRED_SHARE * one.trust)
    logs, second = calm.log_scores["voice"], calm.centred["voice"]
    expected = (1 - shift.share) * (logs + trust * (NEUTRAL - logs))
    expected += trust * CENTRED_NEUTRAL + CENTRED_SHARE * one.trust * MEANS[0]
    np.testing.assert_allclose(shift(calm, "voice"), expected)
    assert np.isfinite(second).all()
    more = after(varied * 5, known)
    assert 0 < more.branches["voice"].neutral_trust < trust / 2
    assert more.branches["voice"].every.clips == 22
    assert more.neutral == 2


@settings(max_examples=30)
@given(people, st.lists(st.booleans(), min_size=8, max_size=8), st.integers(0, 8))
def test_declared_clips_go_on_where_they_were_in_any_order(readings, flags, place):
    def known(pairs, start=None):
        state = start or Statistics.empty()
        for reading, neutral in pairs:
            state = state.plus(reading, neutral=neutral)
        return state

    pairs = [*zip(readings, flags, strict=False)]
    part = Statistics.from_dict(known(pairs[:place]).to_dict())
    assert known(pairs[place:], part) == known(pairs)
    both = (known(order).shift(KNOWS_NEUTRAL) for order in (pairs, pairs[::-1]))
    one, two = ({name: each.shift for name, each in shifts.items()} for shifts in both)
    close(one, two)


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


def test_a_branch_has_no_more_clips_than_its_person():
    record = after([Reading({"voice": MEANS[0]}, {"voice": 1.0}, 1.0)] * 4).to_dict()
    with pytest.raises(InvalidInputError, match="4 of a person's 2 clips"):
        Statistics.from_dict(record | {"clips": 2})


def test_one_sided_people_of_two_labels_are_not_shifted():
    """One emotion of two is half of the labels: only what is beyond the first tells variety."""
    likely = np.log([0.99, 0.01])
    clips = [
        Reading({"voice": likely if n else likely[::-1]}, {"voice": 1.0}, 1.0) for n in range(10)
    ]
    known = reduce(Statistics.plus, clips, Statistics.empty())
    population = Population({"voice": BranchPopulation(np.log([0.5, 0.5]), 9, 3)})
    assert not known.shift(population)["voice"]
