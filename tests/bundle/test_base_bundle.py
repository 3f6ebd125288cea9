"""The bundle that ships, measured: on what it was made for, and on what it has never met."""

import io
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import facevoice
from facevoice.branches import Blend, leaves
from facevoice.bundle import read_card, shipped_bundles
from facevoice.bundle.measured import differences, row_for
from facevoice.bundle.trained_on import known
from facevoice.cli import main
from facevoice.datasets import read_labels
from facevoice.faces.sample import place_crops
from facevoice.report.scoring import score_clips
from facevoice.samples import SAMPLE
from facevoice.scores.metrics import evaluate
from facevoice.types import EMOTIONS, Evidence, FaceTrack
from support.places import DOCS
from support.toy_bundle import add_functionals


@pytest.fixture(scope="module")
def predictor():
    return facevoice.load()


def test_the_top_of_its_tree_blends_face_and_voice(predictor):
    tree = predictor.bundle.tree
    assert isinstance(tree, Blend)
    assert [member.name for member in tree.members] == ["face", "voice"]
    assert predictor.bundle.labels == EMOTIONS


CARDS = {"base": "model_card.md"}


def test_every_bundle_that_ships_is_known_here():
    assert {path.name for path in shipped_bundles()} == set(CARDS)


@pytest.fixture(params=CARDS)
def shipped(request):
    (folder,) = [path for path in shipped_bundles() if path.name == request.param]
    return folder


def test_its_card_states_licences_provenance_and_figures(shipped):
    card = read_card(shipped)
    assert "non-commercial" in card["licences"]["weights"]
    assert "CC BY-NC-SA 4.0" in str(card["licences"]["data"])
    for branch in card["provenance"]["branches"].values():
        assert branch["recipe"]
        assert branch["corpus"]["citation"]
        assert branch["parity_with_torch"] <= 1e-4
    assert [row["name"] for row in card["measured"]] == [
        "FER2013 test",
        "FER+ test, clear majority",
        "javanese_av",
    ]
    assert set(card["left_out"]) == {"ravdess-speech", "emodb", "am", "pl", "ko"}
    files = [facevoice.load().bundle.path(name) for name in card["files"]]  # shared parts too
    assert sum(file.stat().st_size for file in files) < 25e6


def test_its_model_card_is_the_one_in_the_docs(shipped):
    docs = DOCS / CARDS[shipped.name]
    assert (shipped / "MODEL_CARD.md").read_text() == docs.read_text()


def test_the_model_card_s_figures_are_those_of_the_bundle(shipped):
    text = (shipped / "MODEL_CARD.md").read_text()
    for row in read_card(shipped)["measured"]:
        for node in {"face", "voice", "fused"} & set(row["nodes"]):
            found = row["nodes"][node]
            assert f"{found['war']:.3f}" in text, (row["name"], node)
            assert f"{found['war_low']:.3f}-{found['war_high']:.3f}" in text, (row["name"], node)


def test_it_remembers_what_it_learnt_from(shipped):
    card = read_card(shipped)
    learnt = known(shipped, card, ["03-01-05-01-01-01-12.flac", "03a01Fa"], ["angry", "happy"])
    assert (learnt == "yes").all()  # RAVDESS and EMO-DB
    assert known(shipped, card, ["01-01-01_01.mp4"], ["neutral"]) == ["no"]  # javanese_av


def test_without_a_voice_the_face_counts_and_the_other_way_round(predictor):
    """A lacking modality leaves exactly the other one's calibrated scores."""
    (evidence,) = [evidence for evidence, _ in predictor.trace(SAMPLE)]
    tree = predictor.bundle.tree
    whole = tree.score(evidence)
    deaf = replace(evidence, speech=None, missing={"voice": "no_audio_stream"})
    blind = replace(evidence, faces=None, missing={"face": "no_video_stream"})
    np.testing.assert_array_equal(tree.score(deaf).values, whole.parts["face"].values)
    np.testing.assert_array_equal(tree.score(blind).values, whole.parts["voice"].values)


def test_the_smiling_astronaut_smiles(predictor):
    prediction = predictor(SAMPLE)
    assert prediction.scores.parts["face"].emotion == "happy"
    assert prediction.missing == {}


def test_opensmile_is_asked_for_in_one_line_where_it_is_needed(
    tmp_path, toy_bundle, monkeypatch, capsys
):
    with_is10 = add_functionals(toy_bundle, tmp_path / "is10", "is10")
    monkeypatch.setitem(sys.modules, "opensmile", None)
    module = sys.modules["facevoice.speech.functionals"]
    monkeypatch.setattr(module, "_extractor", module._extractor.__wrapped__)  # not a kept one
    assert main(["predict", str(SAMPLE), "--bundle", str(with_is10)]) == 1
    assert "--extra opensmile" in capsys.readouterr().err


def test_with_opensmile_another_voice_counts(tmp_path, toy_bundle):
    pytest.importorskip("opensmile", reason="the extra opensmile is not installed")
    scores = facevoice.load(add_functionals(toy_bundle, tmp_path / "is10", "is10"))(SAMPLE).scores
    alone = facevoice.load(toy_bundle)(SAMPLE).scores
    np.testing.assert_array_equal(scores.parts["face"].values, alone.parts["face"].values)
    assert set(scores.parts["voice"].parts) == {"spectrogram", "is10"}


@pytest.mark.slow
def test_fer2013_test_pictures_through_evidence(predictor, data_folder):
    card = predictor.bundle.card
    node = card["tree"]["members"][0]["members"][0]
    face = next(leaf for leaf in leaves(predictor.bundle.tree) if leaf.modality == "face")
    right = total = 0
    with tarfile.open(data_folder / "fer2013.tar.xz") as archive:
        for member in archive:
            parts = member.name.strip("./").split("/")
            if not member.isfile() or "test" not in parts:
                continue
            picture = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("L")
            images = place_crops(np.asarray(picture)[None], node["input"]["crop"])
            evidence = Evidence(
                FaceTrack.of_images(images), None, 0.0, 1.0, missing={"voice": "no_audio_stream"}
            )
            right += face.score(evidence).emotion == parts[-2]
            total += 1
    assert total == 7178
    row = next(row for row in card["measured"] if row["name"] == "FER2013 test")
    assert right / total == pytest.approx(row["nodes"]["face.expression"]["war"], abs=0.005)


@pytest.mark.slow
def test_people_and_a_language_that_it_never_met(predictor, data_folder):
    clips = read_labels(data_folder / "javanese_av" / "labels.csv")
    table = score_clips(predictor, clips)
    row = row_for(predictor.bundle.card, table)
    assert row["name"] == "javanese_av"
    assert differences(row, table) == []
    figures = {name: evaluate(table, name).matrix.war for name in table.branches}
    assert figures["fused"] > max(figures["face"], figures["voice"])
