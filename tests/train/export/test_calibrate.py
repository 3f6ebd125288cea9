"""Temperatures of a bundle's branches from score tables of clips that are new to them."""

import dataclasses

import numpy as np
import pytest

from facevoice.branches.base import tempered
from facevoice.branches.blend import blend
from facevoice.bundle.trained_on import Lessons, write_lessons
from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.scores.table.keys import keys_of
from facevoice.train.export.calibrate import Calibrations
from facevoice.train.export.onnx_files import Run
from support.prepared_folders import LABELS, VOICE

COUNT = 400


@pytest.fixture(scope="module")
def table():
    """Two branches; the first is far too sure of itself."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, COUNT)
    logits = rng.normal(0, 1, (COUNT, 2, 4)) + 1.2 * np.eye(4)[truth][:, None]
    logits[:, 0] *= 3
    scores = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return ScoreTable.of_arrays(
        scores,
        truth,
        branches=["tiny_voice", "voice.other"],
        labels=LABELS,
        ids=[f"clip {number}" for number in range(COUNT)],
        groups=[f"speaker {number % 8}" for number in range(COUNT)],
        splits=["one" if number % 2 else "two" for number in range(COUNT)],
    )


def learnt(folder, names, table):
    """A run folder that notes the clips of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = dict(zip(table.ids.tolist(), table.truth.tolist(), strict=True))
    write_lessons(folder, Lessons(keys_of(names, [LABELS[truth.get(name, 0)] for name in names])))
    return Run(folder, VOICE, {"labels": LABELS})


def calibrations(run):
    found = Calibrations(LABELS)
    found.runs["tiny_voice"] = run
    return found


LEAF = {"kind": "spectrogram_net", "name": "tiny_voice", "temperature": 1.5}
OTHER = {"kind": "functionals", "name": "other", "temperature": 1.0}


def test_a_branch_gets_the_temperature_its_table_asks_for(table, tmp_path):
    path = tmp_path / "held_out.npz"
    write_score_table(table, path)
    found = calibrations(learnt(tmp_path / "run", ["clip x"], table))
    node = found.calibrated(LEAF, str(path))
    scores = table.column("tiny_voice")
    factor = fit_temperature(scores, table.truth)
    assert factor > 2
    assert node == LEAF | {"temperature": round(1.5 * factor, 4)}
    facts = found.facts["tiny_voice"]
    assert facts["table"] == str(path)
    assert (facts["clips"], facts["groups"]) == (COUNT, 8)
    assert facts["temperature"] == [1.5, node["temperature"]]
    before, after = facts["log_loss"]
    own = np.arange(COUNT), table.truth
    assert before == pytest.approx(-np.log(scores[own]).mean(), abs=1e-4)
    assert after == pytest.approx(-np.log(tempered(scores, factor)[own]).mean(), abs=1e-4)
    assert after < before


def test_a_fusion_is_calibrated_after_its_members(table, tmp_path):
    path = tmp_path / "held_out.npz"
    alone = table.scores.copy()
    alone[:40, 1] = np.nan  # a fusion of one leaves scores as they are: these clips do not count
    write_score_table(dataclasses.replace(table, scores=alone), path)
    found = calibrations(learnt(tmp_path / "run", ["clip x"], table))
    leaf = found.calibrated(LEAF, str(path))
    node = {"kind": "blend", "name": "voice", "rule": "product",
            "members": [leaf | {"weight": 2.0}, OTHER]}  # fmt: skip
    made = found.calibrated(node, str(path))
    factor = fit_temperature(alone[:, 0], table.truth)
    members = np.stack([tempered(alone[40:, 0], factor), alone[40:, 1]], axis=1)
    wanted = fit_temperature(blend(members, [2.0, 1.0], "product"), table.truth[40:])
    assert made["temperature"] == pytest.approx(wanted, abs=1e-4)
    assert found.facts["voice"]["clips"] == COUNT - 40
    assert made["members"] == node["members"]


def test_a_clip_that_its_scorer_learnt_from_is_refused(table, tmp_path):
    path = tmp_path / "held_out.npz"
    write_score_table(table, path)
    own = learnt(tmp_path / "run", ["clip 3", "clip 5", "clip x"], table)
    with pytest.raises(RecipeError, match=r"2 clips of those that .*run learnt from"):
        calibrations(own).calibrated(LEAF, str(path))
    # networks of folds stand beside the table: each split was scored by its own
    learnt(tmp_path / "tiny_voice" / "one", ["clip 4"], table)
    learnt(tmp_path / "tiny_voice" / "two", ["clip 3"], table)
    assert calibrations(own).calibrated(LEAF, str(path))["temperature"] > 3
    learnt(tmp_path / "tiny_voice" / "two", ["clip 3", "clip 6"], table)
    with pytest.raises(RecipeError, match=r"1 clip of those that .*two learnt from"):
        calibrations(own).calibrated(LEAF, str(path))
    (tmp_path / "tiny_voice" / "two" / "trained_on.npy").unlink()
    with pytest.raises(RecipeError, match="does not say which samples it learnt from"):
        calibrations(own).calibrated(LEAF, str(path))


def test_a_table_must_fit(table, tmp_path):
    path = tmp_path / "held_out.npz"
    write_score_table(table, path)
    with pytest.raises(RecipeError, match=r"no scores of face; it has tiny_voice, voice\.other"):
        Calibrations(LABELS).calibrated({"name": "face", "kind": "face_vote"}, str(path))
    with pytest.raises(RecipeError, match="scores calm, contempt, pain, joy, the bundle sad, joy"):
        Calibrations(("sad", "joy")).calibrated(OTHER, str(path))
    stack = {"kind": "stack", "name": "voice", "members": [OTHER]}
    with pytest.raises(RecipeError, match="voice is a stack: it has no temperature"):
        Calibrations(LABELS).calibrated(stack, str(path))
    unknown = dataclasses.replace(table, truth=np.full(COUNT, -1))
    write_score_table(unknown, path)
    with pytest.raises(RecipeError, match="no clip has a truth and scores of other"):
        Calibrations(LABELS).calibrated(OTHER, str(path))
