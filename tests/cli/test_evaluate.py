"""facevoice evaluate on score tables, and report cards of labelled clips."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevoice.cli import main
from facevoice.samples import SAMPLE
from facevoice.scores.choice import SearchPlan, choose_weights
from facevoice.scores.table import write_score_table
from facevoice.scores.weights_file import write_weights
from support.prepared_folders import shown, write_folder
from support.score_tables import BRANCHES, skilled
from support.toy_bundle import make_toy_bundle, teach


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.json"
    plan = SearchPlan("equal", {"system": BRANCHES}, folds=3)
    write_weights(choose_weights(skilled(), plan).fitted, path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_a_table_of_any_format_gives_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    table = tmp_path / f"test{suffix}"
    write_score_table(skilled(1), table)
    assert facevoice("evaluate", table) == 0
    out = capsys.readouterr().out
    for word in ("WAR: share of the clips predicted right", "UAR", "95 % Wilson", *BRANCHES):
        assert word in out
    assert facevoice("evaluate", table, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["branches"]) == 3


def test_weights_on_a_table_give_the_report_card(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    table, folder = tmp_path / "test.npz", tmp_path / "report"
    write_score_table(skilled().append(skilled(1, split="test")), table)
    options = ("--weights", weights, "--split", "test", "-o", folder, "--title", "Mine")
    assert facevoice("evaluate", table, *options) == 0
    out = capsys.readouterr().out
    assert "No leak found in names, bytes and scores of the clips.\n" in out
    assert "Not compared: the speakers with those who taught it" in out
    assert "best single branch, strong" in out
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["report.html", "report.json", "report.md", "report.tex"]
    page = (folder / "report.html").read_text()
    assert "<h1>Mine</h1>" in page
    assert f"--weights {weights} --split test" in page
    assert facevoice("evaluate", table, *options[:4], "--json") == 0
    assert json.loads(capsys.readouterr().out)["leak"]["verdict"] == "none found"


def test_a_report_of_a_table_needs_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_score_table(skilled(1), tmp_path / "t.npz")
    assert facevoice("evaluate", tmp_path / "t.npz", "-o", tmp_path / "report") == 1
    assert "score table needs --weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("one,x,a,nan,nan,1", "NaN in a part"),
        ("one,x,bored,.5,.5,0", "which is not a label"),
        ("one,x,a,.5,.9,0", "sum that is not 1"),
    ],
)
def test_an_unsound_table_is_refused_with_its_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, row: str, message: str
) -> None:
    (tmp_path / "t.csv").write_text(f"id,branch,truth,a,b,c\n{row}\n")
    assert facevoice("evaluate", tmp_path / "t.csv") == 1
    err = capsys.readouterr().err
    assert message in err
    assert "t.csv" in err


def test_labelled_clips_give_a_report_of_the_bundle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, toy_bundle: Path
) -> None:
    labels, folder = tmp_path / "labels.csv", tmp_path / "report"
    labels.write_text(f"file,emotion,speaker\n{SAMPLE},happy,A\n")
    assert facevoice("evaluate", labels, "--bundle", toy_bundle, "-o", folder) == 0
    assert "expression" in capsys.readouterr().out
    record = json.loads((folder / "report.json").read_text())
    assert [node["name"] for node in record["weights"]] == ["face", "voice", "system"]
    assert record["search"]["search"] == "weights of the bundle toy 0"


@pytest.fixture
def measured_bundle(tmp_path: Path) -> Path:
    """A bundle of its own, since its card is written to."""
    return make_toy_bundle(tmp_path / "toy")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A prepared folder of ten pictures, six of them in split test."""
    images = np.random.default_rng(0).integers(0, 256, (10, 48, 48), np.uint8)
    rows = [
        f"{split}/{row}.jpg,{('happy', 'sad')[row % 2]},{split},{row}"
        for row, split in enumerate(["train"] * 4 + ["test"] * 6)
    ]
    parts = [shown(image) for image in images]
    return write_folder(tmp_path / "faces", parts, rows, labels=("happy", "sad")).folder


def test_a_card_s_figures_are_measured_again(
    capsys: pytest.CaptureFixture[str], measured_bundle: Path, faces: Path
) -> None:
    options = (faces, "--split", "test", "--bundle", measured_bundle)
    assert facevoice("evaluate", *options) == 0
    said = capsys.readouterr()
    assert "6 labelled clips" in said.out
    assert "card" not in said.err
    assert facevoice("evaluate", *options, "--record", "ten faces") == 0
    assert "recorded as 'ten faces'" in capsys.readouterr().err
    assert facevoice("evaluate", *options) == 0
    assert "agree with the card of toy on 'ten faces'" in capsys.readouterr().err
    card = json.loads((measured_bundle / "bundle.json").read_text())
    card["measured"][0]["nodes"]["face"]["uar"] += 0.02
    (measured_bundle / "bundle.json").write_text(json.dumps(card))
    assert facevoice("evaluate", *options) == 1
    assert "ten faces: face: UAR" in capsys.readouterr().err


def test_clips_that_taught_the_bundle_are_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    measured_bundle: Path,
    faces: Path,
) -> None:
    teach(measured_bundle, ["train/2.jpg", "3"], ["happy", "sad"])
    options = (faces, "--bundle", measured_bundle)
    assert facevoice("evaluate", *options, "--split", "test") == 0
    with monkeypatch.context() as patch:  # refused before any is scored, which takes its time
        patch.setattr("facevoice.report.scoring.score_evidence", None)
        assert facevoice("evaluate", *options) == 1
    assert "toy was trained on 2 of 10 clips, such as train/2.jpg" in capsys.readouterr().err
    assert facevoice("evaluate", *options, "--allow-trained") == 0


def test_score_and_evaluate_take_the_same_inputs_and_say_the_same_of_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, toy_bundle: Path, faces: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path;Emotion;split\n{SAMPLE};Joy;dev\nx.mp4;bored;dev\n")
    folder = tmp_path / "named"
    (folder / "Happiness").mkdir(parents=True)
    (folder / "Happiness" / "one.mp4").write_bytes(SAMPLE.read_bytes())
    table = tmp_path / "t.csv"
    for inputs, told in (
        ((labels, "--split", "dev"), "read as: Joy -> happy 1, split dev -> val 2"),
        ((folder,), "read as: Happiness -> happy 1"),
        ((faces, "--split", "testing"), "6 files: happy 3, sad 3; splits: test 6; 6 groups"),
        (("--data", faces, "--split", "test"), "6 files: happy 3, sad 3; splits: test 6; 6 groups"),
    ):
        again = ("--nodes", "-o", table, "--overwrite")
        assert facevoice("score", *inputs, "--bundle", toy_bundle, *again) == 0
        first = capsys.readouterr().err.splitlines()
        options = ("--bundle", toy_bundle, "-o", tmp_path / "e.csv", "--overwrite")
        assert facevoice("evaluate", *inputs, *options) == 0
        second = capsys.readouterr().err.splitlines()
        assert f"facevoice: {told}" in first
        assert first[:-1] == second
        assert table.read_bytes() == (tmp_path / "e.csv").read_bytes()


def test_score_says_which_clips_taught_the_bundle(
    capsys: pytest.CaptureFixture[str], measured_bundle: Path, faces: Path, tmp_path: Path
) -> None:
    teach(measured_bundle, ["train/2.jpg"], ["happy"])
    out = ("--bundle", measured_bundle, "-o", tmp_path / "t.npz", "--overwrite")
    assert facevoice("score", faces, "--split", "train", *out) == 0
    assert "toy was trained on 1 of 4 clips, such as train/2.jpg" in capsys.readouterr().err
    assert facevoice("score", faces, "--split", "test", *out) == 0
    assert "taught" not in capsys.readouterr().err


def test_no_input_and_two_inputs_are_refused(
    capsys: pytest.CaptureFixture[str], faces: Path
) -> None:
    for arguments in (
        ("score", "-o", "t.csv"),
        ("evaluate",),
        ("evaluate", faces, "--data", faces),
    ):
        with pytest.raises(SystemExit) as caught:
            facevoice(*arguments)
        assert caught.value.code == 2
        assert "--data" in capsys.readouterr().err


def test_a_split_of_a_table_is_found_by_any_usual_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    table = tmp_path / "both.npz"
    write_score_table(skilled().append(skilled(1, split="test")), table)
    assert facevoice("evaluate", table, "--split", "dev") == 0
    expected = capsys.readouterr().out
    assert facevoice("evaluate", table, "--split", "val") == 0
    assert capsys.readouterr().out == expected
    assert facevoice("evaluate", table, "--weights", weights, "--split", "eval", "--json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["split"] == "test"
    assert facevoice("evaluate", table, "--split", "holdout") == 1
    assert "no clip in split 'holdout'; splits in the table: 'test', 'val'" in (
        capsys.readouterr().err
    )
