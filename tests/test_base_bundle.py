"""The bundle that ships, measured: on what it was made for, and on what it has never met."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

import facevoice
from facevoice.branches import Blend, leaves
from facevoice.bundle import read_card, shipped_bundles
from facevoice.evaluation import figures_of, read_labels, score_clips
from facevoice.faces.sample import place_crops
from facevoice.samples import SAMPLE
from facevoice.types import EMOTIONS, Evidence, FaceTrack


@pytest.fixture(scope="module")
def predictor():
    return facevoice.load()


def test_the_top_of_its_tree_blends_face_and_voice(predictor):
    tree = predictor.bundle.tree
    assert isinstance(tree, Blend)
    assert [member.name for member in tree.members] == ["face", "voice"]
    assert predictor.bundle.labels == EMOTIONS


def test_its_card_states_licences_provenance_and_figures():
    (folder,) = [path for path in shipped_bundles() if path.name == "base"]
    card = read_card(folder)
    assert "non-commercial" in card["licences"]["weights"]
    assert "CC BY-NC-SA 4.0" in card["licences"]["data"]
    for branch in card["provenance"]["branches"].values():
        assert branch["recipe"]
        assert branch["corpus"]["citation"]
        assert branch["parity_with_torch"] <= 1e-4
    assert card["figures"]["expression"]["test_war"] >= 0.60
    assert card["figures"]["spectrogram"]["test_war"] >= 0.45
    assert sum((folder / name).stat().st_size for name in card["files"]) < 25e6


def test_the_smiling_astronaut_smiles(predictor):
    prediction = predictor(SAMPLE)
    assert prediction.scores.parts["face"].emotion == "happy"
    assert prediction.missing == {}


@pytest.mark.slow
def test_fer2013_test_pictures_through_evidence(predictor, data_folder):
    card = predictor.bundle.card
    (node,) = card["tree"]["members"][0]["members"]
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
    assert right / total >= 0.60
    assert right / total == pytest.approx(card["figures"]["expression"]["test_war"], abs=0.01)


@pytest.mark.slow
def test_people_and_a_language_that_it_never_met(predictor, data_folder):
    clips = read_labels(data_folder / "javanese_av" / "labels.csv")
    table, _ = score_clips(predictor, clips)
    figures = {item.name: item.matrix.war for item in figures_of(table)}
    # measured 0.396 (face 0.326, voice 0.326; chance 0.167): short of the 0.40 that was aimed at
    assert figures["fused"] >= 0.38
    assert figures["fused"] > max(figures["face"], figures["voice"])
