"""Stacking on one clip, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from facevoice.branches import Stack, average
from facevoice.branches.stack import stack, stacking_features
from facevoice.errors import BundleError, LabelMismatchError
from facevoice.scores.search import fit_stacking
from facevoice.types import Evidence, Modality, Scores
from support.score_tables import BRANCHES, LABELS, skilled


class Silent:
    """A branch whose scores come from elsewhere."""

    def __init__(
        self, name: str, labels: tuple[str, ...] = LABELS, modality: Modality = "face"
    ) -> None:
        self.name, self.labels, self.modality = name, labels, modality

    def score(self, evidence: Evidence) -> Scores | None:
        return None


MEMBERS = [Silent(name) for name in BRANCHES]


def parts_of(row: np.ndarray) -> dict[str, Scores | None]:
    return {
        name: None if np.isnan(values[0]) else Scores(LABELS, values)
        for name, values in zip(BRANCHES, row, strict=True)
    }


def test_each_clip_gets_what_scikit_learns_regression_predicts() -> None:
    table = skilled()
    features = stacking_features(table.scores)[:, :-1]
    reference = LogisticRegression(C=0.01, tol=1e-8, max_iter=2000).fit(features, table.truth)
    rows = np.vstack([reference.coef_.T, reference.intercept_])
    branch = Stack("system", MEMBERS, rows)
    expected = reference.predict_proba(features)
    for row, wanted in zip(table.scores[:20], expected, strict=False):
        np.testing.assert_allclose(branch.combine(parts_of(row)).values, wanted, rtol=1e-9)
    fitted = fit_stacking(table)
    np.testing.assert_allclose(fitted.fuse(table), expected, atol=1e-4)


def test_a_silent_member_counts_as_uniform_as_in_the_search() -> None:
    table = skilled()
    scores = table.scores.copy()
    scores[::2, 0] = np.nan
    scores[::3, 1:] = np.nan
    fitted = fit_stacking(table)
    branch = Stack("system", MEMBERS, fitted.coefficients)
    whole = stack(scores, fitted.coefficients)
    uniform = stack(np.nan_to_num(scores, nan=0.25), fitted.coefficients)
    for row, wanted, filled in zip(scores, whole, uniform, strict=True):
        found = branch.combine(parts_of(row))
        if np.isnan(wanted[0]):
            assert found is None
            continue
        np.testing.assert_allclose(found.values, wanted, rtol=1e-12)
        np.testing.assert_allclose(found.values, filled, rtol=1e-12)


def test_windows_are_averaged_before_they_are_stacked() -> None:
    branch = Stack("system", MEMBERS, fit_stacking(skilled()).coefficients)
    first, second = skilled().scores[:2]
    seconds = {"face": 1.0, "voice": 0.0}
    found = average(branch, [(seconds, branch.combine(parts_of(row))) for row in (first, second)])
    wanted = branch.combine(parts_of((first + second) / 2))
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-12)


@pytest.mark.parametrize(
    "coefficients", [np.zeros((12, 4)), np.zeros((13, 3)), np.full((13, 4), np.nan)]
)
def test_coefficients_must_fit_members_and_labels(coefficients: np.ndarray) -> None:
    with pytest.raises(BundleError, match=r"coefficients must be \(13, 4\) finite numbers"):
        Stack("system", MEMBERS, coefficients)


def test_members_must_fit_together() -> None:
    with pytest.raises(BundleError, match="0 members"):
        Stack("system", [], np.zeros((1, 4)))
    with pytest.raises(LabelMismatchError, match="cannot mix"):
        Stack("system", [MEMBERS[0], Silent("other", ("a", "b"))], np.zeros((9, 4)))
