"""The population of a bundle: from score tables, and under a new tree."""

import json
import shutil

import numpy as np
import pytest

import facevoice
from facevoice.branches.base import tempered
from facevoice.bundle import load_bundle, read_card
from facevoice.bundle.population import (
    branch_population,
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
    by_hand = branch_population(table.column(column), table.groups, truth=table.truth)
    assert table_population(table, column) == by_hand


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
