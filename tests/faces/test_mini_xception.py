"""The shipped mini-Xception reads faces and scores labels as a bundle's ``face_vote`` wants it."""

from pathlib import Path

import numpy as np

import facevoice
from facevoice.branches.face_input import FaceInput
from facevoice.branches.face_vote import FaceVote
from facevoice.evidence import EvidenceReader
from facevoice.samples import SAMPLE
from facevoice.session import Session, shipped_model
from facevoice.types import EMOTIONS

MODELS = Path(facevoice.__file__).parent / "faces" / "models"
FACE_INPUT = FaceInput(4, (2.0, 2.0, 252.0, 252.0), 64, "grey", (0.5,), (0.5,))


def test_it_sees_the_smile_of_the_sample_clip():
    session = Session(shipped_model(MODELS, "mini_xception.onnx"), threads=1)
    branch = FaceVote("mini", EMOTIONS, session, FACE_INPUT, pooling="mean", mirror=True)
    (evidence,) = EvidenceReader(threads=1).clip(SAMPLE)
    assert branch.score(evidence).emotion == "happy"


def test_its_logits_of_a_batch_are_those_of_each_face():
    session = Session(shipped_model(MODELS, "mini_xception.onnx"), threads=1)
    faces = np.random.default_rng(0).uniform(-1, 1, (3, 1, 64, 64)).astype(np.float32)
    (together,) = session.run(faces)
    alone = np.concatenate([session.run(face[None])[0] for face in faces])
    assert together.shape == (3, len(EMOTIONS))
    np.testing.assert_allclose(together, alone, atol=1e-4)
