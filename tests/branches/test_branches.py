from dataclasses import FrozenInstanceError, astuple, replace

import numpy as np
import pytest

from facevoice.branches import (
    Adjustment,
    Blend,
    FaceSequence,
    FaceVote,
    Functionals,
    SpectrogramNet,
    Stack,
)
from facevoice.branches.base import softmax, tempered
from facevoice.branches.face_input import FaceInput, run_pictures
from facevoice.branches.tree import nodes
from facevoice.bundle import load_bundle
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.speech.encoders import encoder_features
from facevoice.speech.spectrogram import SpectrogramSettings
from facevoice.types import EMOTIONS, FaceTrack
from support.branch_contract import BranchContract
from support.evidence_factory import make_evidence
from support.toy_bundle import add_face_mesh, add_speech_encoder, save_features_net

GREY = FaceInput(16, (3.0, 3.0, 253.0, 253.0), 48, "grey", (0.0,), (1.0,))
COLOUR = FaceInput(4, (16.0, 16.0, 240.0, 240.0), 64, "rgb", (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="session")
def sessions(toy_bundle):
    return {path.stem: Session(path) for path in toy_bundle.glob("*.onnx")}


def each_frame(branch, evidence):
    """The scores (M, K) of the single faces that a branch reads."""
    images = evidence.faces.images
    return branch.frames_of_looks(branch.look(images[branch.chosen(len(images))]))


class TestFaceVote(BranchContract):
    @pytest.fixture(params=["mean", "votes"])
    def branch(self, sessions, request):
        pooling = request.param
        return FaceVote("vote", EMOTIONS, sessions["expression"], GREY, pooling=pooling)

    def test_other_evidence_gives_other_scores(self, branch, sessions):
        # votes are counts and may agree by chance: compare each frame's scores instead
        first, second = (each_frame(branch, make_evidence(seed=seed)) for seed in (0, 7))
        assert not np.array_equal(first, second)

    def test_votes_are_the_frequencies_of_the_frames_arg_max(self, sessions):
        vote = FaceVote("vote", EMOTIONS, sessions["expression"], GREY, pooling="votes")
        evidence = make_evidence(faces=5)
        assert vote.chosen(5).tolist() == [0, 1, 2, 3, 4]
        each = each_frame(vote, evidence)
        quality = evidence.faces.quality.astype(np.float64)
        expected = np.bincount(each.argmax(axis=1), quality, minlength=7) / quality.sum()
        np.testing.assert_allclose(vote.score(evidence).values, expected)

    def test_a_poor_face_hardly_counts(self, branch):
        evidence = make_evidence(faces=4)
        good = evidence.faces.take(np.array([0, 1, 2]))
        poor = replace(evidence.faces, quality=np.array([0.9, 0.9, 0.9, 0.003]))
        even = replace(good, quality=np.full(3, 0.9))
        whole, without = (branch.score(make_evidence_with(track)).values for track in (poor, even))
        np.testing.assert_allclose(whole, without, atol=2e-3)

    def test_faces_of_no_quality_count_alike(self, branch):
        track = replace(make_evidence(faces=4).faces, quality=np.zeros(4))
        alike = replace(track, quality=np.ones(4))
        found = [branch.score(make_evidence_with(each)).values for each in (track, alike)]
        np.testing.assert_allclose(*found)

    def test_the_mirror_makes_a_face_and_its_mirror_image_equal(self, sessions):
        vote = FaceVote("vote", EMOTIONS, sessions["expression"], GREY, pooling="mean", mirror=True)
        images = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
        scores = []
        for picture in (images, images[:, :, ::-1]):
            track = FaceTrack.of_images(np.ascontiguousarray(picture))
            scores.append(vote.score(make_evidence_with(track)).values)
        np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)

    def test_only_so_many_frames_are_looked_at(self, sessions):
        vote = FaceVote("vote", EMOTIONS, sessions["expression"], GREY, pooling="mean")
        assert len(vote.chosen(40)) == 16
        assert each_frame(vote, make_evidence(faces=40)).shape == (16, 7)


def make_evidence_with(track: FaceTrack):
    from facevoice.types import Evidence

    return Evidence(track, None, 0.0, 1.0, missing={"voice": "no_speech"})


class TestFaceSequence(BranchContract):
    @pytest.fixture
    def branch(self, sessions):
        return FaceSequence("sequence", EMOTIONS, sessions["cnn"], sessions["blstm"], COLOUR)


class TestSpectrogramNet(BranchContract):
    @pytest.fixture
    def branch(self, sessions):
        settings = SpectrogramSettings()
        return SpectrogramNet("spectrogram", EMOTIONS, sessions["spectrogram"], settings)


class TestFunctionals(BranchContract):
    @pytest.fixture
    def branch(self, tmp_path):
        pytest.importorskip("opensmile")
        path = tmp_path / "svm.onnx"
        save_features_net(path, 384)
        return Functionals("is09", EMOTIONS, Session(path), "is09")

    def test_an_unknown_feature_set_is_refused(self, sessions):
        with pytest.raises(BundleError, match="known: is09, is10"):
            Functionals("svm", EMOTIONS, sessions["expression"], "is11")  # type: ignore[arg-type]


class TestFaceMeshMoments(BranchContract):
    @pytest.fixture
    def branch(self, toy_bundle, tmp_path):
        bundle = load_bundle(add_face_mesh(toy_bundle, tmp_path / "mesh"))
        return dict(nodes(bundle.tree))["face.shown"]

    def test_its_head_scores_mean_and_deviation_of_blendshapes_and_pose(self, branch):
        evidence = make_evidence(faces=20)
        assert len(branch.chosen(20)) == 16
        shown = [branch.expressions(image) for image in evidence.faces.images[branch.chosen(20)]]
        looks = np.array([(*each.blendshapes, *astuple(each.pose)) for each in shown])
        quality = evidence.faces.quality[branch.chosen(20)].astype(np.float64)
        mean = np.average(looks, axis=0, weights=quality)
        variance = np.average((looks - mean) ** 2, axis=0, weights=quality)
        features = np.concatenate([mean, np.sqrt(variance)])
        _, wanted = branch.session.run(features[None].astype(np.float32))
        np.testing.assert_allclose(branch.score(evidence).values, wanted[0], rtol=1e-5)

    def test_a_single_face_has_no_scores_of_its_own(self, branch):
        images = make_evidence(faces=2).faces.images
        assert branch.frames_of_looks(branch.look(images)) is None

    def test_it_needs_a_face(self, branch):
        with pytest.raises(BundleError, match="frames must be 1 or more"):
            replace(branch, frames=0)


class TestSpeechEncoder(BranchContract):
    @pytest.fixture
    def branch(self, toy_bundle, tmp_path):
        bundle = load_bundle(add_speech_encoder(toy_bundle, tmp_path / "encoded"))
        return dict(nodes(bundle.tree))["voice.encoded"]

    def test_its_head_scores_the_encoders_features(self, branch):
        evidence = make_evidence()
        features = encoder_features(branch.encoders, evidence.speech)
        _, wanted = branch.session.run(features[None])
        np.testing.assert_allclose(branch.score(evidence).values, wanted[0], rtol=1e-6)

    def test_it_needs_an_encoder(self, branch):
        with pytest.raises(BundleError, match="has no encoder"):
            replace(branch, encoders=())


class TestBlend(BranchContract):
    @pytest.fixture
    def branch(self, sessions):
        face = FaceVote("face", EMOTIONS, sessions["expression"], GREY, pooling="mean")
        voice = SpectrogramNet("voice", EMOTIONS, sessions["spectrogram"], SpectrogramSettings())
        return Blend("system", [face, voice], [0.88, 0.34], adjustment=Adjustment(1.3))


class TestProduct(BranchContract):
    @pytest.fixture
    def branch(self, sessions):
        face = FaceVote("face", EMOTIONS, sessions["expression"], GREY, pooling="mean")
        voice = SpectrogramNet("voice", EMOTIONS, sessions["spectrogram"], SpectrogramSettings())
        return Blend("system", [face, voice], [0.88, 0.34], rule="product")


class TestStack(BranchContract):
    @pytest.fixture
    def branch(self, sessions):
        face = FaceVote("face", EMOTIONS, sessions["expression"], GREY, pooling="mean")
        voice = SpectrogramNet("voice", EMOTIONS, sessions["spectrogram"], SpectrogramSettings())
        coefficients = np.random.default_rng(0).normal(size=(15, 7))
        return Stack("system", [face, voice], coefficients)


def test_kinds_are_frozen_and_checked_at_birth(sessions):
    vote = FaceVote("vote", EMOTIONS, sessions["expression"], GREY)
    with pytest.raises(FrozenInstanceError):
        vote.temperature = 2.0
    with pytest.raises(BundleError, match="temperature must be positive"):
        FaceVote("vote", EMOTIONS, sessions["expression"], GREY, temperature=0.0)
    with pytest.raises(BundleError, match="pooling must be votes or mean"):
        replace(vote, pooling="median")


def test_softmax_is_stable_for_large_logits():
    values = softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32))
    np.testing.assert_allclose(values, [[0.5, 0.5, 0.0]])


def test_temperature_flattens_and_keeps_the_order():
    values = np.array([0.7, 0.2, 0.1, 0.0])
    flat = tempered(values, 2.0)
    assert flat.argsort().tolist() == values.argsort().tolist()
    assert flat.max() < 0.7
    logits = np.log(values[:3])
    np.testing.assert_allclose(tempered(values[:3], 2.0), softmax(logits.astype(np.float32) / 2))


@pytest.mark.parametrize(
    "change",
    [{"channels": "hsv"}, {"mean": [0.0] * 2}, {"frames": 0}, {"size": 0}, {"crop": [0, 1]}],
)
def test_face_input_refuses_nonsense(change):
    good = {
        "frames": 4, "crop": [0, 0, 256, 256], "size": 8, "channels": "rgb",
        "mean": [0.0] * 3, "std": [1.0] * 3,
    }  # fmt: skip
    FaceInput.from_dict(good)
    with pytest.raises(BundleError):
        FaceInput.from_dict(good | change)


def test_large_pictures_are_run_a_few_at_a_time(sessions):
    pictures = np.random.default_rng(0).random((9, 3, 224, 224), np.float32)
    seen = []

    class Listening(Session):
        def run(self, *arrays):
            seen.append(len(arrays[0]))
            return super().run(*arrays)

    session = Listening(sessions["cnn"].path)
    found = run_pictures(session, pictures)
    assert seen == [4, 4, 1]
    np.testing.assert_allclose(found, session.run(pictures)[0], rtol=1e-6)
    small = pictures[:, :, :64, :64]
    run_pictures(session, np.ascontiguousarray(small))
    assert seen[-1] == 9  # all at once, as they cost little


def test_face_input_names_what_a_bundle_lacks():
    with pytest.raises(BundleError, match="'frames'"):
        FaceInput.from_dict({})


def test_face_input_orders_channels_and_normalises():
    faces = np.zeros((1, 2, 2, 3), np.uint8)
    faces[..., 0] = 255
    shape = {"frames": 1, "crop": [0, 0, 2, 2], "size": 2, "mean": [0.0] * 3, "std": [0.5] * 3}
    rgb = FaceInput.from_dict({**shape, "channels": "rgb"}).normalised(faces)
    bgr = FaceInput.from_dict({**shape, "channels": "bgr"}).normalised(faces)
    assert rgb[0, :, 0, 0].tolist() == [2, 0, 0]
    assert bgr[0, :, 0, 0].tolist() == [0, 0, 2]
    grey = FaceInput.from_dict({**shape, "channels": "grey", "mean": [0.0], "std": [1.0]})
    assert float(grey.normalised(faces)[0, 0, 0, 0]) == pytest.approx(0.299)
