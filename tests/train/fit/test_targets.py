"""Labels mixed with soft labels of score tables."""

from dataclasses import replace

import numpy as np
import pytest

from facevoice.errors import InvalidInputError, MediaNotFoundError, RecipeError
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.train.fit.targets import targets_of
from support.prepared_folders import LABELS, VOICE, shown, write_folder

PLAIN = replace(VOICE, label_smoothing=0.0)


@pytest.fixture
def data(tmp_path):
    rows = [f"{name},{label},train,s" for name, label in zip("abc", LABELS, strict=False)]
    picture = np.zeros((8, 8), np.uint8)
    return write_folder(tmp_path / "corpus", [shown(picture)] * 3, rows)


def table(path, scores, ids, labels=LABELS):
    write_score_table(ScoreTable.of_arrays(np.array(scores), ids=ids, labels=labels), path)
    return str(path)


def test_labels_alone_are_smoothed(data):
    targets = targets_of(replace(PLAIN, label_smoothing=0.2), data)
    np.testing.assert_allclose(targets[0], [0.85, 0.05, 0.05, 0.05])


def test_tables_take_their_shares_where_they_have_scores(data, tmp_path):
    votes = table(tmp_path / "votes.npz", [[0, 0, 0.5, 0.5], [1, 0, 0, 0]], ["c", "a"])
    both = [[[1, 0, 0, 0], [0, 0, 1, 0]], [[np.nan] * 4] * 2]  # two branches, absent for b
    teachers = table(tmp_path / "teachers.csv", both, ["a", "b"])
    targets = targets_of(replace(PLAIN, soft_labels={votes: 0.5, teachers: 0.2}), data)
    np.testing.assert_allclose(targets.sum(dim=1), 1)
    np.testing.assert_allclose(targets[0], [0.9, 0, 0.1, 0])
    np.testing.assert_allclose(targets[1], [0, 1, 0, 0])
    np.testing.assert_allclose(targets[2], [0, 0, 0.75, 0.25])


@pytest.mark.parametrize("shares", [(0.6, 0.5), (0.5, -0.1), (0.0, 0.5)])
def test_shares_must_leave_the_label_its_own(shares, data, tmp_path):
    paths = [table(tmp_path / f"{n}.npz", [[1, 0, 0, 0]], ["a"]) for n in range(2)]
    with pytest.raises(RecipeError, match="together at most 1"):
        targets_of(replace(PLAIN, soft_labels=dict(zip(paths, shares, strict=True))), data)


def test_a_table_must_fit_the_data(data, tmp_path):
    other = table(tmp_path / "other.npz", [[1, 0]], ["a"], labels=("yes", "no"))
    with pytest.raises(RecipeError, match="has the labels yes, no, the data calm"):
        targets_of(replace(PLAIN, soft_labels={other: 0.5}), data)
    strange = table(tmp_path / "strange.npz", [[1, 0, 0, 0]], ["z"])
    with pytest.raises(RecipeError, match="scores for none of the samples"):
        targets_of(replace(PLAIN, soft_labels={strange: 0.5}), data)
    with pytest.raises(MediaNotFoundError, match=r"no score table at .*gone\.npz"):
        targets_of(replace(PLAIN, soft_labels={str(tmp_path / "gone.npz"): 0.5}), data)
    with pytest.raises(InvalidInputError):
        targets_of(replace(PLAIN, soft_labels={str(tmp_path): 0.5}), data)
