"""A population from score tables, put into a bundle that is there."""

import shutil
import sys

import numpy as np
import population

from facevoice.bundle import load_bundle
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.types import EMOTIONS


def test_a_branch_takes_the_first_table_that_has_it(toy_bundle, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "bundle"
    shutil.copytree(toy_bundle, folder)
    paths = []
    for number, branches in enumerate((["fused", "face.expression"], ["expression", "sequence"])):
        scores = np.random.default_rng(number).dirichlet(np.ones(7), (6 + number, 2))
        people = "aabbccc"[: 6 + number]
        table = ScoreTable.of_arrays(scores, branches=branches, labels=EMOTIONS, groups=people)
        paths.append(tmp_path / f"{number}.npz")
        write_score_table(table, paths[-1])
    monkeypatch.setattr(sys, "argv", ["population.py", str(folder), *map(str, paths)])
    population.main()
    found = load_bundle(folder).population.branches
    assert {name: (each.clips, each.people) for name, each in found.items()} == {
        "face.expression": (6, 3),
        "face.sequence": (7, 3),
    }
    assert "voice.spectrogram: no scores" in capsys.readouterr().out
