"""Calibration against scikit-learn and scipy, and on scores whose fault is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from facevoice.branches import base as branches
from facevoice.branches.base import tempered
from facevoice.errors import InvalidInputError
from facevoice.scores.calibration import (
    fit_class_offsets,
    fit_temperature,
    fit_vector_scaling,
    logit_adjustment,
    nested_class_offsets,
    risk_coverage,
)
from facevoice.scores.metrics import ConfusionMatrix, log_loss, reliability_bins


def overconfident(
    seed: int = 0, count: int = 3000, sharpness: float = 2.5
) -> tuple[np.ndarray, np.ndarray]:
    """Scores sharpened after the truth was drawn from them."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet(np.full(5, 0.8), count)
    truth = (rng.random(count)[:, None] > honest.cumsum(axis=1)).sum(axis=1).clip(0, 4)
    return tempered(honest, 1 / sharpness), truth


def test_temperature_undoes_sharpening() -> None:
    scores, truth = overconfident()
    temperature = fit_temperature(scores, truth)
    assert temperature == pytest.approx(2.5, rel=0.08)
    least = optimize.minimize_scalar(
        lambda t: log_loss(tempered(scores, t), truth), bounds=(0.1, 10), method="bounded"
    )
    assert temperature == pytest.approx(least.x, rel=1e-4)
    calm = tempered(scores, temperature)
    assert reliability_bins(calm, truth).ece < reliability_bins(scores, truth).ece / 3


def test_temperature_stays_in_bounds_and_skips_silence() -> None:
    always = np.tile([0.9, 0.1], (20, 1))
    assert fit_temperature(always, np.zeros(20, int)) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(always, np.ones(20, int)) == pytest.approx(20, rel=1e-3)
    scores, truth = overconfident(count=300)
    silent = np.vstack([scores, np.full((1, 5), np.nan)])
    assert fit_temperature(silent, np.append(truth, 0)) == fit_temperature(scores, truth)
    with pytest.raises(InvalidInputError, match="needs a clip"):
        fit_temperature(silent[-1:], np.array([0]))


def test_tempered_is_that_of_the_branches() -> None:
    scores, _ = overconfident(count=20)
    np.testing.assert_allclose(tempered(scores, 1.7), branches.tempered(scores, 1.7))
    assert branches.SMALLEST_SCORE == 1e-12


def test_vector_scaling_reaches_scipys_optimum() -> None:
    scores, truth = overconfident(count=400)
    fitted = fit_vector_scaling(scores, truth, penalty=0.05)
    logits = np.log(np.maximum(scores, 1e-12))

    def loss(point: np.ndarray) -> float:
        moved = logits * point[:5] + point[5:]
        spread = np.log(np.exp(moved).sum(axis=1)) - moved[np.arange(400), truth]
        rest = np.array([1.0] * 5 + [0.0] * 5)
        return float(spread.mean() + 0.025 * ((point - rest) ** 2).sum())

    reached = loss(np.array([*fitted.class_scale, *fitted.class_offsets]))
    best = optimize.minimize(loss, np.array([1.0] * 5 + [0.0] * 5))
    assert reached <= best.fun + 1e-6
    assert log_loss(fitted.apply(scores), truth) < log_loss(scores, truth)


def test_logit_adjustment_is_division_by_the_prior() -> None:
    scores = np.array([[0.6, 0.3, 0.1]])
    adjusted = logit_adjustment(np.array([60, 30, 10])).apply(scores)
    np.testing.assert_allclose(adjusted, 1 / 3)
    np.testing.assert_allclose(logit_adjustment(np.ones(3)).apply(scores), scores)
    with pytest.raises(InvalidInputError, match="above 0"):
        logit_adjustment(np.array([1, 0]))


def rare(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A rare third class that plain decisions hardly ever name."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, count, p=[0.5, 0.42, 0.08])
    logits = rng.normal(size=(count, 3)) + 1.2 * np.eye(3)[truth] + np.log([0.5, 0.42, 0.08])
    powered = np.exp(logits)
    return powered / powered.sum(axis=1, keepdims=True), truth


def uar(scores: np.ndarray, truth: np.ndarray) -> float:
    return ConfusionMatrix.of_scores(scores, truth, ["a", "b", "c"]).uar


def test_offsets_help_rare_classes_on_unseen_groups() -> None:
    scores, truth = rare(0)
    folds = np.arange(600) // 100
    adjusted, offsets = nested_class_offsets(scores, truth, folds)
    assert uar(adjusted, truth) > uar(scores, truth) + 0.05
    assert len(offsets) == 6
    own = fit_class_offsets(scores[folds != 2], truth[folds != 2])
    assert offsets[2] == own
    np.testing.assert_array_equal(adjusted[folds == 2], own.apply(scores[folds == 2]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_offsets_never_lose_on_their_own_clips(seed: int) -> None:
    scores, truth = rare(seed, count=60)
    assert uar(fit_class_offsets(scores, truth).apply(scores), truth) >= uar(scores, truth) - 1e-9


def test_folds_must_fit() -> None:
    scores, truth = rare(1, count=20)
    with pytest.raises(InvalidInputError, match="at least two folds"):
        nested_class_offsets(scores, truth, np.zeros(20, int))


def test_risk_coverage_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4], [np.nan, np.nan]])
    curve = risk_coverage(scores, np.array([0, 1, 1, 1, 0]))
    assert curve.threshold.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.2, 0.6, 0.8]
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((0.2 * 0 + 0.4 / 3 + 0.2 / 2) / 0.8)
    assert curve.threshold_for_risk(0.4) == 0.8
    with pytest.raises(InvalidInputError, match="the least is 0"):
        risk_coverage(scores[1:3], np.array([1, 1])).threshold_for_risk(0.1)
