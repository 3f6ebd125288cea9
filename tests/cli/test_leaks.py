"""Clips that taught a bundle are refused by every route; their clean twins are not."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevoice.bundle import read_card
from facevoice.bundle.trained_on import (
    PARTLY,
    TRAINED_ON,
    VALIDATED_ON,
    Lessons,
    known,
    lessons_of,
    write_lessons,
)
from facevoice.cli import main
from facevoice.datasets import leaks
from facevoice.errors import InvalidInputError
from facevoice.scores.table import (
    ScoreTable,
    join,
    read_score_table,
    table_of_frame,
    table_to_frame,
    write_score_table,
)
from facevoice.scores.table.keys import distinct_keys
from facevoice.scores.weights_file import read_weights
from facevoice.types import Sample
from support.prepared_folders import shown, write_folder
from support.score_tables import renamed, skilled
from support.toy_bundle import make_toy_bundle, teach

LABELS = ("happy", "sad")
COUNT = 16
NAMES = [f"{'abcd'[row % 4]}/{row:02}.png" for row in range(COUNT)]
TRUTH = [LABELS[row // 4 % 2] for row in range(COUNT)]
SPEAKERS = [f"speaker {row // 4}" for row in range(COUNT)]
TAUGHT = 8
"""The first clips are those that taught the bundle; the others are their clean twins."""


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    grey = rng.uniform(10, 200, (COUNT, 1, 1)) + rng.uniform(0, 50, (COUNT, 48, 48))
    return grey.astype(np.uint8)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    made = make_toy_bundle(tmp_path / "toy")
    return teach(made, NAMES[:TAUGHT], TRUTH[:TAUGHT])


def prepared(folder: Path, images: np.ndarray, rows: range) -> Path:
    lines = [f"{NAMES[row]},{TRUTH[row]},val,{SPEAKERS[row]}" for row in rows]
    return write_folder(folder, [shown(images[row]) for row in rows], lines, labels=LABELS).folder


def pictures(folder: Path, images: np.ndarray, rows: range) -> list[Path]:
    """The same clips as files, of another format."""
    paths = [folder / Path(NAMES[row]).with_suffix(".bmp") for row in rows]
    for path, row in zip(paths, rows, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)
    return paths


def source(route: str, folder: Path, images: np.ndarray, rows: range) -> Path:
    """The clips as a prepared folder, a table of labels, or folders named by label."""
    if route == "prepared":
        return prepared(folder, images, rows)
    if route == "folders":
        for path, row in zip(pictures(folder / "x", images, rows), rows, strict=True):
            place = folder / ("Happiness" if TRUTH[row] == "happy" else "sad") / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        return folder
    paths = pictures(folder, images, rows)
    table = folder / "labels.csv"
    lines = [
        f"{path},{TRUTH[row].upper()},{SPEAKERS[row]}"
        for path, row in zip(paths, rows, strict=True)
    ]
    table.write_text("\n".join(["file,label,speaker", *lines]) + "\n")
    return table


LEAKING, CLEAN = range(TAUGHT), range(TAUGHT, COUNT)
EQUAL = ("--search", "equal", "--calibration", "none")
FIT = ("--search", "grid", "--step", "0.5", "--calibration", "none")


@pytest.mark.parametrize(
    ("route", "suffix"), [("prepared", ".csv"), ("table", ".npz"), ("folders", ".parquet")]
)
def test_the_table_remembers_and_everything_refuses(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    bundle: Path,
    images: np.ndarray,
    route: str,
    suffix: str,
) -> None:
    for name, rows in (("leaking", LEAKING), ("clean", CLEAN)):
        data = source(route, tmp_path / name, images, rows)
        table, weights = tmp_path / f"{name}{suffix}", tmp_path / f"{name}.json"
        assert facevoice("score", data, "--bundle", bundle, "-o", table) == 0
        told = capsys.readouterr().err
        assert ("toy was trained on 8 of 8 clips" in told) == (name == "leaking")
        read = read_score_table(table)
        assert set(read.taught.tolist()) == {"yes" if name == "leaking" else "no"}
        assert all(read.keys.tolist())
        wanted = 1 if name == "leaking" else 0
        assert facevoice("evaluate", data, "--bundle", bundle) == wanted
        assert facevoice("evaluate", table) == wanted
        assert facevoice("fuse", table, *EQUAL, "-o", weights) == wanted
        err = capsys.readouterr().err
        assert err.count("toy was trained on 8 of 8 clips, such as") == 3 * wanted
        assert "not looked for" not in err
    clean = tmp_path / "clean.json"
    assert facevoice("evaluate", tmp_path / f"leaking{suffix}", "--weights", clean) == 1
    assert "was trained on 8 of 8" in capsys.readouterr().err
    assert facevoice("evaluate", tmp_path / f"clean{suffix}", "--weights", clean) == 0
    assert ("No leak found" in capsys.readouterr().out) == (route != "folders")  # no speakers there


def test_with_leave_it_is_done_and_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bundle: Path, images: np.ndarray
) -> None:
    data, table = prepared(tmp_path / "p", images, LEAKING), tmp_path / "t.csv"
    weights, fused = tmp_path / "w.json", tmp_path / "fused"
    assert facevoice("score", data, "--bundle", bundle, "-o", table) == 0
    assert facevoice("fuse", table, *FIT, "--allow-trained", "-o", weights) == 0
    assert "toy was trained on 8 of 8 clips" in capsys.readouterr().out
    assert read_weights(weights).fitted_on.taught == 8
    assert "--allow-trained" in read_weights(weights).search["command"]
    assert facevoice("reweigh", bundle, "--weights", weights, "-o", fused) == 1
    assert "8 of which taught the networks of toy" in capsys.readouterr().err
    assert not fused.exists()
    assert facevoice("reweigh", bundle, "--weights", weights, "-o", fused, "--allow-trained") == 0
    assert facevoice("evaluate", table, "--weights", weights, "--allow-trained") == 0
    out = capsys.readouterr().out
    assert "Leak found" in out
    assert "The bundle toy was trained on 8 of 8 clips, such as a/00.png" in out


def test_clips_that_weights_were_fitted_on_taught_the_reweighed_bundle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bundle: Path, images: np.ndarray
) -> None:
    half, rest = range(TAUGHT, 12), range(12, COUNT)
    table, weights = tmp_path / "t.npz", tmp_path / "w.json"
    fitting = prepared(tmp_path / "half", images, half)
    assert facevoice("score", fitting, "--bundle", bundle, "-o", table) == 0
    assert facevoice("fuse", table, *FIT, "-o", weights) == 0
    assert facevoice("reweigh", bundle, "--weights", weights, "-o", tmp_path / "b") == 0
    assert "not looked for" not in capsys.readouterr().err
    files = source("table", tmp_path / "files", images, half)
    for data in (fitting, files, prepared(tmp_path / "old", images, LEAKING)):
        assert facevoice("evaluate", data, "--bundle", tmp_path / "b") == 1
        assert "bundle toy was" in capsys.readouterr().err
    others = prepared(tmp_path / "rest", images, rest)
    assert facevoice("evaluate", others, "--bundle", tmp_path / "b") == 0
    # the same clips by another route, scored by the bundle before: the weights know them
    assert facevoice("evaluate", files, "--bundle", bundle, "--weights", weights) == 1
    assert "weights were fitted on 4 of 4 clips" in capsys.readouterr().err
    assert facevoice("evaluate", others, "--bundle", bundle, "--weights", weights) == 0
    assert "No leak found" in capsys.readouterr().out


def test_weights_of_clips_that_taught_another_bundle_do_not_enter_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bundle: Path, images: np.ndarray
) -> None:
    data, table = prepared(tmp_path / "p", images, CLEAN), tmp_path / "t.npz"
    assert facevoice("score", data, "--bundle", bundle, "-o", table) == 0
    assert facevoice("fuse", table, *FIT, "-o", tmp_path / "w.json") == 0
    other = teach(make_toy_bundle(tmp_path / "other"), NAMES, TRUTH)
    options = ("--weights", tmp_path / "w.json", "-o", tmp_path / "fused")
    assert facevoice("reweigh", other, *options) == 1
    assert "8 of which taught the networks" in capsys.readouterr().err
    # scores that folds held out come from no bundle: their weights may enter what learnt from all
    held_out = replace(read_score_table(table), bundle=None)
    write_score_table(held_out, table)
    assert facevoice("fuse", table, *FIT, "-o", tmp_path / "w.json", "--overwrite") == 0
    assert facevoice("reweigh", other, *options) == 0


def test_what_was_not_looked_for_is_not_said_to_be_absent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: np.ndarray
) -> None:
    """A bundle without keys, a table and weights made before tables had any, other people's."""
    silent, weights = make_toy_bundle(tmp_path / "toy"), tmp_path / "w.json"
    data, table = prepared(tmp_path / "p", images, CLEAN), tmp_path / "t.csv"
    assert facevoice("evaluate", data, "--bundle", silent) == 0
    assert "not looked for: it does not record" in capsys.readouterr().err
    assert facevoice("score", data, "--bundle", silent, "-o", table) == 0
    scored = read_score_table(table)
    assert "taught" not in table.read_text().splitlines()[1]
    write_score_table(replace(scored, keys=np.full(8, ""), taught=np.full(8, "")), table)
    assert "key" not in table.read_text().splitlines()[1]
    assert facevoice("fuse", table, *FIT, "-o", weights) == 0
    assert "Whether these clips taught what gave the scores was not looked for" in (
        capsys.readouterr().out
    )
    card = json.loads(weights.read_text())
    for later in ("keys", "taught", "bundle"):
        del card["fitted_on"][later]
    weights.write_text(json.dumps(card))
    assert read_weights(weights).fitted_on.taught is None
    assert facevoice("reweigh", silent, "--weights", weights, "-o", tmp_path / "b") == 0
    assert "not looked for: the weights do not say" in capsys.readouterr().err
    test = skilled(1, count=40, split="test")
    for taught, verdict in (("", "not looked for"), ("no", "none found")):
        both = skilled(count=40).append(replace(test, taught=np.full(len(test), taught)))
        write_score_table(both, tmp_path / "both.npz")
        options = ("--split", "val", "-o", weights, "--overwrite")
        assert facevoice("fuse", tmp_path / "both.npz", *FIT, *options) == 0
        options = ("--weights", weights, "--split", "test")
        capsys.readouterr()
        assert facevoice("evaluate", tmp_path / "both.npz", *options, "--json") == 0
        assert json.loads(capsys.readouterr().out)["leak"]["verdict"] == verdict
        assert facevoice("evaluate", tmp_path / "both.npz", *options) == 0
        assert ("No leak found" in capsys.readouterr().out) == (taught == "no")


def test_validation_clips_may_set_weights_and_give_no_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bundle: Path, images: np.ndarray
) -> None:
    """As in the paper, which found its weights on the clips that stopped its networks."""
    validated = Lessons(distinct_keys(NAMES[:4], TRUTH[:4]), distinct_keys(NAMES[4:8], TRUTH[4:8]))
    write_lessons(bundle, validated)
    card = json.loads((bundle / "bundle.json").read_text())
    for name in (TRAINED_ON, VALIDATED_ON):
        card["files"][name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(card))
    data, table = prepared(tmp_path / "p", images, range(4, 8)), tmp_path / "t.csv"
    assert facevoice("score", data, "--bundle", bundle, "-o", table) == 0
    assert "toy was validated on 4 of 4 clips" in capsys.readouterr().err
    assert read_score_table(table).taught.tolist() == ["validation"] * 4
    assert facevoice("fuse", table, *FIT, "-o", tmp_path / "w.json") == 0
    assert "was validated on 4 of 4 clips" in capsys.readouterr().out
    options = ("--weights", tmp_path / "w.json", "-o", tmp_path / "b")
    assert facevoice("reweigh", bundle, *options) == 0
    assert facevoice("evaluate", table) == 1
    assert facevoice("evaluate", data, "--bundle", tmp_path / "b") == 1
    both = prepared(tmp_path / "both", images, range(8))
    assert facevoice("score", both, "--bundle", tmp_path / "b", "-o", table, "--overwrite") == 0
    capsys.readouterr()
    assert facevoice("fuse", table, *FIT) == 1
    assert "toy was trained on 4 of 8 clips" in capsys.readouterr().err


def test_a_reweighed_bundle_that_knows_only_its_weights_clips_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: np.ndarray
) -> None:
    silent, weights = make_toy_bundle(tmp_path / "toy"), tmp_path / "w.json"
    data, table = prepared(tmp_path / "p", images, CLEAN), tmp_path / "t.csv"
    assert facevoice("score", data, "--bundle", silent, "-o", table) == 0
    assert facevoice("fuse", table, *FIT, "-o", weights) == 0
    assert facevoice("reweigh", silent, "--weights", weights, "-o", tmp_path / "b") == 0
    card = read_card(tmp_path / "b")
    assert card[PARTLY] is True
    assert TRAINED_ON in card["files"]
    found = known(tmp_path / "b", card, [NAMES[8], NAMES[0]], [TRUTH[8], TRUTH[0]])
    assert found.tolist() == ["validation", ""]
    assert facevoice("evaluate", data, "--bundle", tmp_path / "b") == 1


def test_clips_of_one_name_in_several_folders_are_not_taken_for_each_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: np.ndarray
) -> None:
    names, truth = [f"{who}/01.mp4" for who in ("anna", "ben", "cleo")], ["happy"] * 3
    bundle = make_toy_bundle(tmp_path / "toy")
    teach(bundle, names, truth)
    keys = np.load(bundle / TRAINED_ON)
    assert len(keys) == 3
    card = read_card(bundle)
    routes = ["/x/anna/01.wav", "dora/01.mp4", "mine/cleo/01"]
    assert known(bundle, card, routes, truth).tolist() == ["yes", "no", "yes"]
    lines = [
        f"{name},happy,{split},{name}"
        for name, split in zip(names, ("val", "test", "test"), strict=True)
    ]
    parts = [shown(image) for image in images[:3]]
    folder = write_folder(tmp_path / "p", parts, lines, labels=LABELS).folder
    other = teach(make_toy_bundle(tmp_path / "other"), ["else"], ["sad"])
    for split in ("val", "test"):  # each table by itself: ben is not anna
        out = tmp_path / f"{split}.csv"
        assert facevoice("score", folder, "--split", split, "--bundle", other, "-o", out) == 0
    weights = tmp_path / "w.json"
    assert facevoice("fuse", tmp_path / "val.csv", *FIT, "-o", weights) == 0
    assert facevoice("evaluate", tmp_path / "test.csv", "--weights", weights) == 0


def test_a_link_to_a_clip_is_the_clip(tmp_path: Path, bundle: Path, images: np.ndarray) -> None:
    (original,) = pictures(tmp_path / "files", images, range(1))
    (tmp_path / "new.bmp").symlink_to(original)
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nnew.bmp,happy\n")
    assert facevoice("evaluate", labels, "--bundle", bundle) == 1


def test_a_copy_under_another_name_and_label_is_the_clip(
    tmp_path: Path, bundle: Path, images: np.ndarray
) -> None:
    files = pictures(tmp_path / "files", images, CLEAN)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files]
    lines = [
        f"{NAMES[row]},{TRUTH[row]},train,{SPEAKERS[row]},{digest}"
        for row, digest in zip(CLEAN, digests, strict=True)
    ]
    columns, parts = "id,label,split,group,digest", [shown(images[row]) for row in CLEAN]
    data = write_folder(tmp_path / "p", parts, lines, labels=LABELS, columns=columns)
    rows = np.arange(4)
    write_lessons(bundle, lessons_of(data.keys(), rows))
    card = json.loads((bundle / "bundle.json").read_text())
    card["files"][TRAINED_ON] = hashlib.sha256((bundle / TRAINED_ON).read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(card))
    labels = tmp_path / "labels.csv"
    for number, wanted in ((0, 1), (5, 0)):  # taught, and not
        copy = tmp_path / f"copy_{number}.bmp"
        copy.write_bytes(files[number].read_bytes())
        labels.write_text(f"file,label\n{copy.name},surprise\n")
        assert facevoice("evaluate", labels, "--bundle", bundle) == wanted
    again = write_folder(
        tmp_path / "again", parts[:1], [f"new,happy,val,s,{digests[0]}"], labels=LABELS,
        columns=columns,
    ).folder  # fmt: skip
    assert facevoice("evaluate", again, "--bundle", bundle) == 1


def with_keys(table: ScoreTable, taught: str) -> ScoreTable:
    keys = [f"k{row:016x}" for row in range(len(table))]
    return replace(table, keys=np.array(keys), taught=np.full(len(table), taught))


def test_keys_outlive_new_names_frames_and_joins(tmp_path: Path) -> None:
    table = with_keys(skilled(count=6), "yes")
    frame = table_of_frame(table_to_frame(renamed(table, "new ")))
    assert frame.keys.tolist() == table.keys.tolist()
    left = with_keys(table.select(["strong"]), "no")
    right = with_keys(table.select(["blind"]), "yes").rows(np.arange(2, 6))
    joined = join(left, right)
    assert joined.taught.tolist() == ["no", "no", "yes", "yes", "yes", "yes"]
    assert joined.keys.tolist() == table.keys.tolist()
    unknown = replace(right, taught=np.full(4, ""))
    assert join(left, unknown).taught.tolist() == ["no", "no", "", "", "", ""]
    assert (
        left.append(renamed(with_keys(left, "yes"), "b")).taught.tolist()
        == ["no"] * 6 + ["yes"] * 6
    )
    others = join(left, replace(right, keys=right.keys[::-1].copy())).keys.tolist()
    assert others == [*table.keys[:2].tolist(), "", "", "", ""]  # not of these clips' names


def test_tables_of_one_clip_among_others_join(tmp_path: Path, images: np.ndarray) -> None:
    """How many folders belong to a key depends on the clips beside it."""
    bundle = teach(make_toy_bundle(tmp_path / "toy"), ["else"], ["sad"])
    tables = []
    for number, names in enumerate((["ann/01"], ["ann/01", "bob/01"])):
        lines = [f"{name},happy,val,{name[:3]}" for name in names]
        parts = [shown(image) for image in images[: len(names)]]
        data = write_folder(tmp_path / str(number), parts, lines, labels=LABELS).folder
        out = tmp_path / f"{number}.csv"
        assert facevoice("score", data, "--bundle", bundle, "-o", out) == 0
        table = read_score_table(out).select(["expression"])
        tables.append(replace(table, branches=(f"expression_{number}",)))
    alone, beside = tables
    assert alone.keys[0] != beside.keys[0]
    assert join(alone, beside).keys.tolist() == beside.keys.tolist()
    assert join(beside, alone).keys.tolist() == beside.keys.tolist()


def test_clips_are_read_once_to_be_known_and_not_where_nothing_is_noted(
    tmp_path: Path, bundle: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(sample: Sample) -> str:
        read.append(sample.path)
        return "0" * 64

    monkeypatch.setattr(leaks, "_sha256", counted)
    labels, silent = source("table", tmp_path, images, CLEAN), make_toy_bundle(tmp_path / "silent")
    assert facevoice("score", labels, "--bundle", silent, "-o", tmp_path / "a.csv") == 0
    assert read == []
    assert facevoice("score", labels, "--bundle", bundle, "-o", tmp_path / "b.csv") == 0
    assert len(read) == len(set(read)) == len(CLEAN)


def test_rows_of_one_clip_that_disagree_count_as_the_worse(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ["a,x,yes,1,0", "a,y,no,1,0", "b,x,No,1,0", "b,y,,1,0", "c,x,0,1,0", "c,y,False,1,0"]
    path.write_text("\n".join(["id,branch,taught,happy,sad", *rows]) + "\n")
    assert read_score_table(path).taught.tolist() == ["yes", "", "no"]
    path.write_text("id,branch,taught,happy,sad\na,x,perhaps,1,0\n")
    with pytest.raises(InvalidInputError, match=r"t\.csv.*taught 'perhaps'; it must be yes, valid"):
        read_score_table(path)
