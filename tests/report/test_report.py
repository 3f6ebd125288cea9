"""The report card: right figures, leaks found, every format sound and self-contained."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from facevoice.errors import DatasetError, InvalidInputError
from facevoice.report import (
    ReportCard,
    html_report,
    latex_report,
    markdown_report,
    report_card,
    write_report,
)
from facevoice.report.record import report_record
from facevoice.scores.choice import SearchPlan, choose_weights, nodes_of
from facevoice.scores.metrics import ConfusionMatrix, evaluate
from facevoice.scores.search import WeightTree
from facevoice.scores.table import ScoreTable
from facevoice.scores.weights_file import FittedFusion
from facevoice.types import EMOTIONS
from support.places import DOCS
from support.score_tables import BRANCHES, LABELS, renamed, skilled

SCHEMA = DOCS / "report.schema.json"
VOID = {"meta", "br", "img", "link", "input"}


def fit(table: ScoreTable, search: str = "log-loss", folds: int = 3) -> FittedFusion:
    plan = SearchPlan(search, nodes_of(table.branches), step=0.1, folds=folds)
    return choose_weights(table, plan).fitted


@pytest.fixture(scope="module")
def card() -> ReportCard:
    fitted = replace(fit(skilled(), "grid"), abstain_below=0.5)
    return report_card(skilled(1, split="test"), fitted, resamples=100, command="a <b> & c")


class Tags(HTMLParser):
    """Checks that tags close in order, and keeps what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_papers_confusion_gives_the_papers_figures() -> None:
    percent = np.array([
        [72.45, 0, 5.10, 3.06, 16.33, 2.04, 1.02], [15, 0, 0, 15, 62.5, 7.5, 0],
        [24.29, 0, 34.29, 1.43, 27.14, 8.57, 4.29], [3.47, 0, 0, 81.94, 10.42, 4.17, 0],
        [6.22, 0, 1.04, 2.07, 86.53, 4.15, 0], [11.25, 0, 3.75, 7.5, 40, 37.5, 0],
        [21.43, 0, 21.43, 7.14, 46.43, 3.57, 0],
    ])  # fmt: skip
    support = np.array([98, 40, 70, 144, 193, 80, 28])
    counts = np.rint(percent * support[:, None] / 100).astype(int)
    truth, predicted = (
        np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1)
    )
    table = ScoreTable.of_arrays(np.eye(7)[predicted], truth)
    figures = evaluate(table, "branch 1", "Fig. 2", resamples=50)
    assert round(100 * figures.matrix.war, 2) == 62.79
    assert round(100 * figures.matrix.uar, 2) == 44.67
    assert round(100 * figures.matrix.macro_f1, 1) == 43.4
    assert (round(100 * figures.war.low, 1), round(100 * figures.war.high, 1)) == (59.0, 66.4)
    fusion = FittedFusion(WeightTree.equal(("branch 1",)))
    page = html_report(report_card(table, fusion, resamples=20))
    for value in ("62.8", "44.7", "43.4", "59.0–66.4", "72.45", "86.53"):
        assert value in page
    assert 'data-whole="87"><span>86.53</span>' in page  # rounded where there is little room
    assert "Never predicted: disgust. Predicted, but never correctly: surprise." in page
    assert table.labels == EMOTIONS


def test_the_card_agrees_with_the_metrics(card: ReportCard) -> None:
    table = skilled(1, split="test")
    fitted = fit(skilled(), "grid")
    matrix = ConfusionMatrix.of_scores(fitted.fuse(table), table.truth, LABELS)
    assert card.system.matrix.war == matrix.war
    assert card.comparison.branch == "strong"
    assert card.comparison.war.difference == pytest.approx(matrix.war - card.branches[0].matrix.war)
    assert [each.branch for each in card.ablation] == list(BRANCHES)
    assert card.leak.verdict == "none found"
    node = card.weights[0]
    assert node.folds is not None
    assert node.lowest is not None
    assert node.highest is not None
    assert node.folds.shape == (3, 3)
    assert (node.lowest <= node.weights).all()
    assert (node.weights <= node.highest).all()
    assert card.system.war_by_group is not None
    assert card.system.war_by_group.units == 16


def test_the_page_is_whole_and_loads_nothing(card: ReportCard) -> None:
    page = html_report(card)
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in tags.seen}
    assert not re.search(r"https?://|@import|url\(", page)
    assert "a &lt;b&gt; &amp; c" in page
    for heading in (
        "Class by class",
        "Weights",
        "What each branch contributes",
        "Reliability",
        "Abstaining when unsure",
        "Speakers or films",
        "Rare classes",
        card.data.sha256,
    ):
        assert heading in page  # fmt: skip


def test_no_format_shows_accuracy_alone(card: ReportCard) -> None:
    for text in (html_report(card), markdown_report(card), latex_report(card)):
        assert "UAR" in text
        assert "No leak found" in text
        assert re.search(r"\d\d\.\d(–|--)\d\d\.\d", text)


def test_names_cannot_break_a_format() -> None:
    names = ("a|b", "<i>&_%", "c\\{}")
    table = replace(skilled(1), branches=names)
    fitted = FittedFusion(WeightTree.equal(names))
    hostile = report_card(table, fitted, resamples=20, title="<script>", name="x\n\\end{table}")
    tags = Tags()
    tags.feed(html_report(hostile))
    assert "script" not in {tag for tag, _ in tags.seen}
    latex = latex_report(hostile)
    assert r"\&\_\%" in latex
    assert "\n\\end{table}\n%" not in latex
    rows = [line for line in markdown_report(hostile).splitlines() if line.startswith("| a/b")]
    assert rows[0].count("|") == 10


def test_all_files_are_written_and_the_record_fits_its_schema(
    card: ReportCard, tmp_path: Path
) -> None:
    paths = write_report(card, tmp_path / "deep" / "report")
    assert [path.suffix for path in paths] == [".html", ".md", ".json", ".tex"]
    record = json.loads(paths[2].read_text())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    bare = report_card(skilled(1, count=3, speakers=3), FittedFusion(WeightTree.equal(BRANCHES)))
    jsonschema.validate(json.loads(json.dumps(report_record(bare), allow_nan=False)), schema)


def test_a_leaking_split_is_found() -> None:
    val = skilled(0)
    test = replace(skilled(1, split="test"), groups=val.groups)
    card = report_card(val.append(test), fit(val), split="test", resamples=20)
    assert card.leak.verdict == "leak"
    assert card.leak.findings[0].startswith("16 groups in several splits: speaker 0-0")
    assert "do not trust" in html_report(card)


def test_weights_judged_on_their_own_clips_are_a_leak() -> None:
    with pytest.raises(DatasetError, match="weights were fitted on 160 of 160 clips, such as 0-0"):
        report_card(skilled(), fit(skilled()), resamples=20)
    card = report_card(skilled(), fit(skilled()), resamples=20, allow_trained=True)
    assert card.leak.verdict == "leak"
    assert "these same clips" in card.leak.findings[0]


def test_a_clip_under_another_name_is_found_again() -> None:
    val, test = skilled(0), skilled(1, split="test")
    stolen = replace(renamed(val.rows(np.arange(2)), "copy of "), splits=np.array(["test", "test"]))
    stolen = replace(stolen, groups=np.array(["new", "new"]))
    both = val.append(test).append(stolen)
    across = report_card(both, fit(val), split="test", resamples=20, allow_trained=True)
    assert across.leak.verdict == "leak"
    assert "0-0 = copy of 0-0" in across.leak.findings[0]
    with pytest.raises(DatasetError, match="weights were fitted on 2 of 162 clips"):
        report_card(test.append(stolen), fit(val), resamples=20)
    apart = report_card(test.append(stolen), fit(val), resamples=20, allow_trained=True)
    assert apart.leak.verdict == "leak"
    assert (
        "2 clips with the name or the scores of a clip that the weights were fitted on"
        in (apart.leak.findings[0])
    )
    twice = test.append(renamed(test.rows(np.arange(1)), "again "))
    assert report_card(twice, fit(val), resamples=20).leak.verdict == "suspect"


def test_unknown_groups_are_said() -> None:
    table = skilled(1)
    card = report_card(replace(table, groups=table.ids), fit(skilled()), resamples=20)
    assert card.leak.verdict == "unknown"
    assert card.groups is None
    assert "paired permutation by clip" in markdown_report(card)


def test_a_class_that_does_not_occur_is_named_and_not_counted() -> None:
    table = skilled(1)
    card = report_card(table.rows(table.truth != 2), fit(skilled()), resamples=20)
    recall = card.system.matrix.recall
    assert np.isnan(recall[2])
    assert card.system.matrix.uar == pytest.approx(np.nanmean(recall))
    assert "Absent from the clips, so not in the UAR: c." in html_report(card)


def test_one_clip_gives_a_report() -> None:
    card = report_card(skilled(1, count=1), fit(skilled()), resamples=20)
    assert card.data.labelled == 1
    assert card.rare is None
    assert "No class offsets" in html_report(card) or "only one group" in html_report(card)
    latex_report(card)
    json.dumps(report_record(card), allow_nan=False)


def test_clips_that_no_branch_can_judge_count_as_wrong() -> None:
    table = skilled(1)
    scores = table.scores.copy()
    scores[:40] = np.nan
    missing = np.full(table.missing.shape, "", "<U7")
    missing[:40] = "no_face"
    card = report_card(replace(table, scores=scores, missing=missing), fit(skilled()), resamples=20)
    assert card.system.coverage == 0.75
    assert card.system.matrix.unanswered.sum() == 40
    page = html_report(card)
    assert "no answer" in page
    assert "strong has no scores for 40 (no_face)" in page


def test_nothing_answered_gives_a_report() -> None:
    table = skilled(1, count=8)
    card = report_card(
        replace(table, scores=np.full_like(table.scores, np.nan)), fit(skilled()), resamples=20
    )
    assert card.system.matrix.war == 0
    assert card.system.calibration is None
    html_report(card)
    markdown_report(card)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (skilled().append(skilled(1, split="test")), "has the splits 'test', 'val'"),
        (skilled().select(BRANCHES[:2]), "no branch 'blind' in the table"),
        (replace(skilled(), truth=np.full(160, -1)), "no clip to judge has a known truth"),
    ],
)
def test_what_cannot_be_judged_is_refused(table: ScoreTable, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        report_card(table, fit(skilled(), folds=0), resamples=20)


def test_stored_offsets_are_part_of_the_fusion() -> None:
    plan = SearchPlan("equal", {"system": BRANCHES}, class_offsets="uar")
    fitted = choose_weights(skilled(), plan).fitted
    card = report_card(skilled(1), fitted, resamples=20)
    assert card.rare is not None
    assert not card.rare.nested
    assert card.rare.after.war == card.system.matrix.war
    plain = WeightTree.equal(BRANCHES).fuse(skilled(1))
    without = ConfusionMatrix.of_scores(plain, skilled(1).truth, LABELS)
    np.testing.assert_array_equal(card.rare.before.counts, without.counts)
    for text in (html_report(card), markdown_report(card)):
        assert "On held-out folds of the clips fitted on: UAR " in text
        for place, label in enumerate(LABELS):
            one, two = (100 * each.recall[place] for each in (without, card.system.matrix))
            factor = f"score × {np.exp(fitted.adjustment.class_offsets[place]):.2f}"
            rows = [row for row in re.split(r"<tr>|\n", text) if factor in row]
            assert any(f"{one:.1f}" in row and f"{two:.1f}" in row for row in rows), label
    record = report_record(card)
    assert record["weights"][0]["class_offsets"] == pytest.approx(
        fitted.adjustment.class_offsets, abs=1e-6
    )
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))


def test_vector_scaling_is_shown_by_class() -> None:
    plan = SearchPlan("equal", {"system": BRANCHES}, calibration="vector")
    card = report_card(skilled(1), choose_weights(skilled(), plan).fitted, resamples=20)
    page = html_report(card)
    assert "Effect of vector scaling" in page
    assert page.count("score to the power ") == len(LABELS)
    jsonschema.validate(report_record(card), json.loads(SCHEMA.read_text()))


def test_the_joint_search_stands_beside_the_one_node_by_node() -> None:
    nodes = {"inner": BRANCHES[1:], "system": ("strong", "inner")}
    plan = SearchPlan("grid", nodes, step=0.1, joint=True)
    choice = choose_weights(skilled(), plan)
    card = report_card(skilled(1), choice.fitted, resamples=20)
    joint, tree = card.joint, choice.fitted.fusion
    assert joint is not None
    assert joint.members == choice.joint.members
    np.testing.assert_allclose(joint.share, choice.joint.weights / choice.joint.weights.sum())
    inner, root = tree.nodes
    first = root.weights[0] / sum(root.weights)
    second = (1 - first) * inner.weights[0] / sum(inner.weights)
    shares = dict(zip(joint.members, joint.by_node, strict=True))
    assert shares["strong"] == pytest.approx(first)
    assert shares["middling"] == pytest.approx(second)
    assert sum(shares.values()) == pytest.approx(1)
    assert joint.fitted == choice.joint.value
    assert joint.fitted_by_node == choice.searches[-1].value
    matrix = ConfusionMatrix.of_scores(choice.joint.fuse(skilled(1)), skilled(1).truth, LABELS)
    assert joint.figures.matrix.war == matrix.war
    assert joint.war.difference == pytest.approx(card.system.matrix.war - matrix.war)
    for text in (html_report(card), markdown_report(card)):
        assert "all branches searched at once" in text
        assert f"{100 * matrix.war:.1f} % (" in text
        assert f"reached WAR {100 * joint.fitted:.1f} %" in text
    record = report_record(card)
    assert record["joint"]["figures"]["uar"] == pytest.approx(matrix.uar, abs=1e-6)
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    without = report_card(skilled(1), fit(skilled(), "grid"), resamples=20)
    assert report_record(without)["joint"] is None


def test_a_regression_has_no_weights_and_still_a_report() -> None:
    card = report_card(skilled(1), fit(skilled(), "stacking"), resamples=20)
    assert card.weights == ()
    assert len(card.ablation) == 3
    assert "Search: stacking" in html_report(card)


def test_too_few_groups_to_show_anything_are_said() -> None:
    few = report_card(skilled(1, count=60, speakers=3), fit(skilled()), resamples=20)
    assert few.comparison.war.units <= 3
    assert "They could not: only " in markdown_report(few)
    many = report_card(skilled(1), fit(skilled()), resamples=20)
    assert many.comparison.war.units > 5
    assert "They could not" not in markdown_report(many)


def test_a_node_of_one_member_takes_no_table() -> None:
    nodes = {"voice": ("blind",), "system": ("strong", "middling", "voice")}
    fitted = choose_weights(skilled(), SearchPlan("grid", nodes, step=0.1)).fitted
    page = html_report(report_card(skilled(1), fitted, resamples=20))
    assert "voice <small>only blind: its weight has no effect" in page
    assert page.count('<div class="weights">') == 1


def test_a_product_is_named_with_its_node() -> None:
    for rule in ("sum", "product"):
        plan = SearchPlan("grid", {"system": ("strong", "middling")}, step=0.5, rule=rule)
        card = report_card(skilled(1), choose_weights(skilled(), plan).fitted, resamples=20)
        assert ("<h3>system <small>product; " in html_report(card)) == (rule == "product")
        assert ("system (product)" in markdown_report(card)) == (rule == "product")
