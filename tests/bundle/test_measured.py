"""Rows of a card: figures as an outside reference gives them, and whether they hold."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from facevoice.bundle import read_card
from facevoice.bundle.measured import differences, record, record_left_out, row_for, row_of
from facevoice.errors import BundleError
from support.score_tables import skilled
from support.toy_bundle import make_toy_bundle


def test_figures_are_those_of_scikit_learn() -> None:
    table = skilled()
    row = row_of(table, "mine")
    assert (row["name"], row["clips"], set(row["nodes"])) == ("mine", 160, set(table.branches))
    for name in table.branches:
        scores, found = table.column(name), row["nodes"][name]
        chosen = scores.argmax(axis=1)
        assert found["war"] == pytest.approx(accuracy_score(table.truth, chosen), abs=1e-4)
        assert found["uar"] == pytest.approx(balanced_accuracy_score(table.truth, chosen), abs=1e-4)
        assert found["log_loss"] == pytest.approx(log_loss(table.truth, scores), abs=1e-4)
        assert found["war_low"] < found["war"] < found["war_high"]
        assert len(found["recall"]) == 4


def test_silent_clips_count_as_wrong_and_silent_nodes_have_no_figures() -> None:
    table = skilled()
    scores = table.scores.copy()
    scores[:80, 0] = np.nan
    scores[:, 2] = np.nan
    row = row_of(replace(table, scores=scores), "half")
    assert set(row["nodes"]) == {"strong", "middling"}
    spoken = table.column("strong")[80:].argmax(axis=1) == table.truth[80:]
    assert row["nodes"]["strong"]["war"] == pytest.approx(spoken.sum() / 160, abs=1e-4)


def test_clips_without_labels_cannot_be_judged() -> None:
    table = skilled()
    with pytest.raises(BundleError, match="no clip has a label"):
        row_of(replace(table, truth=np.full(160, -1)), "none")


def test_a_row_is_found_again_by_its_clips_alone() -> None:
    table = skilled()
    card = {"measured": [row_of(skilled(5), "another"), row_of(table, "mine")]}
    found = row_for(card, table.rows(np.arange(160)[::-1]))
    assert found is not None
    assert found["name"] == "mine"
    assert row_for(card, skilled(6)) is None
    assert row_for({}, table) is None


def test_what_differs_is_told() -> None:
    table = skilled()
    row = json.loads(json.dumps(row_of(table, "mine")))
    assert differences(row, table) == []
    row["nodes"]["strong"]["war"] -= 0.004
    assert differences(row, table) == []
    row["nodes"]["strong"]["war"] -= 0.004
    (told,) = differences(row, table)
    assert told.startswith("strong: WAR 0.")
    assert "the card says" in told
    del row["nodes"]["blind"]
    row["nodes"]["gone"] = row["nodes"]["strong"]
    told = differences(row, table)
    assert "blind: not in the card" in told
    assert "gone: not measured" in told


def test_a_row_replaces_the_one_of_its_name_or_clips(tmp_path) -> None:
    folder = make_toy_bundle(tmp_path / "toy")
    table = skilled()
    for row in (row_of(table, "mine"), row_of(skilled(5), "other"), row_of(skilled(6), "mine"),
                row_of(skilled(5), "renamed")):  # fmt: skip
        record(folder, row)
    rows = read_card(folder)["measured"]
    assert [row["name"] for row in rows] == ["mine", "renamed"]
    assert row_for(read_card(folder), skilled(6)) is not None
    assert row_for(read_card(folder), table) is None


def test_personal_figures_stay_where_the_same_is_measured_without_them(tmp_path) -> None:
    folder = make_toy_bundle(tmp_path / "toy")
    row = row_of(skilled(), "mine")
    record(folder, {**row, "personal": {"mode": "whole"}})
    record(folder, row)
    assert read_card(folder)["measured"][0]["personal"] == {"mode": "whole"}
    record(folder, row_of(skilled(6), "mine"))
    assert "personal" not in read_card(folder)["measured"][0]


def test_what_is_left_out_is_recorded_anew(tmp_path) -> None:
    folder = make_toy_bundle(tmp_path / "toy")
    before = read_card(folder)
    record_left_out(folder, {"emodb": {"speech": {"war": 0.5}}})
    record_left_out(folder, {"ravdess": {"speech": {"war": 0.4}}})
    after = read_card(folder)
    assert after.pop("left_out") == {"ravdess": {"speech": {"war": 0.4}}}
    assert after == before
