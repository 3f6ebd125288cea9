"""Branches trained on clips: two stages, features cached, and the same scores in prediction."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from facevoice.branches import leaves
from facevoice.bundle import load_bundle
from facevoice.errors import RecipeError
from facevoice.train.export.assemble import assemble
from facevoice.train.fit.run_folder import read_log
from facevoice.train.fit.sequence_features import SequenceSource
from facevoice.train.recipe import recipe_from
from facevoice.train.run import train
from support.toy_clips import COUNT, LABELS, write_clips

NET = {
    "net": "small_resnet", "width": 4, "input_size": 24, "batch_size": 16, "learning_rate": 0.01,
    "augment": 0.3, "frames": 4, "val_groups": ["s1"], "test_groups": ["s2"],
}  # fmt: skip
SEQUENCE = NET | {
    "name": "seq", "branch": "face_sequence", "epochs": 4, "draws": 3, "blstm_width": 16,
    "blstm_epochs": 8, "blstm_batch_size": 4, "blstm_learning_rate": 0.02, "views": 2,
}  # fmt: skip
VOTE = NET | {"name": "vote", "branch": "face_vote", "epochs": 2, "mirror": True, "pooling": "mean"}
VOICE = {
    "name": "voice", "branch": "spectrogram_net", "net": "spectrogram_resnet", "width": 4,
    "epochs": 2, "batch_size": 16, "channels": 3, "val_groups": ["s1"], "test_groups": ["s2"],
    "spectrogram": {"scale": "mel", "height": 32, "width": 64, "time": "window"},
}  # fmt: skip
TREE = """
name = "tiny"
version = "0"
description = "for a test"
licences = { code = "MIT", weights = "MIT", data = "none" }
[tree]
name = "system"
members = [{ run = "seq" }, { run = "vote" }, { run = "voice" }]
"""


def recipe(table, **changes):
    return recipe_from(table | changes, "test")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "clips"
    return write_clips(folder, faceless={5, 30}, voiceless={9})


@pytest.fixture(scope="module")
def runs(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        table["name"]: train(recipe(table), clips, folder / table["name"])
        for table in (SEQUENCE, VOTE, VOICE)
    }


def test_both_stages_learn_and_tell_held_out_speakers(runs):
    log = read_log(runs["seq"])
    for stage in ("net", "blstm"):
        losses = [line["loss"] for line in log if line["stage"] == stage]
        assert losses[-1] < losses[0]
    with np.load(runs["seq"] / "scores_test.npz") as stored:
        assert set(stored["groups"]) == {"s2"}
        assert (stored["scores"].argmax(axis=1) == stored["y"]).mean() > 0.6
    assert (runs["seq"] / "curves.png").stat().st_size > 1000
    assert not list(runs["seq"].glob("features-*")) + list(runs["seq"].glob("stage-*"))


def test_clips_without_the_modality_are_left_out_and_counted(runs, clips):
    facts = json.loads((runs["seq"] / "run.json").read_text())
    assert facts["unusable"] == 2
    assert sum(facts["rows"].values()) == COUNT - 2
    assert json.loads((runs["voice"] / "run.json").read_text())["unusable"] == 1


@pytest.mark.slow
def test_the_bundle_scores_clips_as_training_did(runs, clips, tmp_path):
    tree = tmp_path / "tree.toml"
    tree.write_text(TREE)
    bundle = load_bundle(assemble(list(runs.values()), tree, tmp_path / "bundle"))
    branches = {branch.name: branch for branch in leaves(bundle.tree)}
    for name, run in runs.items():
        with np.load(run / "scores_val.npz") as stored:
            ids, wanted = stored["ids"], stored["scores"]
        branch = replace(branches[name], temperature=1.0)
        for identity, scores in zip(ids, wanted, strict=True):
            found = branch.score(clips.evidence(clips.ids.index(str(identity))))
            np.testing.assert_allclose(found.values, scores, atol=2e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "epoch"), [("net", 2), ("blstm", 1), ("blstm", 8)])
def test_a_run_killed_in_any_stage_resumes_to_the_very_same_weights(
    runs, clips, tmp_path, stage, epoch
):
    class KilledError(Exception):
        pass

    def kill(line):
        if (line["stage"], line["epoch"]) == (stage, epoch):
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe(SEQUENCE), clips, tmp_path / "run", kill)
    train(recipe(SEQUENCE), clips, tmp_path / "run")
    first, second = (
        torch.load(run / "model.pt", weights_only=True) for run in (runs["seq"], tmp_path / "run")
    )
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert [
        (line["stage"], line["epoch"], line["loss"]) for line in read_log(tmp_path / "run")
    ] == [(line["stage"], line["epoch"], line["loss"]) for line in read_log(runs["seq"])]


def test_a_sequence_starts_from_a_static_run_and_trains_the_blstm_alone(runs, clips, tmp_path):
    from_vote = recipe(SEQUENCE, initial=str(runs["vote"]), epochs=0, blstm_epochs=2)
    run = train(from_vote, clips, tmp_path / "run")
    assert {line["stage"] for line in read_log(run)} == {"blstm"}
    kept = torch.load(run / "model.pt", weights_only=True)
    came = torch.load(runs["vote"] / "model.pt", weights_only=True)
    assert torch.equal(kept["net.stem.0.weight"], came["stem.0.weight"])
    with pytest.raises(RecipeError, match="nothing to train"):
        recipe(SEQUENCE, epochs=0)


def test_a_sequence_run_is_a_start_for_another_branch(runs, clips, tmp_path):
    run = train(recipe(VOTE, initial=str(runs["seq"]), epochs=1), clips, tmp_path / "run")
    assert read_log(run)[0]["loss"] < read_log(runs["vote"])[0]["loss"]


@pytest.mark.slow
def test_joint_fine_tuning_changes_network_and_blstm(runs, clips, tmp_path):
    joint = recipe(SEQUENCE, epochs=1, blstm_epochs=1, joint_epochs=1, joint_learning_rate=0.01)
    run = train(joint, clips, tmp_path / "run")
    assert [line["stage"] for line in read_log(run)] == ["net", "blstm", "joint"]
    apart = train(recipe(SEQUENCE, epochs=1, blstm_epochs=1), clips, tmp_path / "apart")
    one, other = (torch.load(at / "model.pt", weights_only=True) for at in (run, apart))
    for name in ("net.stem.0.weight", "blstm.classify.weight"):
        assert not torch.equal(one[name], other[name])


def test_patience_stops_early_and_keeps_the_best_epoch(clips, tmp_path):
    still = recipe(VOTE, epochs=9, patience=2, learning_rate=1e-9)
    log = read_log(train(still, clips, tmp_path / "run"))
    assert len(log) < 9
    best = max(line["val_uar"] for line in log)
    with np.load(tmp_path / "run" / "scores_val.npz") as stored:
        right = stored["scores"].argmax(axis=1) == stored["y"]
        recalls = [right[stored["y"] == k].mean() for k in set(stored["y"].tolist())]
    assert np.mean(recalls) == pytest.approx(best, abs=1e-4)


def test_views_of_a_clip_change_all_its_faces_alike(clips):
    source = SequenceSource(clips, recipe(SEQUENCE, augment=1.0))
    plain, changed = source.view(3, 0), source.view(3, 1)
    assert plain.shape == changed.shape
    assert not torch.allclose(plain, changed, atol=0.05)
    torch.testing.assert_close(changed, source.view(3, 1))
    difference = (changed[0] - changed[1]).abs().mean()
    assert difference < (plain[0] - changed[0]).abs().mean()


def test_a_branch_that_finds_nothing_to_read_says_so(tmp_path):
    clips = write_clips(tmp_path / "clips", voiceless=set(range(COUNT)))
    with pytest.raises(RecipeError, match="none of"):
        train(recipe(VOICE), clips, tmp_path / "run")


def test_labels_are_those_of_the_corpus(runs):
    assert json.loads((runs["seq"] / "run.json").read_text())["labels"] == list(LABELS)
