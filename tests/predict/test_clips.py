"""Real clips and edge cases, compared with judgements by eye and ear."""

import csv
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import facevoice
from support.places import PREDICTION_SCHEMA

LONG = ("talk_60s_256px.mp4",)


def expected() -> list[Any]:
    path = Path(os.environ.get("FACEVOICE_DATA", ".")) / "clips" / "expected.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            pytest.param(row, marks=pytest.mark.slow if row["file"] in LONG else ())
            for row in csv.DictReader(stream)
        ]


CLIPS = expected() or [pytest.param({}, marks=pytest.mark.skip("needs FACEVOICE_DATA"))]


@pytest.fixture(scope="module")
def predictor():
    return facevoice.load()


@pytest.mark.parametrize("row", CLIPS, ids=lambda row: row.get("file", "none"))
def test_a_clip_agrees_with_its_judgement(row, predictor, data_folder):
    prediction = predictor(data_folder / "clips" / row["file"])
    for modality in ("face", "voice"):
        code = prediction.missing.get(modality)
        reasons = row[f"{modality}_reason"].split("|") if row[f"{modality}_reason"] else []
        if row[modality] == "yes":
            assert code is None
        elif row[modality] == "no":
            assert code in reasons
    assert int(row["people_min"]) <= prediction.evidence.people <= int(row["people_max"])
    assert (prediction.scores is None) == (len(prediction.missing) == 2)
    jsonschema.validate(prediction.to_dict(), PREDICTION_SCHEMA)
