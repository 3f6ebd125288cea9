"""Figures against scikit-learn and scipy, the paper's own matrix, and simulated coverage."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from facevoice.errors import InvalidInputError
from facevoice.scores.metrics import (
    ConfusionMatrix,
    Figures,
    bootstrap,
    brier,
    ece_when_calibrated,
    evaluate,
    group_spread,
    log_loss,
    matrix_statistic,
    paired_permutation,
    predicted_classes,
    recall_weights,
    reliability_bins,
    wilson,
)
from facevoice.types import EMOTIONS
from support.score_tables import skilled

FIG_2 = """
72.45 0 5.10 3.06 16.33 2.04 1.02
15 0 0 15 62.5 7.5 0
24.29 0 34.29 1.43 27.14 8.57 4.29
3.47 0 0 81.94 10.42 4.17 0
6.22 0 1.04 2.07 86.53 4.15 0
11.25 0 3.75 7.5 40 37.5 0
21.43 0 21.43 7.14 46.43 3.57 0
"""
FIG_2_CLIPS = np.array([98, 40, 70, 144, 193, 80, 28])


def simulated(seed: int = 0, count: int = 200, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    scores = rng.dirichlet(np.ones(classes), count) + 0.5 * np.eye(classes)[truth]
    return scores / scores.sum(axis=1, keepdims=True), truth


def test_papers_confusion_matrix() -> None:
    percent = np.array(FIG_2.split(), float).reshape(7, 7)
    counts = np.rint(percent * FIG_2_CLIPS[:, None] / 100)
    matrix = ConfusionMatrix(EMOTIONS, counts.astype(np.int64), np.zeros(7, np.int64))
    assert (matrix.total, matrix.right) == (653, 410)
    assert round(100 * matrix.war, 2) == 62.79
    assert round(100 * matrix.uar, 2) == 44.67
    assert round(100 * matrix.macro_f1, 1) == 43.4
    assert np.abs(matrix.row_percent - percent).max() < 0.006
    assert math.isnan(matrix.precision[1])
    assert matrix.f1[1] == 0
    interval = wilson(matrix.right, matrix.total)
    assert (round(100 * interval.low, 1), round(100 * interval.high, 1)) == (59.0, 66.4)


def test_figures_equal_scikit_learn() -> None:
    scores, truth = simulated()
    predicted = predicted_classes(scores)
    matrix = ConfusionMatrix.of_predictions(truth, predicted, list("abcd"))
    assert np.array_equal(matrix.counts, reference.confusion_matrix(truth, predicted))
    assert matrix.war == pytest.approx(reference.accuracy_score(truth, predicted))
    assert matrix.uar == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert matrix.macro_f1 == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    by_class = reference.precision_recall_fscore_support(truth, predicted)
    for ours, theirs in zip(
        (matrix.precision, matrix.recall, matrix.f1, matrix.support), by_class, strict=True
    ):
        np.testing.assert_allclose(ours, theirs)
    assert log_loss(scores, truth) == pytest.approx(reference.log_loss(truth, scores))
    one_hot = np.eye(4)[truth]
    assert brier(scores, truth) == pytest.approx(((scores - one_hot) ** 2).sum(axis=1).mean())
    assert recall_weights(truth) @ (predicted == truth) == pytest.approx(matrix.uar)


def test_absent_class_and_unanswered_clips() -> None:
    truth = np.array([0, 0, 2, 2, -1])
    matrix = ConfusionMatrix.of_predictions(truth, np.array([0, -1, 2, 1, 1]), list("abc"))
    assert matrix.total == 4
    assert matrix.war == 0.5
    assert matrix.uar == 0.5
    assert matrix.coverage == 0.75
    assert math.isnan(matrix.recall[1])
    assert np.isnan(matrix.row_percent[1]).all()
    empty = ConfusionMatrix.of_predictions(np.array([-1]), np.array([0]), list("abc"))
    assert math.isnan(empty.war)
    assert math.isnan(empty.uar)


def test_a_single_clip() -> None:
    matrix = ConfusionMatrix.of_scores(np.array([[0.2, 0.8]]), np.array([1]), ["a", "b"])
    assert (matrix.war, matrix.uar, matrix.macro_f1) == (1, 1, 1)
    interval = wilson(1, 1)
    assert interval.high == 1
    assert 0.2 < interval.low < 0.21


def test_ties_go_to_the_lowest_class() -> None:
    sums = np.array([[0.3, 0.1 + 0.2, 0.4 - 1e-13], [0.1 + 0.2, 0.3, 0.0], [0.0, 0.3, 0.1 + 0.2]])
    assert predicted_classes(sums).tolist() == [2, 0, 1]
    assert predicted_classes(np.array([[np.nan, np.nan]])).tolist() == [-1]


@pytest.mark.parametrize(
    ("truth", "message"),
    [(np.array([0, 7]), "row 1 is 7"), (np.array([0.0, 1.0]), "integers"), (np.zeros(3, int), "3")],
)
def test_wrong_truth_is_named(truth: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        log_loss(np.full((2, 7), 1 / 7), truth)


def test_wilson_equals_scipy() -> None:
    for right, total, level in product((0, 1, 13, 20), (20, 57), (0.9, 0.95)):
        theirs = stats.binomtest(right, total).proportion_ci(level, method="wilson")
        ours = wilson(right, total, level)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    with pytest.raises(InvalidInputError, match="0 <= right"):
        wilson(3, 2)


def test_calibration_error_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    truth = np.array([0, 1, 1, 1])
    assert reliability_bins(scores, truth).ece == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    bins = reliability_bins(scores, truth, n_bins=10)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 2, 0]  # a bin holds its upper edge
    assert bins.accuracy[5] == 1


def test_calibrated_scores_show_the_expected_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.full(5, 0.6), 300)
    draws = [
        np.array([rng.choice(5, p=row) for row in scores])  # truth drawn from the scores
        for _ in range(30)
    ]
    seen = np.mean([reliability_bins(scores, truth).ece for truth in draws])
    assert ece_when_calibrated(scores, draws[0]) == pytest.approx(seen, rel=0.1)
    assert seen > 0.02  # far from 0 on 300 clips, though nothing is wrong


def test_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    covered = {"wilson": 0, "clips": 0, "groups": 0, "clips of groups": 0}
    runs, groups = 200, np.repeat(np.arange(40), 10)
    for _ in range(runs):
        right = rng.random(120) < 0.7
        interval = wilson(int(right.sum()), 120)
        covered["wilson"] += interval.low <= 0.7 <= interval.high
        interval = bootstrap(lambda clips, r=right: r[clips].mean(), 120, resamples=300)  # type: ignore[misc]
        covered["clips"] += interval.low <= 0.7 <= interval.high
        alike = rng.random(400) < rng.beta(3.5, 1.5, 40)[groups]  # mean 0.7, speakers differ
        for name, units in (("groups", groups), ("clips of groups", None)):
            interval = bootstrap(
                lambda clips, r=alike: r[clips].mean(),  # type: ignore[misc]
                400,
                groups=units,
                resamples=300,
            )
            covered[name] += interval.low <= 0.7 <= interval.high
    share = {name: count / runs for name, count in covered.items()}
    assert share["wilson"] > 0.91
    assert share["clips"] > 0.90
    assert share["groups"] > 0.88
    assert share["clips of groups"] < 0.85  # why groups matter


def test_few_groups_are_cautioned() -> None:
    alike = np.zeros(12, int)
    statistic = matrix_statistic(lambda matrix: matrix.war, alike, alike, ("a",))
    interval = bootstrap(statistic, 12, groups=np.arange(12) // 2)
    assert interval.units == 6
    assert "6 groups" in interval.caution
    assert bootstrap(statistic, 12).caution == ""
    assert "only one group" in bootstrap(statistic, 12, groups=np.zeros(12)).caution


def test_uar_statistic_counts_classes_in_the_resample() -> None:
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1])
    statistic = matrix_statistic(lambda matrix: matrix.uar, truth, predicted, ("a", "b", "c"))
    assert statistic(np.array([1, 3])) == 0  # no answer is a wrong one
    with pytest.raises(InvalidInputError, match="unknown truth"):
        matrix_statistic(lambda matrix: matrix.uar, predicted, truth, ("a", "b", "c"))
    assert statistic(np.array([0, 1, 2])) == 0.75
    assert statistic(np.array([2, 2])) == 1


def test_paired_test_is_mcnemar_without_groups() -> None:
    first = np.array([1] * 14 + [0] * 5 + [1] * 30)
    second = np.array([0] * 14 + [1] * 5 + [1] * 30)
    test = paired_permutation(first, second)
    assert test.exact
    assert test.units == 19
    assert test.p_value == pytest.approx(stats.binomtest(5, 19).pvalue)
    assert test.difference == pytest.approx(9 / 49)


def test_paired_test_by_groups_equals_enumeration() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 2, (2, 60))
    groups = np.repeat(np.arange(10), 6)
    gaps = np.array([(first - second)[groups == group].sum() for group in range(10)])
    signs = np.array(list(product((-1, 1), repeat=10)))
    expected = (np.abs(signs @ gaps) >= abs(gaps.sum())).mean()
    assert paired_permutation(first, second, groups=groups).p_value == pytest.approx(expected)
    drawn = paired_permutation(first * 0.5, second * 0.5, groups=groups)
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(expected, abs=0.03)


def test_paired_test_keeps_its_level() -> None:
    rng = np.random.default_rng(4)
    p_values = [paired_permutation(*rng.integers(0, 2, (2, 100))).p_value for _ in range(400)]
    assert np.mean(np.array(p_values) <= 0.05) < 0.075


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_paired_test_is_symmetric(pairs: list[tuple[bool, bool]]) -> None:
    first, second = np.array(pairs, float).T
    there, back = paired_permutation(first, second), paired_permutation(second, first)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.difference == -back.difference
    assert 0 < there.p_value <= 1


def test_group_spread() -> None:
    spread = group_spread(
        np.array([0, 0, 1, 1, -1]), np.array([0, 1, 1, 1, 1]), np.array(list("aabbc"))
    )
    assert spread.groups == ("a", "b")
    assert spread.war.tolist() == [0.5, 1.0]
    assert spread.deviation == pytest.approx(np.std([0.5, 1.0], ddof=1))


# --- all figures of one system ---


def test_figures_are_those_of_scikit_learn_whoever_asks() -> None:
    table = skilled()
    truth = table.truth.copy()
    truth[::9] = -1
    table = replace(table, truth=truth)
    known, chosen = table.labelled, table.column("strong").argmax(axis=1)
    figures = evaluate(table, "strong", resamples=20)
    assert (figures.name, figures.matrix.total) == ("strong", int(known.sum()))
    assert figures.matrix.uar == pytest.approx(
        reference.balanced_accuracy_score(truth[known], chosen[known])
    )
    assert figures.calibration is not None
    loss = reference.log_loss(truth[known], table.column("strong")[known])
    assert figures.calibration.log_loss == pytest.approx(loss)
    assert figures.uar.method == "group bootstrap"
    assert evaluate(replace(table, groups=table.ids), "strong").uar.method == "clip bootstrap"
    bare = Figures("strong", table.labels, table.column("strong"), truth)
    names = ("count", "war", "war_low", "uar", "ece", "ece_if_perfect", "log_loss", "recall")
    assert bare.rounded(*names) == figures.rounded(*names)
    assert figures.rounded("log_loss") == {"log_loss": round(loss, 4)}


def test_figures_of_silence_and_of_no_truth() -> None:
    table = skilled()
    silent = evaluate(table, np.full_like(table.column("strong"), np.nan), "nothing", resamples=20)
    assert (silent.matrix.war, silent.coverage, silent.calibration) == (0, 0, None)
    assert silent.rounded("count", "war") == {"count": 160, "war": 0}
    with pytest.raises(InvalidInputError, match="no clip has both scores and a truth"):
        silent.rounded("ece")
    with pytest.raises(InvalidInputError, match="no clip has a known truth"):
        evaluate(replace(table, truth=np.full(160, -1)), "strong")
    with pytest.raises(InvalidInputError, match="no branch 'nose'"):
        evaluate(table, "nose")
