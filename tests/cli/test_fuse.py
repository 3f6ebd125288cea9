"""facevoice fuse: a score table -> weights.json, and a bundle with them."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facevoice.branches import Adjustment, score_tree
from facevoice.branches import nodes as nodes_below
from facevoice.branches.tree import named_leaves
from facevoice.bundle import read_card
from facevoice.bundle.reweigh import bundle_fusion, reweighted, tree_of
from facevoice.cli import fuse as fuse_verb
from facevoice.cli import main
from facevoice.datasets import read_labels
from facevoice.errors import BundleError, InvalidInputError, LabelMismatchError
from facevoice.predict import load
from facevoice.report.scoring import leaves_only, score_clips, structure
from facevoice.samples import SAMPLE
from facevoice.scores.calibration import fit_vector_scaling
from facevoice.scores.choice import SEARCHES, SearchPlan, choose_weights, nodes_of
from facevoice.scores.metrics import log_loss
from facevoice.scores.search import (
    PUBLISHED_WEIGHTS,
    Node,
    StackedRegression,
    WeightTree,
    fit_stacking,
    search_tree,
    weight_tree,
)
from facevoice.scores.table import ScoreTable, read_score_table, write_score_table
from facevoice.scores.weights_file import FittedFusion, read_weights, write_weights
from facevoice.train.recipe import load_recipe
from facevoice.types import EMOTIONS, Scores
from support.places import RECIPES
from support.score_tables import BRANCHES, skilled


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
    options = ("--step", "0.1", *tree, "--joint", "--calibration", "none", "-o", out)
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


def test_class_offsets_and_a_threshold_are_kept(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights.json"
    extras = ("--class-offsets", "uar", "--abstain-risk", "0.2")
    assert facevoice("fuse", val, "--search", "equal", *extras, "-o", out) == 0
    fitted = read_weights(out)
    assert len(fitted.adjustment.class_offsets) == 4
    assert fitted.fitted_on is not None  # equal weights, yet something was fitted
    text = capsys.readouterr().out
    assert "class offsets: a " in text
    assert "with them, on held-out folds: UAR " in text
    table = read_score_table(val)
    scores = fitted.fuse(table)
    taken = scores.max(axis=1) >= fitted.abstain_below
    assert (scores.argmax(axis=1) != table.truth)[taken].mean() <= 0.2


def lopsided(seed: int = 0) -> ScoreTable:
    """The last class is rare, and no branch ever dares to name it."""
    table = skilled(seed, count=400)
    keep = (table.truth != 3) | (np.arange(400) % 3 == 0)
    table = table.rows(keep)
    scores = table.scores * np.array([1.0, 1.0, 1.0, 0.2])
    return replace(table, scores=scores / scores.sum(axis=2, keepdims=True))


@pytest.mark.parametrize("folds", [0, 4])
def test_offsets_are_the_mean_over_folds_and_help_clips_held_out(folds: int) -> None:
    table = lopsided()
    plan = SearchPlan("equal", {"system": BRANCHES}, folds=folds, class_offsets="uar")
    fitted = choose_weights(table, plan).fitted
    told = fitted.search["class_offsets"]
    assert told["folds"] == (folds or 5)
    np.testing.assert_allclose(
        fitted.adjustment.class_offsets, np.mean(told["fold_offsets"], axis=0)
    )
    before, after = told["held_out"]["uar"]
    assert after > before + 0.02
    low, high = told["held_out"]["recall"]["d"]
    assert high > low + 0.2
    other = lopsided(1)  # unseen
    plain = WeightTree.equal(BRANCHES).fuse(other)
    recall = [(each.argmax(axis=1) == 3)[other.truth == 3].mean()
              for each in (plain, fitted.fuse(other))]  # fmt: skip
    assert recall[1] > recall[0] + 0.2


def test_vector_scaling_is_the_one_of_the_blend(val: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.json"
    options = ("--search", "equal", "--calibration", "vector", "-o", out)
    assert facevoice("fuse", val, *options) == 0
    table, fitted = read_score_table(val), read_weights(out)
    plain = WeightTree.equal(BRANCHES).fuse(table)
    assert fitted.adjustment == fit_vector_scaling(plain, table.truth)
    np.testing.assert_allclose(fitted.fuse(table), fitted.adjustment.apply(plain), atol=1e-12)
    assert log_loss(fitted.fuse(table), table.truth) < log_loss(plain, table.truth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--calibration", "vector", "--class-offsets", "uar"), "vector scaling has offsets"),
        (("--search", "stacking", "--class-offsets", "uar"), "has an intercept for every class"),
    ],
)
def test_offsets_that_would_be_fitted_twice_are_refused(
    capsys: pytest.CaptureFixture[str], val: Path, options: tuple[str, ...], message: str
) -> None:
    assert facevoice("fuse", val, *options) == 1
    assert message in capsys.readouterr().err


def test_where_branches_never_speak_together_nothing_is_calibrated() -> None:
    table = skilled()
    scores = table.scores.copy()
    scores[:80, 0] = scores[80:, 1] = scores[:, 2] = np.nan
    choice = choose_weights(
        replace(table, scores=scores), SearchPlan("equal", {"system": BRANCHES})
    )
    assert choice.fitted.adjustment == Adjustment()
    assert "no clip has scores of several branches" in choice.notes[0]


def test_the_temperature_changes_no_decision(val: Path) -> None:
    table = read_score_table(val)
    plan = SearchPlan("log-loss", nodes_of(table.branches))
    bare = SearchPlan("log-loss", plan.nodes, calibration="none")
    warm, cold = choose_weights(table, plan), choose_weights(table, bare)
    assert weight_tree(warm.fitted.fusion).root.adjustment.temperature != 1
    np.testing.assert_array_equal(warm.scores.argmax(axis=1), cold.scores.argmax(axis=1))


def papers_system() -> dict[str, Any]:
    """The tree of recipes/system.toml as a bundle holds it, without its networks."""
    spec = tomllib.loads((RECIPES / "system.toml").read_text())

    def node(item: dict[str, Any]) -> dict[str, Any]:
        if "run" in item:
            return {"kind": "face_vote", "name": item["run"], "weight": item.get("weight", 1.0)}
        return item | {"kind": "blend", "members": [node(each) for each in item["members"]]}

    return node(spec["tree"])


def test_the_published_weights_fit_the_papers_recipe(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    assert facevoice("fuse", val, "--search", "published") == 1
    assert "published weights are for vggface" in capsys.readouterr().err
    tree = papers_system()
    leaves = tuple(named_leaves(tree))
    names = {load_recipe(path).name for path in RECIPES.glob("*.toml") if "tree" not in path.stem
             and path.stem != "system"}  # fmt: skip
    assert set(leaves) <= names  # the runs that the paper's recipes make
    scores = np.random.default_rng(0).dirichlet(np.ones(7), (20, len(leaves)))
    table = ScoreTable.of_arrays(scores, [0] * 20, branches=leaves)
    write_score_table(table, tmp_path / "paper.npz")
    out = tmp_path / "weights.json"
    nodes = ("--tree", "audio=spectrogram,is09,is10")
    options = ("--search", "published", "--calibration", "none", "--step", "0.5", *nodes, "-o", out)
    assert facevoice("fuse", tmp_path / "paper.npz", *options) == 0
    fusion = weight_tree(read_weights(out).fusion)
    assert [node.name for node in fusion.nodes] == ["audio", "system"]
    write_score_table(replace(table, tree=structure(tree)), tmp_path / "scored.npz")
    assert facevoice("fuse", tmp_path / "scored.npz", *options[:6], "-o", out, "--overwrite") == 0
    assert weight_tree(read_weights(out).fusion) == fusion  # by the tree of its bundle
    root = fusion.root
    assert dict(zip(root.members, root.weights, strict=True)) == dict(PUBLISHED_WEIGHTS)
    shipped = bundle_fusion({"tree": tree, "labels": table.labels})
    assert weight_tree(shipped).root == root  # the recipe ships these very weights
    woven = tree_of(fusion, named_leaves(tree))
    assert [name for name, _ in nodes_below(woven)] == [name for name, _ in nodes_below(tree)]


def test_the_tree_of_a_tables_bundle_is_the_default(toy_bundle: Path, tmp_path: Path) -> None:
    table = toy_table(toy_bundle)
    tree = read_card(toy_bundle)["tree"]
    held = SimpleNamespace(branches=table.branches, tree=tree)
    wanted = {
        "face": ("expression", "sequence"),
        "voice": ("spectrogram",),
        "system": ("face", "voice"),
    }
    assert fuse_verb._nodes([], held) == wanted
    assert fuse_verb._nodes(["flat"], held) == {"system": table.branches}
    fewer = SimpleNamespace(branches=("sequence", "expression"), tree=tree)
    assert fuse_verb._nodes([], fewer) == {"face": ("expression", "sequence"), "system": ("face",)}
    plan = SearchPlan("equal", wanted)
    fitted = choose_weights(table, plan).fitted
    folder = reweighted(toy_bundle, fitted, tmp_path / "b2")
    parts = load(folder)(SAMPLE).scores.parts
    assert set(parts) == {"face", "voice"}
    assert set(parts["face"].parts) == {"expression", "sequence"}


def test_a_stack_is_not_applied_to_labels_in_another_order(
    toy_bundle: Path, tmp_path: Path
) -> None:
    table = toy_table(toy_bundle)
    stacked = fit_stacking(table)
    swapped = replace(stacked, labels=stacked.labels[::-1])
    with pytest.raises(LabelMismatchError, match="fitted on the labels"):
        swapped.fuse(table)
    with pytest.raises(LabelMismatchError, match="fitted on the labels"):
        reweighted(toy_bundle, FittedFusion(swapped), tmp_path / "swapped")
    assert not (tmp_path / "swapped").exists()


def test_score_fuse_and_reweigh_keep_the_bundles_nodes(
    capsys: pytest.CaptureFixture[str], toy_bundle: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    table, weights = tmp_path / "t.csv", tmp_path / "weights.json"
    assert facevoice("score", labels, "--bundle", toy_bundle, "-o", table) == 0
    assert facevoice("fuse", table, "--search", "equal", "-o", weights) == 0
    assert "records no tree" not in capsys.readouterr().err
    assert facevoice("reweigh", toy_bundle, "--weights", weights, "-o", tmp_path / "b2") == 0
    assert set(load(tmp_path / "b2")(SAMPLE).scores.parts) == {"face", "voice"}


def toy_table(bundle: Path, count: int = 24) -> ScoreTable:
    """Random scores of the toy bundle's branches, on clips of eight speakers."""
    names = tuple(named_leaves(read_card(bundle)["tree"]))
    rng = np.random.default_rng(5)
    truth = np.arange(count) % 7
    scores = rng.dirichlet(np.ones(7), (count, len(names))) + np.eye(7)[truth][:, None]
    groups = [f"speaker {index % 8}" for index in range(count)]
    return ScoreTable.of_arrays(scores / 2, truth, branches=names, groups=groups)


@pytest.mark.parametrize("rule", ["sum", "product"])
@pytest.mark.parametrize("search", [name for name in SEARCHES if name != "published"])
def test_what_any_search_finds_can_be_put_into_a_bundle(
    toy_bundle: Path, tmp_path: Path, search: str, rule: str
) -> None:
    """Fusing a table, a bundle's clips one by one, and the written weights agree."""
    table = toy_table(toy_bundle)
    nodes = {"seen": ("expression", "sequence"), "system": ("spectrogram", "seen")}
    if search == "stacking" and rule == "product":
        with pytest.raises(InvalidInputError, match="cannot use a product"):
            SearchPlan(search, nodes, rule="product")
        return
    plan = SearchPlan(search, nodes, step=0.25, folds=3, rule=rule)
    choice = choose_weights(table, plan)
    assert choice.held_out is not None
    assert np.isfinite(choice.held_out).all()
    write_weights(choice.fitted, tmp_path / "weights.json")
    fitted = read_weights(tmp_path / "weights.json")
    assert fitted.to_dict()["format"] == (2 if rule == "product" else 1)
    folder = reweighted(toy_bundle, fitted, tmp_path / "fused")
    plain = rule == "sum" and search != "stacking"
    assert json.loads((folder / "bundle.json").read_text())["format"] == (1 if plain else 2)
    tree = load(folder).bundle.tree
    fused = fitted.fuse(table)
    np.testing.assert_array_equal(fused, choice.scores)
    for row, wanted in zip(table.scores[:5], fused, strict=False):
        given = {n: Scores(EMOTIONS, v) for n, v in zip(table.branches, row, strict=True)}
        found = score_tree(tree, lambda leaf, given=given: given[leaf.name])
        np.testing.assert_allclose(found.values, wanted, atol=1e-12)
    again = bundle_fusion(read_card(folder))  # what `evaluate --bundle` judges
    np.testing.assert_allclose(again.fuse(table), fused, atol=1e-12)


def test_the_product_is_offered_by_the_verb(
    capsys: pytest.CaptureFixture[str], val: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights.json"
    options = ("--search", "log-loss", "--rule", "product", "--folds", "4", "-o", out)
    assert facevoice("fuse", val, *options) == 0
    shown = capsys.readouterr()
    assert "search log-loss, rule product" in shown.out
    assert "fused, held out" in shown.out
    assert "records no tree" in shown.err
    fitted = read_weights(out)
    assert weight_tree(fitted.fusion).root.rule == "product"
    assert fitted.search["rule"] == "product"
    assert "--rule product" in fitted.search["command"]
    assert facevoice("fuse", val, "--search", "stacking", "--rule", "product") == 1
    assert "cannot use a product" in capsys.readouterr().err


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
    assert "has the splits 'test', 'val': choose one (--split)" in capsys.readouterr().err
    options = ("--split", "val", "--search", "equal")
    assert facevoice("fuse", tmp_path / "both.npz", *options) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not hold weights"),
        ("[]", "is not a JSON object"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1}', "missing or wrong"),
        ('{"format": 1, "kind": "stacking"}', "missing or wrong"),
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
    assert "only one group: nothing can be held out" in capsys.readouterr().out
    assert facevoice("fuse", tmp_path / "one.csv", "--search", "nested") == 1


def test_a_bundle_takes_the_weights_and_predicts_as_the_table_says(
    toy_bundle: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    predictor = load(toy_bundle)
    scored = score_clips(predictor, read_labels(labels))
    table = leaves_only(scored, predictor.bundle.tree)
    write_score_table(table, tmp_path / "t.npz")
    weights, output = tmp_path / "weights.json", tmp_path / "b2"
    tree = ("--tree", "seen=sequence,expression", "--calibration", "none")
    assert facevoice("fuse", tmp_path / "t.npz", "--step", "0.1", *tree, "-o", weights) == 0
    assert facevoice("reweigh", toy_bundle, "--weights", weights, "-o", output) == 0
    fitted = read_weights(weights)
    scores = load(output)(SAMPLE).scores
    assert scores is not None
    np.testing.assert_allclose(scores.values, fitted.fuse(table)[0], atol=1e-9)
    assert set(scores.parts) == {"seen", "spectrogram"}
    card = json.loads((output / "bundle.json").read_text())
    assert card["provenance"]["weights"]["search"] == "grid"
    assert facevoice("reweigh", toy_bundle, "--weights", weights, "-o", output, "--overwrite") == 0


@pytest.mark.parametrize(
    "adjustment",
    [
        Adjustment(1.7),
        Adjustment(0.6, class_offsets=(0.5, -0.3, 0.0, 1.2, 0.0, -2.0, 0.1)),
        Adjustment(class_scale=(1, 0.5, 2, 1, 1.1, 0.9, 1), class_offsets=(0.0,) * 6 + (1.0,)),
    ],
    ids=["temperature", "offsets", "vector"],
)
def test_fuse_bundle_and_predict_agree_on_adjusted_scores(
    toy_bundle: Path, tmp_path: Path, adjustment: Adjustment
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    predictor = load(toy_bundle)
    scored = score_clips(predictor, read_labels(labels))
    table = leaves_only(scored, predictor.bundle.tree)
    inner = Node("seen", ("sequence", "expression"), (0.3, 0.9), Adjustment(1.2))
    root = Node("system", ("spectrogram", "seen"), (0.4, 0.8), adjustment)
    write_weights(FittedFusion(WeightTree((inner, root))), tmp_path / "weights.json")
    fitted = read_weights(tmp_path / "weights.json")
    fused = load(reweighted(toy_bundle, fitted, tmp_path / "b2"))
    scores = fused(SAMPLE).scores
    assert scores is not None
    np.testing.assert_allclose(scores.values, fitted.fuse(table)[0], rtol=0, atol=1e-12)
    assert (
        np.abs(
            scores.values
            - WeightTree.of(
                fitted.fusion.leaves, [fitted.fusion.leaf_shares()[name] for name in fitted.leaves]
            ).fuse(table)[0]
        ).max()
        > 0.01
    )  # the adjustment does something
    again = bundle_fusion(fused.bundle.card)  # what `evaluate --bundle` judges
    np.testing.assert_allclose(again.fuse(table), fitted.fuse(table), rtol=0, atol=1e-12)


def test_offsets_for_other_labels_do_not_fit_a_bundle(toy_bundle: Path, tmp_path: Path) -> None:
    weights = WeightTree.equal(("expression", "spectrogram"))
    wrong = FittedFusion(weights.adjusted(Adjustment(class_offsets=(0.0, 1.0))))
    with pytest.raises(BundleError, match="class_offsets holds 2 numbers for 7 labels"):
        reweighted(toy_bundle, wrong, tmp_path / "b2")
    assert not (tmp_path / "b2").exists()


def test_the_bundles_own_weights_give_its_own_scores(toy_bundle: Path, tmp_path: Path) -> None:
    predictor = load(toy_bundle)
    weights = bundle_fusion(predictor.bundle.card)
    assert [node.name for node in weights.nodes] == ["face", "voice", "system"]
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,label\n{SAMPLE},happy\n")
    scored = score_clips(predictor, read_labels(labels))
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
    assert load(folder).bundle.abstain_below == 0.4
    bold = reweighted(folder, FittedFusion(weights), tmp_path / "bold")
    assert load(bold).bundle.abstain_below is None  # the old threshold was that of other weights


def test_weights_that_do_not_fit_a_bundle_are_refused(toy_bundle: Path, tmp_path: Path) -> None:
    strange = FittedFusion(WeightTree.of(("expression", "gone"), (1, 1)))
    with pytest.raises(BundleError, match="name 'gone'; the bundle has: expression, sequence"):
        reweighted(toy_bundle, strange, tmp_path / "x")
    stacked = FittedFusion(fit_stacking(skilled()))
    with pytest.raises(BundleError, match="name 'strong'; the bundle has"):
        reweighted(toy_bundle, stacked, tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    fine = FittedFusion(WeightTree.of(("expression", "spectrogram"), (1, 1)))
    with pytest.raises(BundleError, match="is not a bundle"):
        reweighted(toy_bundle, fine, tmp_path / "mine")


def test_bundling_weights_needs_no_torch(toy_bundle: Path, tmp_path: Path) -> None:
    weights = FittedFusion(WeightTree.of(("expression", "spectrogram"), (1, 1)))
    write_weights(weights, tmp_path / "weights.json")
    code = """
import sys
for name in ("torch", "torchvision", "sklearn", "onnx"):
    sys.modules[name] = None
from facevoice.branches import Adjustment
from facevoice.scores.calibration import fit_vector_scaling
from facevoice.cli import main
sys.exit(main(["reweigh", *sys.argv[1:]]))
"""
    arguments = [toy_bundle, "--weights", tmp_path / "weights.json", "-o", tmp_path / "b2"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
