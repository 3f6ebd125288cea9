"""Score tables: what is refused, and that files give back what was written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevoice.errors import InvalidInputError, LabelMismatchError, MediaNotFoundError
from facevoice.scores.table import (
    ScoredBy,
    ScoreTable,
    deal_splits,
    grouped_folds,
    join,
    read_score_table,
    shared_groups,
    table_of_frame,
    table_to_frame,
    twins,
    write_score_table,
)

LABELS = ("calm", "loud, very", "sad")


def table(count: int = 12, members: int = 2, seed: int = 0) -> ScoreTable:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(3), (count, members))
    scores[1, 0] = np.nan
    scores[2] = np.nan
    made = ScoreTable.of_arrays(
        scores,
        [*rng.integers(0, 3, count - 1), -1],
        branches=["face", "voice", "third"][:members],
        labels=LABELS,
        ids=[f"clip {index}" for index in range(count)],
        groups=[f"speaker {index // 3}" for index in range(count)],
        splits=["val"] * (count // 2) + ["test"] * (count - count // 2),
    )
    missing = np.array(made.missing, dtype="<U16")
    missing[1, 0] = "no_face"
    fields = {name: getattr(made, name) for name in ScoreTable.__slots__}
    return ScoreTable(**(fields | {"missing": missing}))


def assert_same(first: ScoreTable, second: ScoreTable) -> None:
    for name in ScoreTable.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_files_give_back_every_bit(tmp_path: Path, suffix: str) -> None:
    written = table()
    path = tmp_path / "deep" / f"scores{suffix}"
    write_score_table(written, path)
    assert_same(read_score_table(path), written)
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing half-written


def test_frames_give_back_every_bit() -> None:
    assert_same(table_of_frame(table_to_frame(table())), table())


ORIGIN = {
    "bundle": ScoredBy('mine, "it"', "0" * 64),
    "tree": {"name": "system", "kind": "blend", "members": [{"name": "face", "weight": 0.3}]},
}


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet", "frame"])
@pytest.mark.parametrize("names", [("bundle", "tree"), ("bundle",), ("tree",)])
def test_the_bundle_and_its_tree_travel_with_the_table(
    tmp_path: Path, suffix: str, names: tuple[str, ...]
) -> None:
    written = replace(table(), **{name: ORIGIN[name] for name in names})
    if suffix == "frame":
        read = table_of_frame(table_to_frame(written))
    else:
        write_score_table(written, tmp_path / f"scores{suffix}")
        read = read_score_table(tmp_path / f"scores{suffix}")
    assert_same(read, written)
    assert read.tree == written.tree
    assert read.bundle == written.bundle


def test_the_bundle_is_kept_only_where_tables_agree() -> None:
    whole = replace(table(members=3), **ORIGIN)
    assert whole.rows(np.arange(3)).tree == whole.select(["voice"]).tree == ORIGIN["tree"]
    val, test = whole.split("val"), whole.split("test")
    assert val.append(test).bundle == ORIGIN["bundle"]
    assert val.append(replace(test, bundle=None)).bundle is None
    left, right = whole.select(["face"]), whole.select(["voice"])
    assert join(left, right).tree == ORIGIN["tree"]
    assert join(left, replace(right, tree={"name": "other"})).tree is None


def test_a_damaged_note_about_the_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for note in ("{", '{"bundle": "base"}', '{"bundle": {"id": 1}}'):
        path.write_text(f"# facevoice: {note}\nid,branch,happy,sad\na,x,1,0\n")
        with pytest.raises(InvalidInputError, match=r"t\.csv"):
            read_score_table(path)
    path.write_text("# facevoice: {}\nid,branch,happy,sad\n\na,x,1\n")
    with pytest.raises(InvalidInputError, match="line 4 has 3 cells"):
        read_score_table(path)


def test_other_peoples_csv(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(
        "branch,id,happy,sad,truth\r\nmine,7,0.25,0.75,sad\r\nyours,7,1,0,\r\nmine,8,,,happy\r\n",
        encoding="utf-8-sig",
    )
    read = read_score_table(path)
    assert read.branches == ("mine", "yours")
    assert read.truth.tolist() == [1, 0]
    assert read.groups.tolist() == ["7", "8"]
    assert read.coverage() == {"mine": 0.5, "yours": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("id,branch,happy\n", "no row"),
        ("id,happy\na,1\n", "needs the columns id, branch"),
        ("id,branch,happy,sad\na,x,1,0\na,x,0,1\n", "clip 'a' has 2 rows for branch 'x'"),
        ("id,branch,happy,sad\na,x,1\n", "line 2 has 3 cells"),
        ("id,branch,happy,sad\na,x,1,none\n", "'sad' holds 'none'"),
        ("id,branch,happy,sad\na,x,1,\n", "clip 'a' .* NaN in a part"),
        ("id,branch,happy,sad\na,x,0.5,0.6\n", "sum that is not 1"),
        ("id,branch,truth,happy,sad\na,x,angry,1,0\n", "'angry', which is not a label"),
        ("id,branch,truth,happy,sad\na,x,happy,1,0\na,y,sad,1,0\n", "clip 'a' has truth 'happy'"),
        ("id,branch,happy,happy\na,x,1,0\n", "repeats a name"),
    ],
)
def test_bad_csv_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_score_table(path)
    assert "bad.csv" in str(caught.value)


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    for suffix in (".npz", ".parquet"):
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(b"not what it says")
        with pytest.raises(InvalidInputError, match="bad"):
            read_score_table(path)
    with pytest.raises(MediaNotFoundError):
        read_score_table(tmp_path / "none.csv")
    with pytest.raises(InvalidInputError, match=r"one of \.csv, .npz"):
        read_score_table(tmp_path / "scores.xlsx")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[0.5, np.nan]], "row 1.*'b1'.*NaN in a part"),
        ([[1.5, -0.5]], "negative"),
        ([[np.inf, 0.0]], "infinite"),
        ([[0.7, 0.7]], "sum that is not 1"),
        ([[0.0, 0.0]], "sum that is not 1"),
    ],
)
def test_unsound_scores_name_the_row(scores: list[list[float]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ScoreTable.of_arrays([[[0.5, 0.5]], scores], branches=["b1"], labels=["x", "y"])


def test_wrong_facts_are_refused() -> None:
    scores = np.full((2, 1, 2), 0.5)
    labels = ("x", "y")
    with pytest.raises(InvalidInputError, match=r"truth of clip '1' is 2, out of range"):
        ScoreTable.of_arrays(scores, [0, 2], labels=labels)
    with pytest.raises(InvalidInputError, match="first is 'a'"):
        ScoreTable.of_arrays(scores, [0, 1], labels=labels, ids=["a", "a"])
    with pytest.raises(InvalidInputError, match="branches must be different"):
        ScoreTable.of_arrays(np.full((2, 2, 2), 0.5), labels=labels, branches=["m", "m"])
    with pytest.raises(InvalidInputError, match=r"ScoreTable.scores must be \(2, 1, 7\)"):
        ScoreTable.of_arrays(scores, [0, 1])
    with pytest.raises(InvalidInputError, match=r"no branch 'nose'.*face, voice"):
        table().column("nose")
    with pytest.raises(InvalidInputError, match="no clip in split 'train'"):
        table().split("train")


def test_rounded_scores_are_kept_as_given() -> None:
    scores = np.array([[0.333, 0.333, 0.333]])
    kept = ScoreTable.of_arrays(scores, [0], labels=LABELS)
    assert kept.scores[0, 0].tolist() == scores[0].tolist()
    assert not kept.scores.flags.writeable


def test_choosing_rows_and_branches() -> None:
    whole = table()
    assert len(whole.split("val")) == 6
    assert whole.split("val").append(whole.split("test")).ids.tolist() == whole.ids.tolist()
    assert whole.select(["voice"]).column("voice")[0].tolist() == whole.scores[0, 1].tolist()
    wider = whole.with_branch("mean", whole.scores.mean(axis=1))
    assert wider.branches == ("face", "voice", "mean")
    assert repr(wider) == "ScoreTable(12 clips x 3 branches x 3 labels: face, voice, mean)"
    assert wider.present[2].tolist() == [False, False, False]


def test_join_matches_clips_by_id() -> None:
    whole = table(members=3)
    faces = whole.select(["face"]).rows(np.arange(9))
    others = whole.select(["voice", "third"]).rows(np.arange(11, 2, -1))
    joined = join(faces, others)
    assert joined.branches == ("face", "voice", "third")
    order = {name: row for row, name in enumerate(whole.ids.tolist())}
    for row, name in enumerate(joined.ids.tolist()):
        origin = order[name]
        assert joined.truth[row] == whole.truth[origin]
        if 3 <= origin < 9:
            np.testing.assert_array_equal(joined.scores[row], whole.scores[origin])
    assert joined.present.sum() == faces.present.sum() + others.present.sum()


def test_join_refuses_contradictions() -> None:
    whole = table(members=3)
    left = whole.select(["face"])
    right = whole.select(["voice"])
    with pytest.raises(InvalidInputError, match="both tables"):
        join(left, left)
    fields = {name: getattr(right, name) for name in ScoreTable.__slots__}
    wrong = ScoreTable(**(fields | {"truth": (right.truth + 1) % 3}))
    with pytest.raises(InvalidInputError, match="has truth"):
        join(left, wrong)
    renamed = ScoreTable(**(fields | {"labels": ("x", "y", "z")}))
    with pytest.raises(LabelMismatchError):
        join(left, renamed)


def test_folds_keep_groups_whole_and_even() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    groups = rng.integers(0, 40, 300)
    scores = np.full((300, 1, 3), 1 / 3)
    made = ScoreTable.of_arrays(scores, truth, labels=LABELS, groups=groups)
    folds = grouped_folds(made, 5)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    assert np.bincount(folds).min() > 50
    for label in range(3):
        assert np.bincount(folds[truth == label], minlength=5).min() > 12
    assert np.array_equal(folds, grouped_folds(made, 5))
    with pytest.raises(InvalidInputError, match="as many groups"):
        grouped_folds(made, 41)


def test_dealing_keeps_groups_whole_in_the_parts_asked_for() -> None:
    made = table(count=90)
    dealt = deal_splits(made, ["val", "val", "test"])
    assert shared_groups(dealt) == {}
    assert len(dealt.split("val")) == 60
    assert dealt.ids.tolist() == made.ids.tolist()
    with pytest.raises(InvalidInputError, match="as many groups"):
        deal_splits(made.rows(np.arange(3)), ["val", "test"])


def test_leaks_are_found() -> None:
    whole = table()
    assert shared_groups(whole) == {}
    fields = {name: getattr(whole, name) for name in ScoreTable.__slots__}
    leaking = ScoreTable(**(fields | {"splits": np.array(["val", "test"] * 6)}))
    assert shared_groups(leaking)["speaker 0"] == ("test", "val")
    assert twins(whole) == []
    scores = whole.scores.copy()
    scores[8] = scores[4]
    assert twins(ScoreTable(**(fields | {"scores": scores}))) == [("clip 4", "clip 8")]
