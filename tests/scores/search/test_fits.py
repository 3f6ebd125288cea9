"""Weights that are fitted smoothly or by folds, stacking, and comparisons."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from facevoice.branches.blend import blend
from facevoice.branches.stack import stacking_features
from facevoice.errors import InvalidInputError
from facevoice.scores.metrics import ConfusionMatrix, log_loss, predicted_classes
from facevoice.scores.search import (
    Fusion,
    WeightTree,
    best_branch,
    blend_log_loss,
    compare,
    fit_log_loss,
    fit_nested,
    fit_shrunk,
    fit_stacking,
    leave_one_branch_out,
    search_grid,
    search_tree,
    shrink,
    weight_tree,
)
from facevoice.scores.table import ScoreTable

LABELS = ("a", "b", "c", "d")


def skilled(
    seed: int = 0, count: int = 240, skills: tuple[float, ...] = (1.5, 1.0, 0.0), speakers: int = 24
) -> ScoreTable:
    """Branches of known skill with noise of their own."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, count)
    logits = rng.normal(size=(count, len(skills), 4))
    logits += np.array(skills)[None, :, None] * np.eye(4)[truth][:, None]
    powered = np.exp(logits)
    return ScoreTable.of_arrays(
        powered / powered.sum(axis=2, keepdims=True),
        truth,
        branches=[f"{place}: skill {skill:g}" for place, skill in enumerate(skills)],
        labels=LABELS,
        groups=[f"speaker {index % speakers}" for index in range(count)],
    )


def silent(table: ScoreTable, share: float = 0.3) -> ScoreTable:
    scores = table.scores.copy()
    scores[np.random.default_rng(9).random(scores.shape[:2]) < share] = np.nan
    fields = {name: getattr(table, name) for name in ScoreTable.__slots__}
    return ScoreTable(**(fields | {"scores": scores}))


def war(table: ScoreTable, scores: np.ndarray) -> float:
    return ConfusionMatrix.of_scores(scores, table.truth, table.labels).war


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_log_loss_weights_reach_scipys_optimum(share: float) -> None:
    table = silent(skilled(skills=(1.5, 1.2, 0.8, 0.0)), share) if share else skilled()
    members = len(table.branches)
    fitted = fit_log_loss(table)
    ours = blend_log_loss(table, np.array([fitted.root.weights]))[0]
    theirs = min(
        optimize.minimize(
            lambda w: float(blend_log_loss(table, np.abs(w)[None])[0]), start, method="Nelder-Mead",
            options={"maxiter": 4000, "fatol": 1e-10, "xatol": 1e-8},
        ).fun
        for start in (np.ones(members), np.arange(members, 0, -1.0))
    )  # fmt: skip
    assert ours <= theirs + 1e-6
    answered = table.rows(table.answered)
    by_metric = log_loss(fitted.fuse(answered), answered.truth)
    assert by_metric == pytest.approx(
        blend_log_loss(answered, np.array([fitted.root.weights]))[0], abs=1e-6
    )


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_log_loss_weights_of_a_product_reach_scipys_optimum(share: float) -> None:
    table = silent(skilled(skills=(1.5, 1.2, 0.8, 0.0)), share)
    answered = table.rows(table.answered)
    members = len(table.branches)
    fitted = fit_log_loss(table, rule="product")
    assert fitted.root.rule == "product"

    def loss(weights: np.ndarray) -> float:
        return log_loss(blend(answered.scores, weights, "product"), answered.truth)

    found = optimize.minimize(
        loss, np.full(members, 1 / members), method="SLSQP", bounds=[(1e-9, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-12},
    )  # fmt: skip
    ours = loss(np.array(fitted.root.weights))
    assert ours == pytest.approx(found.fun, abs=2e-6)
    assert ours < loss(np.ones(members))
    values = blend_log_loss(answered, np.array([fitted.root.weights]), "product")
    assert values[0] == pytest.approx(ours, abs=1e-9)


def test_log_loss_grid_tries_each_vector() -> None:
    table = skilled(count=60)
    found = search_grid(table, step=0.25, objective="log_loss")
    grid = np.stack(np.meshgrid(*[np.arange(5) / 4] * 3, indexing="ij"), -1).reshape(-1, 3)[1:]
    losses = [log_loss(blend(table.scores, weights), table.truth) for weights in grid]
    assert found.value == pytest.approx(min(losses))
    assert found.vectors == 124
    assert found.optimal == np.sum(np.array(losses) < min(losses) + 1e-12)
    assert fit_log_loss(table).fuse(table).shape == (60, 4)
    optimum = blend_log_loss(table, np.array([fit_log_loss(table).root.weights]))[0]
    assert optimum <= found.value


def test_log_loss_weights_ignore_a_truth_nobody_sees() -> None:
    scores = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.3, 0.7], [0.9, 0.1]]])
    table = ScoreTable.of_arrays(scores, [1, 1], labels=["a", "b"])
    weights = fit_log_loss(table).root.weights
    assert weights[0] > 0.99
    with pytest.raises(InvalidInputError, match="positive score"):
        fit_log_loss(table.rows(np.array([0])))


def test_stacking_equals_scikit_learn() -> None:
    table = silent(skilled(), 0.1)
    table = table.rows(table.answered)
    features = stacking_features(table.scores)[:, :-1]
    for strength in (0.01, 1.0):
        ours = fit_stacking(table, inverse_penalty=strength).fuse(table)
        reference = LogisticRegression(C=strength, tol=1e-8, max_iter=2000)
        theirs = reference.fit(features, table.truth).predict_proba(features)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_stacking_with_an_absent_class_and_silence() -> None:
    table = skilled(count=100)
    seen = table.rows(table.truth != 3)
    stacked = fit_stacking(seen)
    assert (predicted_classes(stacked.fuse(table)) == 3).sum() == 0
    mute = silent(table, 1.0)
    assert np.isnan(stacked.fuse(mute)).all()
    with pytest.raises(InvalidInputError, match="needs a labelled clip"):
        fit_stacking(mute)
    with pytest.raises(InvalidInputError, match="positive"):
        fit_stacking(table, inverse_penalty=0)


def test_nested_folds_never_see_their_own_groups() -> None:
    table = skilled()
    seen: list[set[str]] = []

    def spy(training: ScoreTable) -> Fusion:
        seen.append({str(group) for group in training.groups})
        return search_grid(training, step=0.1)

    result = fit_nested(table, spy, n_folds=4)
    for fold, groups in enumerate(seen):
        held = {str(group) for group in table.groups[result.folds == fold]}
        assert held
        assert not held & groups
        again = search_grid(table.rows(result.folds != fold), step=0.1)
        part = table.rows(result.folds == fold)
        np.testing.assert_array_equal(result.scores[result.folds == fold], again.fuse(part))
    members, weights = result.weights()
    assert members == table.branches
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(result.mean_tree.root.weights, weights.mean(axis=0))


def test_nested_folds_take_trees_and_refuse_leaks() -> None:
    table = skilled()
    nodes = {"low": table.branches[1:], "system": (table.branches[0], "low")}
    result = fit_nested(table, lambda part: search_tree(part, nodes, step=0.25), n_folds=3)
    assert [node.name for node in result.mean_tree.nodes] == ["low", "system"]
    assert result.weights("low")[1].shape == (3, 2)
    stacked = fit_nested(table, fit_stacking, n_folds=3)
    assert not np.isnan(stacked.scores).any()
    with pytest.raises(InvalidInputError, match="holds no weights"):
        stacked.weights()
    with pytest.raises(InvalidInputError, match="is in 2 folds"):
        fit_nested(table, fit_stacking, folds=np.arange(240) // 120)


def test_nested_is_honest_about_noise() -> None:
    """Branches without skill: the search gains on its own clips, and nothing on others."""
    table = skilled(3, count=120, skills=(0.0, 0.0, 0.0, 0.0))
    optimistic = search_grid(table, step=0.1).value
    honest = fit_nested(table, lambda part: search_grid(part, step=0.1)).scores
    assert optimistic > 0.33
    assert war(table, honest) < optimistic - 0.05


def test_shrinkage_goes_towards_equal_weights() -> None:
    np.testing.assert_allclose(shrink(np.array([3.0, 1.0]), 0.5), [0.625, 0.375])
    equal = skilled(1, skills=(1.0, 1.0, 1.0))
    shrunk = fit_shrunk(equal, lambda part: search_grid(part, step=0.1))
    assert shrunk.values[shrunk.amounts.index(shrunk.amount)] == shrunk.values.max()
    assert shrunk.amount > 0
    assert sum(weight_tree(shrunk).root.weights) == pytest.approx(1)
    nodes = {"low": equal.branches[1:], "system": (equal.branches[0], "low")}
    with pytest.raises(InvalidInputError, match="one node"):
        fit_shrunk(equal, lambda part: search_tree(part, nodes, step=0.5))


def test_contributions() -> None:
    table = skilled(count=480)
    assert best_branch(table) == "0: skill 1.5"
    equal = WeightTree.equal(table.branches)
    strong, _, noise = leave_one_branch_out(table, equal)
    assert strong.test.difference > 0
    assert strong.test.p_value < 0.01
    assert noise.test.difference < 0  # better without it
    assert strong.without == pytest.approx(war(table, equal.fuse(table)) - strong.test.difference)
    unread = leave_one_branch_out(table, WeightTree.equal(table.branches[:2]))[2]
    assert unread.test.difference == 0
    assert unread.test.p_value == 1


def test_comparison_by_uar_and_group() -> None:
    table = skilled(count=480)
    first, second = table.column("0: skill 1.5"), table.column("2: skill 0")
    test = compare(table, first, second, figure="uar")
    matrices = [
        ConfusionMatrix.of_scores(scores, table.truth, LABELS) for scores in (first, second)
    ]
    assert test.difference == pytest.approx(matrices[0].uar - matrices[1].uar)
    assert test.units == 24
    assert compare(table, first, second).exact
    assert compare(table, first, second, by_group=False).p_value < 1e-6
