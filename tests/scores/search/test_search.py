"""The exact weight search against brute force, and what every fusion must keep."""

import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facevoice.branches import Adjustment
from facevoice.branches.blend import Rule, blend
from facevoice.errors import InvalidInputError
from facevoice.scores.metrics import ConfusionMatrix, log_loss, predicted_classes
from facevoice.scores.search import (
    PUBLISHED_WEIGHTS,
    GridResult,
    Node,
    WeightTree,
    published_tree,
    search_coarse_to_fine,
    search_grid,
    search_tree,
)
from facevoice.scores.table import ScoreTable
from facevoice.types import EMOTIONS
from support.places import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS))
from table1_scores import ACCURACIES, Rounding, table1_scores
from weight_search import brute_force


def random_table(
    seed: int, count: int = 30, members: int = 3, classes: int = 4, votes: int = 0
) -> ScoreTable:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(classes, 0.7), (count, members))
    if votes:
        scores = rng.multinomial(votes, scores) / votes
    names = [f"b{member}" for member in range(members)]
    truth = rng.integers(0, classes, count)
    return ScoreTable.of_arrays(scores, truth, branches=names, labels=list("abcdefg"[:classes]))


def with_silence(table: ScoreTable, seed: int = 0) -> ScoreTable:
    rng = np.random.default_rng(seed)
    scores = table.scores.copy()
    scores[rng.random(scores.shape[:2]) < 0.3] = np.nan
    names = {name: getattr(table, name) for name in ScoreTable.__slots__}
    return ScoreTable(**(names | {"scores": scores}))


def war(table: ScoreTable, scores: np.ndarray) -> float:
    return ConfusionMatrix.of_scores(scores, table.truth, table.labels).war


def tried(table: ScoreTable, steps: int, rule: Rule = "sum") -> dict[tuple[int, ...], float]:
    """WAR of every weight vector, one by one, through the public blend."""
    every = product(range(steps + 1), repeat=len(table.branches))
    vectors = [vector for vector in every if any(vector)]
    return {vector: war(table, blend(table.scores, vector, rule)) for vector in vectors}


def assert_same_as_tried(
    found: GridResult, table: ScoreTable, steps: int, rule: Rule = "sum"
) -> None:
    values = tried(table, steps, rule)
    best = max(values.values())
    optimal = [vector for vector, value in values.items() if value == best]
    chosen = min(
        optimal, key=lambda vector: (sum((steps - w) ** 2 for w in vector), [-w for w in vector])
    )
    assert found.value == pytest.approx(best)
    assert found.optimal == len(optimal)
    assert found.vectors == len(values)
    assert tuple(found.weights) == tuple(weight / steps for weight in chosen)
    np.testing.assert_allclose(found.lowest, np.min(optimal, axis=0) / steps)
    np.testing.assert_allclose(found.highest, np.max(optimal, axis=0) / steps)


@pytest.mark.parametrize("members", [4, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", range(10))
def test_search_equals_brute_force_on_tables_like_the_papers(seed: int, members: int) -> None:
    kinds: tuple[Rounding, ...] = ("votes", "decimals", "none")
    table = table1_scores(seed, rounding=kinds[seed % 3])
    table = table.select(table.branches[:members])
    best, optimal, chosen, vectors = brute_force(table, 10)
    found = search_grid(table, step=0.1)
    assert round(found.value * len(table)) == best
    assert (found.optimal, tuple(found.weights), found.vectors) == (optimal, chosen, vectors)


def test_search_equals_a_naive_brute_force_where_nothing_ties() -> None:
    table = table1_scores(2, rounding="none").select(["vggface", "resnet18", "audio"])
    columns = table.scores.transpose(1, 0, 2).reshape(3, -1)
    vectors = np.array(list(product(np.arange(26) * 0.04, repeat=3)))[1:]
    decided = (vectors @ columns).reshape(len(vectors), len(table), 7).argmax(axis=2)
    counts = (decided == table.truth).sum(axis=1)
    found = search_grid(table, step=0.04)
    assert round(found.value * len(table)) == counts.max()
    assert found.optimal == (counts == counts.max()).sum()


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("votes", [0, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_search_equals_trying_each_vector(seed: int, votes: int, silent: bool) -> None:
    table = random_table(seed, votes=votes)
    table = with_silence(table, seed) if silent else table
    assert_same_as_tried(search_grid(table, step=1 / 8), table, 8)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_search_for_a_product_equals_trying_each_vector(seed: int, silent: bool) -> None:
    table = random_table(seed)
    table = with_silence(table, seed) if silent else table
    found = search_grid(table, step=1 / 6, rule="product")
    assert_same_as_tried(found, table, 6, "product")
    assert found.tree.root.rule == "product"
    assert war(table, found.fuse(table)) == pytest.approx(found.value)
    loss = search_grid(table, step=1 / 4, rule="product", objective="log_loss")
    answered = table.rows(table.answered)
    losses = [
        log_loss(blend(answered.scores, vector, "product"), answered.truth)
        for vector in product(range(5), repeat=3)
        if all(vector)
    ]
    if not silent:
        assert loss.value <= min(losses) + 1e-12


def test_ties_are_those_of_exact_fractions() -> None:
    """Scores in tenths: 0.1 + 0.2 against 0.3 must tie, whatever float64 makes of it."""
    rng = np.random.default_rng(5)
    tenths = rng.multinomial(10, np.full(4, 0.25), (25, 3))
    truth = rng.integers(0, 4, 25)
    table = ScoreTable.of_arrays(tenths / 10, truth, labels=list("abcd"))
    counts = {}
    for vector in product(range(6), repeat=3):
        right = 0
        for clip, label in zip(tenths, truth, strict=True):
            sums = [
                sum(Fraction(w, 5) * Fraction(int(s), 10) for w, s in zip(vector, row, strict=True))
                for row in clip.T
            ]
            right += sums.index(max(sums)) == label
        counts[vector] = right if any(vector) else -1
    best = max(counts.values())
    found = search_grid(table, step=0.2)
    assert round(found.value * 25) == best
    assert found.optimal == list(counts.values()).count(best)


def test_uar_search_equals_trying_each_vector() -> None:
    table = random_table(7, count=40, classes=3)
    table = table.rows(np.flatnonzero((table.truth != 1) | (np.arange(40) % 3 == 0)))
    values = {}
    for vector in product(range(7), repeat=3):
        if any(vector):
            scores = blend(table.scores, vector)
            values[vector] = ConfusionMatrix.of_scores(scores, table.truth, table.labels).uar
    found = search_grid(table, step=1 / 6, objective="uar")
    assert found.value == pytest.approx(max(values.values()))
    assert found.optimal == sum(value > found.value - 1e-9 for value in values.values())
    absent = table.rows(table.truth != 2)  # UAR is over the classes that occur
    by_scores = ConfusionMatrix.of_scores(
        search_grid(absent, step=0.5, objective="uar").fuse(absent), absent.truth, absent.labels
    )
    assert search_grid(absent, step=0.5, objective="uar").value == pytest.approx(by_scores.uar)


def test_hard_searches_end() -> None:
    table = random_table(0, count=20)
    assert_same_as_tried(search_grid(table, step=1 / 6), table, 6)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(np.int64, (8, 3, 3), elements=st.integers(0, 4)),
    arrays.arrays(np.int64, 8, elements=st.integers(-1, 2)),
    arrays.arrays(np.bool_, (8, 3)),
)
def test_search_properties(raw: np.ndarray, truth: np.ndarray, silent: np.ndarray) -> None:
    """Never below the best branch; the members' order is of no matter; all as tried one by one."""
    truth[0] = 0
    scores = (raw + 1) / (raw + 1).sum(axis=2, keepdims=True)
    scores[silent] = np.nan
    table = ScoreTable.of_arrays(scores, truth, labels=list("abc"), branches=list("xyz"))
    found = search_grid(table, step=0.25)
    assert found.value >= max(war(table, table.column(name)) for name in "xyz")
    assert found.value == pytest.approx(war(table, found.fuse(table)))
    turned = search_grid(table, ["z", "x", "y"], step=0.25)
    assert (turned.value, turned.optimal) == (found.value, found.optimal)
    assert turned.lowest.tolist() == found.lowest[[2, 0, 1]].tolist()
    assert_same_as_tried(found, table, 4)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any),
    st.floats(0.01, 100),
    st.integers(0, 20),
)
def test_blend_knows_no_scale_and_no_order(weights: list[int], factor: float, seed: int) -> None:
    table = with_silence(random_table(seed), seed)
    whole = blend(table.scores, weights)
    np.testing.assert_allclose(blend(table.scores, np.array(weights) * factor), whole, atol=1e-12)
    np.testing.assert_allclose(blend(table.scores[:, ::-1], weights[::-1]), whole, atol=1e-12)
    decided = predicted_classes(blend(table.scores, np.array(weights) * factor))
    assert decided.tolist() == predicted_classes(whole).tolist()


def test_the_whole_grid_at_the_papers_step() -> None:
    found = search_grid(table1_scores(0), step=0.02)
    assert found.vectors == 51**5 - 1
    assert found.boxes < 200_000
    assert (round(found.value * 383), found.optimal) == (213, 42)  # as found by other code
    assert found.value >= 206 / 383


def test_coarse_to_fine_stays_near_and_never_falls() -> None:
    table = table1_scores(1)
    coarse = search_grid(table, step=0.1)
    fine = search_coarse_to_fine(table, step_list=(0.1, 0.02))
    whole = search_grid(table, step=0.02)
    assert coarse.value <= fine.value <= whole.value
    assert np.abs(fine.weights - coarse.weights).max() <= 0.1 + 1e-12
    with pytest.raises(InvalidInputError, match="finer"):
        search_coarse_to_fine(table, step_list=(0.02, 0.1))


def test_tree_search_freezes_the_lower_node() -> None:
    table = table1_scores(3)
    voices = random_table(1, count=383, members=2, classes=7)
    for name in voices.branches:
        table = table.with_branch(name, voices.column(name))
    nodes = {"voice": ("audio", "b0", "b1"), "system": ("vggface", "resnet18", "voice")}
    found = search_tree(table, nodes, step=0.1)
    alone = search_grid(table, nodes["voice"], step=0.1, name="voice")
    assert found.searches[0].weights.tolist() == alone.weights.tolist()
    assert found.tree.leaves == ("audio", "b0", "b1", "vggface", "resnet18")
    assert war(table, found.fuse(table)) == pytest.approx(found.searches[1].value)
    again = WeightTree.of_dict(found.tree.to_dict())
    assert again == found.tree
    np.testing.assert_array_equal(again.fuse(table), found.fuse(table))


def test_published_weights() -> None:
    assert tuple(PUBLISHED_WEIGHTS.values()) == (0.88, 0.34, 0.22, 0.06, 0.30)
    table = table1_scores(0)
    assert published_tree().leaves == table.branches
    rounded = np.array(published_tree().root.weights) / 0.02
    np.testing.assert_allclose(rounded, np.rint(rounded))
    expected = np.einsum("b,nbk->nk", rounded / rounded.sum(), table.scores)
    np.testing.assert_allclose(published_tree().fuse(table), expected)


def test_a_single_speaking_member_passes_unchanged() -> None:
    scores = np.array([[[0.1, 0.9], [np.nan] * 2], [[np.nan] * 2] * 2, [[0.2, 0.8], [0.6, 0.4]]])
    table = ScoreTable.of_arrays(scores, [1, 0, 1], branches=["f", "v"], labels=["a", "b"])
    node = Node("system", ("f", "v"), (0.3, 0.6), Adjustment(temperature=2.0))
    fused = node.fuse(table)
    assert fused[0].tolist() == [0.1, 0.9]
    assert np.isnan(fused[1]).all()
    root = np.sqrt(np.array([0.2 / 3 + 0.4, 0.8 / 3 + 0.8 / 3]))
    np.testing.assert_allclose(fused[2], root / root.sum())
    unheard = WeightTree.of(["f", "v"], [0, 1]).fuse(table)
    assert np.isnan(unheard[0]).all()  # a member of weight 0 does not count


def test_one_clip_one_class_no_hope() -> None:
    labels = ["a", "b"]
    single = ScoreTable.of_arrays([[[0.9, 0.1], [0.4, 0.6]]], [1], labels=labels)
    found = search_grid(single, step=0.5)
    assert (found.value, found.vectors) == (1.0, 8)
    assert_same_as_tried(found, single, 2)
    hopeless = ScoreTable.of_arrays([[[0.9, 0.1], [0.8, 0.2]]], [1], labels=labels)
    found = search_grid(hopeless, step=0.5)
    assert (found.value, found.optimal, found.weights.tolist()) == (0.0, 8, [1.0, 1.0])
    silent = ScoreTable.of_arrays(np.full((2, 2, 2), np.nan), [0, 1], labels=labels)
    assert search_grid(silent, step=0.5).value == 0


@pytest.mark.parametrize(
    ("step", "message"), [(0.3, "whole number"), (0.0, "whole"), (1e-5, "too fine"), (2, "whole")]
)
def test_unusable_steps_are_explained(step: float, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        search_grid(random_table(0), step=step)


def test_other_wrong_searches_are_explained() -> None:
    table = random_table(0)
    with pytest.raises(InvalidInputError, match="labelled clip"):
        search_grid(ScoreTable.of_arrays(table.scores, labels=table.labels))
    with pytest.raises(InvalidInputError, match="known: war, uar, log_loss"):
        search_grid(table, objective="f1")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="were not enough"):
        search_grid(table, step=0.02, max_boxes=3)
    with pytest.raises(InvalidInputError, match="too many to try"):
        search_grid(table1_scores(0), step=0.02, objective="log_loss")
    with pytest.raises(InvalidInputError, match="not all 0"):
        blend(table.scores, [0, 0, 0])
    with pytest.raises(InvalidInputError, match="before its member"):
        WeightTree((Node("top", ("low", "x"), (1, 1)), Node("low", ("y",), (1,))))
    with pytest.raises(InvalidInputError, match="missing or wrong"):
        WeightTree.of_dict({"format": 1, "nodes": [{"name": "x"}]})


def test_the_generator_keeps_table_1() -> None:
    table = table1_scores(11, rounding="none")
    assert table.labels == EMOTIONS
    for name, accuracy in ACCURACIES.items():
        assert war(table, table.column(name)) == pytest.approx(accuracy, abs=0.5 / 383 + 1e-9)
