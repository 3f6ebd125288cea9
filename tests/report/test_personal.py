"""Figures against people's own baselines: worked out again with the predictions' own methods."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevoice.cli import main
from facevoice.errors import InvalidInputError
from facevoice.person import Baseline
from facevoice.predict import load, read_against
from facevoice.report.personal import personal_figures
from facevoice.report.scoring import score_evidence
from facevoice.types import Sample
from support.evidence_factory import make_evidence
from support.people import add_population, few_emotions_will_do
from support.prepared_folders import shown, write_folder

LABELS = ("angry", "happy", "sad")


@pytest.fixture(scope="module", autouse=True)
def _few_emotions_will_do():
    with few_emotions_will_do():
        yield


@pytest.fixture(scope="module")
def bundle(toy_bundle, tmp_path_factory):
    return add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")


@pytest.fixture(scope="module")
def scored(bundle):
    """12 clips of two people, one of whom is alone in a group of 1 clip."""
    predictor, kept = load(bundle), []
    items = [
        (
            Sample(str(k), Path(), LABELS[k % 3], "test", "a" if k < 11 else "b"),
            make_evidence(seed=k),
        )
        for k in range(12)
    ]
    table = score_evidence(predictor, items, watch=lambda _number, each: kept.append(each))
    return predictor.bundle, table, kept


def test_whole_is_each_clip_against_all_of_its_person(scored):
    bundle, table, predictions = scored
    found = personal_figures(bundle, table, predictions, "whole")
    known = Baseline.empty(bundle).after(predictions[:11])
    answers = [read_against(each, bundle, known).personal.emotion for each in predictions[:11]] + [
        predictions[11].emotion
    ]
    truth = [table.labels[index] for index in table.truth]
    node = next(each for each in found.nodes if each.node == "fused")
    assert node.war == pytest.approx(np.mean(np.array(answers) == truth))
    plain = [each.emotion for each in predictions]
    assert node.raw_war == pytest.approx(np.mean(np.array(plain) == truth))
    assert node.test.difference == pytest.approx(node.war - node.raw_war)
    assert (found.people, found.orders, node.test.exact) == (2, 1, True)
    assert (found.clips, found.clips_read) == (12, 11)


def test_causal_is_the_mean_of_orders_and_the_first_clips_stay_plain(scored):
    bundle, table, predictions = scored
    one, again = (personal_figures(bundle, table, predictions, "causal") for _ in range(2))
    assert one == again
    node = one.nodes[0]
    assert node.least <= node.war <= node.most
    few = personal_figures(bundle, table.rows(np.arange(3)), predictions[:3], "causal")
    assert all(each.war == pytest.approx(each.raw_war) for each in few.nodes)
    assert (one.clips_read, few.clips_read) == (11 - 3, 0)


def test_it_needs_a_population_and_people(scored, toy_bundle):
    bundle, table, predictions = scored
    with pytest.raises(InvalidInputError, match="no population"):
        personal_figures(load(toy_bundle).bundle, table, predictions, "whole")
    with pytest.raises(InvalidInputError, match="column speaker or group"):
        personal_figures(bundle, table.rows(np.arange(10, 12)), predictions[10:], "whole")


def test_the_command_prints_both_and_says_what_they_saw(bundle, tmp_path, capsys):
    rows = [f"{k},{LABELS[k % 3]},test,s{k % 2}" for k in range(8)]
    parts = [shown(np.full((250, 250), 25 * k, np.uint8)) for k in range(8)]
    write_folder(tmp_path / "data", parts, rows, labels=list(LABELS))
    call = ["evaluate", str(tmp_path / "data"), "--bundle", str(bundle), "--personal"]
    assert main([*call, "whole"]) == 0
    out = capsys.readouterr().out
    assert "see the test clips, though not their labels" in out
    assert "mean of 30 random orders" in out
    assert "(2 people, 8 clips, all read personally)" in out
    assert "(2 people, 8 clips, 2 of them read personally, the others plainly)" in out
    assert main([*call, "causal", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["personal"]["mode"] == "causal"
    assert (record["personal"]["clips"], record["personal"]["clips_read"]) == (8, 2)
    assert set(record["personal"]["nodes"]) <= set(record["nodes"])
    assert main([*call, "whole", "-o", str(tmp_path / "card")]) == 1


def test_what_cannot_be_read_personally_is_refused_before_it_is_scored(
    toy_bundle, bundle, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("facevoice.report.scoring.score_clips", None)
    (tmp_path / "labels.csv").write_text(
        "file,label,speaker\n" + "".join(f"{k}.mp4,happy,{k // 2}\n" for k in range(6))
    )
    call = ["evaluate", str(tmp_path / "labels.csv"), "--personal", "whole", "--bundle"]
    for chosen, said in (
        (toy_bundle, "has no population"),
        (bundle, "at most 2 are of one person"),
    ):
        assert main([*call, str(chosen)]) == 1
        assert said in capsys.readouterr().err


def test_weights_are_refused_beside_it(tmp_path, capsys):
    """Figures of other weights than the bundle's would stand beside personal ones of its own."""
    options = ["--personal", "whole", "--weights", "weights.json"]
    assert main(["evaluate", str(tmp_path / "labels.csv"), *options]) == 1
    assert "no --weights" in capsys.readouterr().err
