"""Awkward tables through the public verbs: a right result or a clear error each."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facevoice.branches import Adjustment
from facevoice.cli import main
from facevoice.scores.choice import SEARCHES, SearchPlan, choose_weights
from facevoice.scores.metrics import ConfusionMatrix
from facevoice.scores.search import Node, WeightTree, best_branch
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.scores.weights_file import FittedFusion, write_weights
from support.score_tables import BRANCHES, renamed, skilled

FITS = [name for name in SEARCHES if name != "published"]


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def plan(search: str, **options: object) -> SearchPlan:
    return SearchPlan(search, {"system": BRANCHES}, step=0.25, **options)


def evaluated(
    table: ScoreTable, tmp_path: Path, fitted: FittedFusion, *options: object
) -> tuple[int, Path]:
    write_score_table(table, tmp_path / "table.npz")
    write_weights(fitted, tmp_path / "weights.json")
    words = (
        "--weights",
        tmp_path / "weights.json",
        "-o",
        tmp_path / "report",
        "--overwrite",
        *options,
    )
    return facevoice("evaluate", tmp_path / "table.npz", *words), tmp_path / "report"


def verdict(report: Path) -> str:
    return str(json.loads((report / "report.json").read_text())["leak"]["verdict"])


@pytest.mark.parametrize("search", FITS)
def test_a_class_that_never_occurs_breaks_no_search(search: str) -> None:
    table = skilled()
    seen = table.rows(table.truth != 2)
    fused = choose_weights(seen, plan(search)).fitted.fuse(table)
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    assert np.isfinite(fused).all()


@pytest.mark.parametrize("search", FITS)
def test_a_branch_that_never_speaks_breaks_no_search(search: str) -> None:
    table = skilled()
    scores = table.scores.copy()
    scores[:, 1] = np.nan
    mute = replace(table, scores=scores)
    choice = choose_weights(mute, plan(search))
    assert np.isfinite(choice.scores).all()
    alone = choose_weights(
        mute.select(("strong", "blind")),
        SearchPlan(search, {"system": ("strong", "blind")}, step=0.25),
    )
    matrices = [
        ConfusionMatrix.of_scores(each.scores, table.truth, table.labels)
        for each in (choice, alone)
    ]
    assert matrices[0].war == pytest.approx(matrices[1].war, abs=0.02)


@pytest.mark.parametrize("search", [name for name in FITS if name not in ("nested", "shrunk")])
def test_a_single_clip_breaks_no_search(search: str) -> None:
    one = skilled(count=1)
    choice = choose_weights(one, plan(search, class_offsets=None))
    assert choice.scores.shape == (1, 4)
    assert np.isfinite(choice.scores).all()


@pytest.mark.parametrize("search", ["nested", "shrunk"])
def test_a_single_clip_is_refused_where_folds_are_needed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, search: str
) -> None:
    write_score_table(skilled(count=1), tmp_path / "one.npz")
    assert facevoice("fuse", tmp_path / "one.npz", "--search", search, "--step", "0.25") == 1
    err = capsys.readouterr().err
    assert "groups" in err
    assert err.count("\n") == 1


def test_class_offsets_of_a_single_clip_are_noted_not_tried() -> None:
    choice = choose_weights(skilled(count=1), plan("equal", class_offsets="uar"))
    assert "only one group: class offsets could not be tried on others" in choice.notes


def test_a_branch_that_the_weights_read_and_the_table_lacks_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fitted = choose_weights(skilled(), plan("equal")).fitted
    code, report = evaluated(skilled(1).select(BRANCHES[:2]), tmp_path, fitted)
    assert code == 1
    assert "no branch 'blind' in the table; it has: strong, middling" in capsys.readouterr().err
    assert not report.exists()


def test_weights_for_other_labels_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tree = WeightTree.equal(BRANCHES).adjusted(Adjustment(class_offsets=(0.0, 1.0)))
    code, _ = evaluated(skilled(1), tmp_path, FittedFusion(tree))
    assert code == 1
    assert "class_offsets holds 2 numbers for 4 labels" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["leak", "copy", "twin"])
def test_leaks_reach_the_report_that_the_command_writes(tmp_path: Path, fault: str) -> None:
    val, test = skilled(), skilled(1, split="test")
    fitted = choose_weights(val, plan("grid")).fitted
    if fault == "leak":  # a speaker on both sides
        test = replace(test, groups=np.where(np.arange(160) < 5, val.groups[0], test.groups))
    elif fault == "copy":  # a clip that weights were fitted on, under another name and speaker
        stolen = replace(
            renamed(val.rows(np.arange(1)), "new "),
            groups=np.array(["somebody"]),
            splits=np.array(["test"]),
        )
        test = test.append(stolen)
    else:  # a clip of the test part under two names
        test = test.append(renamed(test.rows(np.arange(1)), "again "))
    allowed = ["--allow-trained"] if fault == "copy" else []
    code, report = evaluated(val.append(test), tmp_path, fitted, "--split", "test", *allowed)
    assert code == 0
    assert verdict(report) == ("suspect" if fault == "twin" else "leak")
    code, report = evaluated(
        val.append(skilled(1, split="test")), tmp_path, fitted, "--split", "test"
    )
    assert verdict(report) == "none found"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.array([4] + [0] * 159)}, "truth of clip '0-0' is 4, out of range"),
        ({"truth": np.array([-2] + [0] * 159)}, "truth of clip '0-0' is -2, out of range"),
        ({"scores": "part NaN"}, "has NaN in a part of its scores"),
        ({"ids": np.array(["same"] * 160)}, "occur more than once, the first is 'same'"),
    ],
)
@pytest.mark.parametrize("verb", ["fuse", "evaluate"])
def test_unsound_files_are_refused_by_every_verb(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str, change: dict, message: str
) -> None:
    path = tmp_path / "table.npz"
    write_score_table(skilled(), path)
    with np.load(path) as stored:
        arrays = dict(stored)
    if "scores" in change:
        scores = arrays["scores"].copy()
        scores[3, 1, 2] = np.nan
        change = {"scores": scores}
    np.savez(path, **(arrays | change))
    assert facevoice(verb, path) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "table.npz" in err


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.sampled_from(["war", "uar"]), st.booleans())
def test_no_grid_search_is_worse_than_the_best_branch_on_its_own_clips(
    seed: int, objective: str, in_a_tree: bool
) -> None:
    table = skilled(seed, count=24, skills=(0.8, 0.5, 0.2))
    scores = table.scores.copy()
    scores[np.random.default_rng(seed).random((24, 3)) < 0.2] = np.nan
    table = replace(table, scores=scores)
    nodes = {"system": BRANCHES}
    if in_a_tree:
        nodes = {"inner": BRANCHES[1:], "system": ("strong", "inner")}
    for search in ("grid", "coarse"):
        chosen = choose_weights(
            table, SearchPlan(search, nodes, objective=objective, step=0.25, calibration="none")
        )

        def value(of: np.ndarray) -> float:
            matrix = ConfusionMatrix.of_scores(of, table.truth, table.labels)
            return matrix.war if objective == "war" else matrix.uar

        best = best_branch(table, objective)
        assert value(chosen.scores) >= value(table.column(best)) - 1e-12


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
    st.floats(0.01, 100),
    st.integers(0, 99),
)
def test_a_tree_knows_no_scale_and_no_order(weights: list[float], factor: float, seed: int) -> None:
    table = skilled(seed, count=20)
    adjustment = Adjustment(1.4, class_offsets=(0.3, 0.0, -0.2, 0.5))
    inner = Node("inner", BRANCHES[1:], (1.0, 2.0), Adjustment(0.8))
    members = ("strong", "middling", "inner")

    def fused(order: list[int], scale: float) -> np.ndarray:
        names = tuple(members[place] for place in order)
        scaled = tuple(scale * weights[place] for place in order)
        return WeightTree((inner, Node("system", names, scaled, adjustment))).fuse(table)

    whole = fused([0, 1, 2], 1.0)
    np.testing.assert_allclose(fused([0, 1, 2], factor), whole, atol=1e-12)
    np.testing.assert_allclose(fused([2, 0, 1], 1.0), whole, atol=1e-12)


@pytest.mark.parametrize("search", ["equal", "log-loss", "stacking"])
def test_smooth_searches_do_not_mind_the_order_of_branches(search: str) -> None:
    table = skilled()
    turned = table.select(BRANCHES[::-1])
    one = choose_weights(table, plan(search))
    two = choose_weights(turned, SearchPlan(search, {"system": turned.branches}, step=0.25))
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-5)
