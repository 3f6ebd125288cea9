"""facevoice score: labelled clips -> a score table."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from facevoice.branches.tree import short_names
from facevoice.bundle import read_card
from facevoice.bundle.reweigh import bundle_fusion
from facevoice.cli import main
from facevoice.datasets import Found
from facevoice.faces.sample import place_crops
from facevoice.predict import load
from facevoice.report.scoring import score_evidence
from facevoice.samples import SAMPLE
from facevoice.scores.table import ScoredBy, read_score_table
from facevoice.types import Evidence, FaceTrack, Sample, Scores
from support.prepared_folders import shown, write_folder


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(f"file,emotion,speaker,split\n{SAMPLE},happy,A,val\ngone.mp4,sad,B,test\n")
    return path


def test_the_table_holds_every_branch_and_no_blend(
    capsys: pytest.CaptureFixture[str], labels: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "val.parquet"
    assert facevoice("score", labels, "--bundle", toy_bundle, "--split", "val", "-o", out) == 0
    table = read_score_table(out)
    assert table.branches == ("expression", "sequence", "spectrogram")
    assert table.ids.tolist() == [str(SAMPLE)]
    assert (table.groups.tolist(), table.splits.tolist()) == (["A"], ["val"])
    assert table.labels[table.truth[0]] == "happy"
    assert "1 clip x 3 branches" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_the_table_names_its_bundle_and_carries_its_tree(
    labels: Path, toy_bundle: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"val{suffix}"
    assert facevoice("score", labels, "--bundle", toy_bundle, "--split", "val", "-o", out) == 0
    table, card = read_score_table(out), read_card(toy_bundle)
    digest = hashlib.sha256((toy_bundle / "bundle.json").read_bytes()).hexdigest()
    assert table.bundle == ScoredBy("toy", digest)
    assert table.tree is not None
    assert bundle_fusion({"tree": table.tree}) == bundle_fusion(card)
    assert "model" not in str(table.tree)  # the structure alone
    assert facevoice("evaluate", out) == 0


def test_a_file_that_cannot_be_read_stays_without_scores(
    labels: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.csv"
    assert facevoice("score", labels, "--bundle", toy_bundle, "--nodes", "-o", out) == 1
    table = read_score_table(out)
    assert "fused" in table.branches
    assert table.answered.tolist() == [True, False]


def test_an_unknown_split_is_named(
    capsys: pytest.CaptureFixture[str], labels: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    options = ("--bundle", toy_bundle, "--split", "holdout", "-o", tmp_path / "x.csv")
    assert facevoice("score", labels, *options) == 1
    assert "no clip in split 'holdout'; splits: test, val" in capsys.readouterr().err


def test_made_evidence_is_scored_the_same(labels: Path, toy_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "val.npz"
    facevoice("score", labels, "--bundle", toy_bundle, "--split", "val", "--nodes", "-o", out)
    predictor = load(toy_bundle)
    evidence = [evidence for evidence, _ in predictor.trace(SAMPLE)]
    items = [
        Sample("one", SAMPLE, "happy", "val", "A"),
        Sample("two", SAMPLE, None, "", "two"),
        Sample("three", SAMPLE, "bored", "val", "A"),
    ]
    found = Found(tuple(items)).over(predictor.bundle.labels)
    assert found.reasons == {"label bored": 1}
    table = score_evidence(predictor, [(sample, evidence[0]) for sample in found.samples])
    assert table.truth.tolist() == [3, -1]
    assert table.groups.tolist() == ["A", "two"]
    np.testing.assert_array_equal(table.scores[0], table.scores[1])
    if len(evidence) == 1:
        np.testing.assert_allclose(table.scores[0], read_score_table(out).scores[0])


def test_leaves_of_one_name_keep_their_path() -> None:
    assert short_names(["face.a", "voice.a", "voice.b"]) == {
        "face.a": "face.a", "voice.a": "voice.a", "voice.b": "b",
    }  # fmt: skip


def test_a_prepared_folder_goes_all_the_way_to_a_report(toy_bundle: Path, tmp_path: Path) -> None:
    corpus, prepared = tmp_path / "corpus", tmp_path / "prepared"
    corpus.mkdir()
    shutil.copy(SAMPLE, corpus / "one.mp4")
    (corpus / "labels.csv").write_text("file,label,speaker,split\none.mp4,happy,A,val\n")
    table, weights = tmp_path / "scores.npz", tmp_path / "weights.json"
    assert facevoice("prepare", "manifest", "--root", corpus, "-o", prepared) == 0
    assert facevoice("score", "--data", prepared, "--bundle", toy_bundle, "-o", table) == 0
    read = read_score_table(table)
    assert read.answered.all()
    assert (read.groups.tolist(), read.splits.tolist()) == (["A"], ["val"])
    tree = ("--tree", toy_bundle, "--step", "0.1")
    assert facevoice("fuse", table, "--split", "val", *tree, "-o", weights) == 0
    fused = tmp_path / "fused"
    assert facevoice("reweigh", toy_bundle, "--weights", weights, "-o", fused) == 0
    assert load(fused)(corpus / "one.mp4").emotion is not None
    options = ("--weights", weights, "--split", "val", "-o", tmp_path / "report")
    assert facevoice("evaluate", table, *options) == 1  # the weights were fitted on this clip
    assert facevoice("evaluate", table, *options, "--allow-trained") == 0
    assert "these same clips" in (tmp_path / "report" / "report.md").read_text()


def test_face_pictures_are_not_cropped_twice(toy_bundle: Path, tmp_path: Path) -> None:
    """A picture that lies where a branch cuts it out comes back just as it was stored."""
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), np.uint8)
    images = images.repeat(8, axis=1).repeat(8, axis=2)  # 96x96, coarse
    out = tmp_path / "scores.npz"
    rows = [f"clip {row},{label},val,{row}" for row, label in enumerate(("happy", "sad", "sad"))]
    tree = load(toy_bundle).bundle.tree
    face = next(member for member in tree.members if member.name == "face")
    place = face.members[0].face_input.crop
    parts = [shown(image, place) for image in images]
    folder = write_folder(tmp_path / "faces", parts, rows, labels=("happy", "sad")).folder
    assert facevoice("score", "--data", folder, "--bundle", toy_bundle, "--nodes", "-o", out) == 0
    table = read_score_table(out)
    assert not table.present[:, table.branch_index("voice.spectrogram")].any()
    for leaf in face.members:
        for row in range(3):
            track = FaceTrack.of_images(place_crops(images[row : row + 1], place))
            whole = Evidence(track, None, 0.0, 0.0, missing={"voice": "no_audio_stream"})
            np.testing.assert_array_equal(
                table.column(f"face.{leaf.name}")[row], leaf.score(whole).values
            )
    parts = {m.name: Scores(m.labels, table.column(f"face.{m.name}")[0]) for m in face.members}
    np.testing.assert_allclose(table.column("face")[0], face.combine(parts).values, atol=1e-12)
    np.testing.assert_array_equal(table.column("fused"), table.column("face"))
    assert table.truth.tolist() == [3, 5, 5]


def test_groups_are_dealt_where_nobody_cut_the_clips(
    capsys: pytest.CaptureFixture[str], toy_bundle: Path, tmp_path: Path
) -> None:
    labels, out = tmp_path / "labels.csv", tmp_path / "scores.npz"
    rows = [f"{SAMPLE},happy,A", f"{SAMPLE.parent / '..' / 'samples' / SAMPLE.name},happy,B"]
    labels.write_text("file,label,speaker\n" + "\n".join(rows) + "\n")
    deal = ("--bundle", toy_bundle, "--deal", "val,test", "-o", out, "--overwrite")
    assert facevoice("score", labels, *deal) == 0
    assert sorted(read_score_table(out).splits.tolist()) == ["test", "val"]
    assert "split 'val': 1 clip of 1 group, taken from ''" in capsys.readouterr().err
    cut = [f"{row},{split}" for row, split in zip(rows, ("train", "dev"), strict=True)]
    labels.write_text("file,label,speaker,split\n" + "\n".join(cut) + "\n")
    assert facevoice("score", labels, *deal) == 0
    assert read_score_table(out).splits.tolist() == ["train", "val"]  # somebody has cut them
    assert "read as: split dev -> val 1" in capsys.readouterr().err
