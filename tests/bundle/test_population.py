"""The population of a bundle: from score tables, and under a new tree."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import facevoice
from facevoice.branches.base import tempered
from facevoice.bundle import load_bundle, read_card
from facevoice.bundle.population import (
    branch_population,
    centred_neutral,
    kept_population,
    record_population,
    table_population,
    with_population,
)
from facevoice.bundle.reweigh import bundle_fusion, reweighted
from facevoice.errors import BundleError
from facevoice.person import Population
from facevoice.scores.search import Node, WeightTree
from facevoice.scores.weights_file import FittedFusion
from support.people import add_population
from support.score_tables import skilled


@pytest.fixture(scope="module")
def bundle(toy_bundle, tmp_path_factory):
    return add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")


def test_each_person_counts_the_same():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 9)
    scores[8] = np.nan
    people = np.array([*"aaaaaaabb"])
    found = branch_population(scores, people, 2.0)
    logs = np.log(tempered(scores[:8], 2.0))
    np.testing.assert_allclose(found.mean, (logs[:7].mean(axis=0) + logs[7]) / 2)
    assert (found.clips, found.people) == (8, 2)
    assert branch_population(np.full((3, 4), np.nan), people[:3]) is None
    truth = np.array([0, 0, 0, 0, 0, 0, 3, 3, 0])
    found = branch_population(scores, people, 2.0, truth=truth)
    np.testing.assert_allclose(found.mean, (logs[:6].mean(axis=0) + logs[6:].mean(axis=0)) / 2)
    table = skilled()
    column = table.branches[0]
    known = {"truth": table.truth, "labels": table.labels}
    by_hand = branch_population(table.column(column), table.groups, **known)
    assert table_population(table, column) == by_hand


def test_neutral_clips_have_a_mean_of_their_own():
    rng = np.random.default_rng(0)
    scores, people = rng.dirichlet(np.ones(3), 9), np.array([*"aaaabbbcc"])
    truth = np.array([0, 1, 1, 2, 1, 0, 2, 0, 2])
    labels = ("happy", "neutral", "sad")
    found = branch_population(scores, people, truth=truth, labels=labels)
    logs = np.log(scores)
    np.testing.assert_allclose(found.neutral, (logs[1:3].mean(axis=0) + logs[4]) / 2)
    assert Population({"face": found}).knows_neutral
    again = Population.from_dict(Population({"face": found}).to_dict(17))
    assert again == Population({"face": found})
    for other in ({"labels": labels}, {"truth": truth, "labels": ("a", "b", "c")}):
        without = branch_population(scores, people, **other)
        assert without.neutral is None
        assert not Population({"face": without}).knows_neutral


def test_the_second_model_has_them_where_people_differ_from_themselves():
    table = skilled()
    table = replace(table.select([table.branches[0]]), labels=("neutral", *table.labels[1:]))
    logs = np.log(tempered(table.column(table.branches[0]), 2.0))
    expected = []
    for person in np.unique(table.groups):
        own = table.groups == person
        means = [logs[own & (table.truth == k)].mean(axis=0) for k in np.unique(table.truth[own])]
        if len(means) >= 3 and 0 in table.truth[own]:
            expected.append(means[0] - np.mean(means, axis=0))
    assert expected
    found = centred_neutral(table, 2.0)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-9)
    assert centred_neutral(replace(table, labels=("calm", *table.labels[1:]))) is None


def test_other_weights_keep_it_and_branches_that_go_take_theirs_along(bundle, tmp_path):
    before = load_bundle(bundle).population.branches
    whole = FittedFusion(bundle_fusion(read_card(bundle)))
    again = load_bundle(reweighted(bundle, whole, tmp_path / "again"))
    assert again.population == load_bundle(bundle).population
    flat = WeightTree((Node("system", ("expression", "spectrogram"), (1.0, 1.0)),))
    fewer = load_bundle(reweighted(bundle, FittedFusion(flat), tmp_path / "fewer"))
    assert dict(fewer.population.branches) == {
        "expression": before["face.expression"],
        "spectrogram": before["voice.spectrogram"],
    }


def test_another_temperature_needs_other_statistics(bundle):
    card = read_card(bundle)
    tree = json.loads(json.dumps(card["tree"]))
    tree["members"][0]["members"][0]["temperature"] = 3.0
    assert set(kept_population(card, tree).branches) == {"face.sequence", "voice.spectrogram"}
    nothing = with_population(card, Population({}))
    assert "population" not in nothing
    assert kept_population(nothing, tree).branches == {}


def test_statistics_are_recorded_beside_those_that_are_there(bundle, toy_bundle, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(toy_bundle, folder)
    known = load_bundle(bundle).population.branches
    for name in ("face.expression", "voice.spectrogram"):
        record_population(folder, Population({name: known[name]}))
    assert set(load_bundle(folder).population.branches) == {"face.expression", "voice.spectrogram"}
    assert facevoice.load(folder).bundle.card["format"] == read_card(toy_bundle)["format"]
    with pytest.raises(BundleError, match=r"face\.nose"):
        record_population(folder, Population({"face.nose": known["face.expression"]}))
