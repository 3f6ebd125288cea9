"""facevoice fuse: a score table -> weights.json, and a bundle with them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facevoice.cli import main
from facevoice.errors import BundleError, InvalidInputError
from facevoice.evaluation import leaves_only, read_labels, score_clips
from facevoice.fusion import (
    PUBLISHED_WEIGHTS,
    StackedRegression,
    WeightTree,
    search_tree,
    weight_tree,
)
from facevoice.predict import load
from facevoice.rebundle import bundle_weights, reweighted
from facevoice.samples import SAMPLE
from facevoice.scoretable import ScoreTable, read_score_table, write_score_table
from facevoice.weight_choice import SEARCHES, SearchPlan, choose_weights, nodes_of
from facevoice.weights_file import FittedFusion, read_weights, write_weights
from score_tables import BRANCHES, skilled


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def val(tmp_path: Path) -> Path:
    path = tmp_path / "val.npz"
    write_score_table(skilled(), path)
    return path


@pytest.mark.parametrize("search", [name for name in SEARCHES if name != "published"])
def test_every_search_writes_what_it_prints(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path, search: str
) -> None:
    out = tmp_path / "weights.json"
    assert facevoice("fuse", val, "--search", search, "--step", "0.1", "-o", out) == 0
    text = capsys.readouterr().out
    for word in ("WAR", "UAR", "95 % Wilson", "strong", "best single branch", "16 groups"):
        assert word in text
    fitted = read_weights(out)
    assert fitted.leaves == BRANCHES
    assert fitted.search["search"] == search
    assert isinstance(fitted.fusion, StackedRegression if search == "stacking" else WeightTree)
    again = tmp_path / "again.json"
    write_weights(fitted, again)
    assert again.read_text() == out.read_text()


def test_the_grid_goes_node_by_node_and_the_joint_search_stands_beside_it(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights.json"
    tree = ("--tree", "inner=middling,blind")
    options = ("--step", "0.1", *tree, "--joint", "--no-temperature", "-o", out)
    assert facevoice("fuse", val, *options) == 0
    text = capsys.readouterr().out
    assert text.index("node inner: WAR") < text.index("node system: WAR") < text.index("node joint")
    nodes = {"inner": ("middling", "blind"), "system": ("strong", "inner")}
    assert read_weights(out).fusion == search_tree(read_score_table(val), nodes, step=0.1).tree
    found = read_weights(out).search["nodes"]
    assert [node["name"] for node in found] == ["inner", "system"]
    assert all(node["optimal"] >= 1 for node in found)


def test_folds_show_what_the_search_is_worth_on_others(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights.json"
    assert facevoice("fuse", val, "--search", "log-loss", "--folds", "4", "-o", out) == 0
    assert "fused, held out" in capsys.readouterr().out
    shares = np.array(json.loads(out.read_text())["search"]["fold_weights"]["system"])
    assert shares.shape == (4, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_class_offsets_and_a_threshold_are_kept(val: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.json"
    extras = ("--class-offsets", "uar", "--abstain-risk", "0.2")
    assert facevoice("fuse", val, "--search", "equal", *extras, "-o", out) == 0
    fitted = read_weights(out)
    assert fitted.class_offsets is not None
    assert len(fitted.class_offsets.offsets) == 4
    table = read_score_table(val)
    scores = fitted.fuse(table)
    taken = scores.max(axis=1) >= fitted.abstain_below
    assert (scores.argmax(axis=1) != table.truth)[taken].mean() <= 0.2


def test_the_temperature_changes_no_decision(val: Path) -> None:
    table = read_score_table(val)
    plan = SearchPlan("log-loss", nodes_of(table.branches))
    bare = SearchPlan("log-loss", plan.nodes, calibrate=False)
    warm, cold = choose_weights(table, plan), choose_weights(table, bare)
    assert weight_tree(warm.fitted.fusion).root.temperature != 1
    np.testing.assert_array_equal(warm.scores.argmax(axis=1), cold.scores.argmax(axis=1))


def test_the_published_weights_need_the_papers_branches(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    assert facevoice("fuse", val, "--search", "published") == 1
    assert "published weights are for vggface" in capsys.readouterr().err
    scores = np.random.default_rng(0).dirichlet(np.ones(7), (20, 5))
    table = ScoreTable.of_arrays(scores, [0] * 20, branches=tuple(PUBLISHED_WEIGHTS))
    write_score_table(table, tmp_path / "paper.npz")
    out = tmp_path / "weights.json"
    options = ("--search", "published", "--no-temperature", "-o", out)
    assert facevoice("fuse", tmp_path / "paper.npz", *options) == 0
    root = weight_tree(read_weights(out).fusion).root
    assert dict(zip(root.members, root.weights, strict=True)) == dict(PUBLISHED_WEIGHTS)
    assert read_weights(out).fitted_on is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--branches", "strong,gone"], "no branch 'gone' in the table; it has: strong"),
        (["--tree", "inner=strong,gone"], "has the member 'gone'"),
        (["--tree", "strong=middling,blind"], "has the name of a branch"),
        (["--tree", "inner="], "write NODE=MEMBER"),
        (["--step", "0.3"], "whole number"),
        (["--split", "test"], "no clip in split 'test'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], val: Path, options: list[str], message: str
) -> None:
    assert facevoice("fuse", val, *options) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_several_splits_must_be_chosen_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_score_table(skilled().append(skilled(1, split="test")), tmp_path / "both.npz")
    assert facevoice("fuse", tmp_path / "both.npz") == 1
    assert "holds the splits 'test', 'val': choose one (--split)" in capsys.readouterr().err
    options = ("--split", "val", "--search", "equal")
    assert facevoice("fuse", tmp_path / "both.npz", *options) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no weights"),
        ("[]", "holds no object"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1}', "lacks or misstates"),
        ('{"format": 1, "kind": "stacking"}', "lack or misstate"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_weights(path)


def test_one_clip_can_be_fused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_score_table(skilled(count=1), tmp_path / "one.csv")
    assert facevoice("fuse", tmp_path / "one.csv", "--step", "0.1", "--folds", "5") == 0
    assert "one group only: nothing can be held out" in capsys.readouterr().out
    assert facevoice("fuse", tmp_path / "one.csv", "--search", "nested") == 1


def test_a_bundle_takes_the_weights_and_predicts_as_the_table_says(
    toy_bundle: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    predictor = load(toy_bundle)
    scored, _ = score_clips(predictor, read_labels(labels))
    table = leaves_only(scored, predictor.bundle.tree)
    write_score_table(table, tmp_path / "t.npz")
    weights, output = tmp_path / "weights.json", tmp_path / "b2"
    tree = ("--tree", "seen=sequence,expression", "--no-temperature")
    assert facevoice("fuse", tmp_path / "t.npz", "--step", "0.1", *tree, "-o", weights) == 0
    assert facevoice("bundle", toy_bundle, "--weights", weights, "-o", output) == 0
    fitted = read_weights(weights)
    scores = load(output)(SAMPLE).scores
    assert scores is not None
    np.testing.assert_allclose(scores.values, fitted.fuse(table)[0], atol=1e-9)
    assert set(scores.parts) == {"seen", "spectrogram"}
    card = json.loads((output / "bundle.json").read_text())
    assert card["provenance"]["weights"]["search"] == "grid"
    assert facevoice("bundle", toy_bundle, "--weights", weights, "-o", output) == 0


def test_the_bundles_own_weights_give_its_own_scores(toy_bundle: Path, tmp_path: Path) -> None:
    predictor = load(toy_bundle)
    weights = bundle_weights(predictor.bundle.card)
    assert [node.name for node in weights.nodes] == ["face", "voice", "system"]
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    scored, _ = score_clips(predictor, read_labels(labels))
    fused = weights.fuse(leaves_only(scored, predictor.bundle.tree))
    np.testing.assert_allclose(fused, scored.column("fused"), atol=1e-12)
    copy = reweighted(toy_bundle, FittedFusion(weights), tmp_path / "copy")
    scores = load(copy)(SAMPLE).scores
    assert scores is not None
    np.testing.assert_allclose(scores.values, scored.column("fused")[0], atol=1e-12)


def test_branches_without_weight_are_left_out_with_their_files(
    toy_bundle: Path, tmp_path: Path
) -> None:
    weights = WeightTree.of(("spectrogram", "expression"), (0.3, 0.7))
    fitted = FittedFusion(weights, abstain_below=0.4)
    folder = reweighted(toy_bundle, fitted, tmp_path / "small")
    assert sorted(path.name for path in folder.glob("*.onnx")) == [
        "expression.onnx", "spectrogram.onnx",
    ]  # fmt: skip
    assert json.loads((folder / "bundle.json").read_text())["abstain_below"] == 0.4


def test_weights_that_do_not_fit_a_bundle_are_refused(toy_bundle: Path, tmp_path: Path) -> None:
    strange = FittedFusion(WeightTree.of(("expression", "gone"), (1, 1)))
    with pytest.raises(BundleError, match="name 'gone'; the bundle has: expression, sequence"):
        reweighted(toy_bundle, strange, tmp_path / "x")
    table = skilled()
    stacked = choose_weights(table, SearchPlan("stacking", nodes_of(table.branches))).fitted
    with pytest.raises(BundleError, match="stacked regression"):
        reweighted(toy_bundle, stacked, tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    fine = FittedFusion(WeightTree.of(("expression", "spectrogram"), (1, 1)))
    with pytest.raises(BundleError, match="is no bundle"):
        reweighted(toy_bundle, fine, tmp_path / "mine")


def test_bundling_weights_needs_no_torch(toy_bundle: Path, tmp_path: Path) -> None:
    weights = FittedFusion(WeightTree.of(("expression", "spectrogram"), (1, 1)))
    write_weights(weights, tmp_path / "weights.json")
    code = """
import sys
for name in ("torch", "torchvision", "sklearn", "onnx"):
    sys.modules[name] = None
from facevoice.cli import main
sys.exit(main(["bundle", *sys.argv[1:]]))
"""
    arguments = [toy_bundle, "--weights", tmp_path / "weights.json", "-o", tmp_path / "b2"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
