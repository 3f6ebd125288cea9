"""A branch that has only name, labels, modality and score works in every verb."""

import json
from contextlib import suppress

import pandas as pd
import pytest

import facevoice
from facevoice.batch import Processes, predict_all
from facevoice.branches import Branch
from facevoice.branches.base import PerFaceBranch
from facevoice.bundle import load_bundle, read
from facevoice.cli import main
from facevoice.samples import SAMPLE
from support.plain_branch import Brightness, Registering, register, write_bundle


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "_KINDS", dict(read._KINDS))
    register()
    return write_bundle(tmp_path / "plain")


@pytest.fixture
def wanted(bundle):
    return facevoice.load(bundle, threads=1)(SAMPLE)


def test_it_is_a_branch_and_no_more(bundle):
    branch = load_bundle(bundle).tree
    assert isinstance(branch, Brightness)
    assert isinstance(branch, Branch)
    assert not isinstance(branch, PerFaceBranch)


def test_predict(bundle, wanted, capsys):
    assert main(["predict", str(SAMPLE), "--bundle", str(bundle), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["scores"] == pytest.approx(wanted.scores.to_dict(), abs=1e-6)
    assert record["scores"]["angry"] > record["scores"]["disgust"] > record["scores"]["sad"]


def test_timeline(bundle, wanted, tmp_path):
    words = ["timeline", str(SAMPLE), "--bundle", str(bundle), "-o", str(tmp_path / "out")]
    length = str(facevoice.load(bundle)(SAMPLE).duration_seconds)
    words += ["--window", length, "--hop", length, "--formats", "csv", "--frames"]
    assert main(words) == 0
    (row,) = pd.read_csv(tmp_path / "out" / f"{SAMPLE.stem}.windows.csv").to_dict("records")
    assert row["scores.angry"] == pytest.approx(wanted.scores["angry"], abs=1e-6)
    assert row["face.angry"] > row["scores.angry"] > row["voice.angry"]


def test_live(bundle, wanted, capsys):
    with suppress(SystemExit):
        assert main(["live", str(SAMPLE), "--bundle", str(bundle)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert all(
        row["scores"]["scores"]["angry"] > row["scores"]["scores"]["sad"]
        for row in lines[0]["rows"]
    )


def test_batch(bundle, wanted):
    engine = Registering(Processes(workers=1, threads=1))
    (prediction,) = predict_all([SAMPLE], bundle=bundle, engine=engine)
    assert prediction.scores.to_dict() == pytest.approx(wanted.scores.to_dict())


def test_evaluate(bundle, wanted, tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,emotion,speaker\n{SAMPLE},{wanted.emotion},A\n", encoding="utf-8")
    assert main(["evaluate", str(labels), "--bundle", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"]["fused"]["war"] == 1.0
