"""From a folder of real clips to a fused bundle and its report, by the commands a user types."""

import json
import os
import shutil
from pathlib import Path

import pytest

from facevoice.cli import main
from support.places import RECIPES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("FACEVOICE_DATA" not in os.environ, reason="FACEVOICE_DATA is not set"),
]

SMALL = ("width=4", "epochs=2", "batch_size=8", "val_groups=['JV08']", "test_groups=['JV03']")
FACE = (*SMALL, "input_size=24", "sizes=[]", "frames=4", "name=face")
VOICE = (*SMALL, "name=voice", "components=8", "nets=1", "test_corpora=[]")
TREE = """
name = "chain"
version = "1"
description = "for a test"
licences = { code = "MIT", weights = "local use", data = "not stated" }
[tree]
name = "system"
members = [{ run = "face" }, { run = "voice" }]
"""


def run(*words):
    assert main([str(word) for word in words]) == 0


def settings(values):
    return [word for value in values for word in ("--set", value)]


def test_prepare_train_bundle_score_fuse_bundle_predict_evaluate(tmp_path):
    corpus = Path(os.environ["FACEVOICE_DATA"]) / "javanese_av"
    prepared = tmp_path / "prepared"
    run("prepare", "manifest", "--root", corpus, "-o", prepared, "--limit", 48)
    for name, recipe, changes in (("face", "base_face", FACE), ("voice", "base_voice", VOICE)):
        place = ("--data", prepared, "-o", tmp_path / name)
        run("train", RECIPES / f"{recipe}.toml", *place, *settings(changes))
    (tmp_path / "tree.toml").write_text(TREE)
    runs, tree = (tmp_path / "face", tmp_path / "voice"), ("--tree", tmp_path / "tree.toml")
    run("bundle", *runs, *tree, "-o", tmp_path / "b")

    table, weights = tmp_path / "scores.parquet", tmp_path / "weights.json"
    run("score", "--bundle", tmp_path / "b", "--data", prepared, "--deal", "val,test", "-o", table)
    on_val = ("fuse", table, "--split", "val", "--tree", tmp_path / "b", "--search", "grid")
    words = [str(word) for word in (*on_val, "-o", weights)]
    assert main(words) == 1  # these clips taught the bundle
    run(*words, "--allow-trained")
    run(
        "reweigh", tmp_path / "b", "--weights", weights, "-o", tmp_path / "fused", "--allow-trained"
    )
    words = ("evaluate", table, "--split", "test", "--weights", weights)
    run(*words, "-o", tmp_path / "report", "--allow-trained")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report

    clip = tmp_path / "clip.mp4"
    shutil.copy(corpus / "03-01-01_01.mp4", clip)
    run("predict", clip, "--bundle", tmp_path / "fused", "-o", tmp_path / "predicted.jsonl")
    record = json.loads((tmp_path / "predicted.jsonl").read_text())
    assert set(record["parts"]) == {"face", "voice"}
    chosen = json.loads((tmp_path / "fused" / "bundle.json").read_text())["tree"]["members"]
    assert [node["name"] for node in chosen] == ["face", "voice"]
