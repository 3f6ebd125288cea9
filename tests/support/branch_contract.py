"""What every branch must keep, whatever it is made of."""

import numpy as np
import pytest

from facevoice.branches import Branch, FusionBranch, PerFaceBranch, PiecewiseBranch, average
from facevoice.types import EMOTIONS, Evidence
from support.evidence_factory import make_evidence


class BranchContract:
    """Subclass it with a fixture ``branch``."""

    def test_it_is_a_branch(self, branch):
        assert isinstance(branch, Branch)
        assert branch.name
        assert branch.name in repr(branch)

    def test_scores_are_a_distribution_over_its_labels(self, branch):
        scores = branch.score(make_evidence())
        assert scores is not None
        assert scores.labels == branch.labels == EMOTIONS
        assert float(scores.values.sum()) == pytest.approx(1)

    def test_the_same_evidence_gives_the_same_scores(self, branch):
        first, second = branch.score(make_evidence()), branch.score(make_evidence())
        np.testing.assert_array_equal(first.values, second.values)

    def test_other_evidence_gives_other_scores(self, branch):
        first, second = branch.score(make_evidence()), branch.score(make_evidence(seed=7))
        assert not np.array_equal(first.values, second.values)

    def test_without_its_modality_it_says_nothing(self, branch):
        nothing = make_evidence(faces=0, speech_seconds=0)
        assert branch.score(nothing) is None
        if branch.modality == "face":
            assert branch.score(make_evidence(faces=0)) is None
        if branch.modality == "voice":
            assert branch.score(make_evidence(speech_seconds=0)) is None

    def test_one_face_and_a_quarter_second_are_enough(self, branch):
        assert branch.score(make_evidence(faces=1, speech_seconds=0.25)) is not None

    def test_looking_at_faces_once_gives_the_same_scores(self, branch):
        if not isinstance(branch, PerFaceBranch):
            return
        for faces in (1, 5, 40):
            evidence = make_evidence(faces=faces)
            chosen = branch.chosen(faces)
            assert (np.diff(chosen) > 0).all()
            assert chosen.max() < faces
            looks = branch.look(evidence.faces.images[chosen])
            whole = branch.score(evidence)
            of_looks = branch.of_looks(looks, evidence.faces.quality[chosen])
            np.testing.assert_array_equal(of_looks.values, whole.values)
            frames = branch.frames_of_looks(looks)
            assert frames is None or frames.shape == (len(chosen), len(branch.labels))

    def test_hearing_speech_before_pooling_gives_the_same_scores(self, branch):
        if not isinstance(branch, PiecewiseBranch):
            return
        for seconds in (0.25, 2.0, 20.0):
            evidence = make_evidence(speech_seconds=seconds)
            states = branch.hear(evidence.speech, 0)
            whole = branch.score(evidence)
            np.testing.assert_array_equal(branch.of_heard(states).values, whole.values)

    def test_a_fusion_shows_its_parts_and_follows_from_them(self, branch):
        if not isinstance(branch, FusionBranch):
            return
        scores = branch.score(make_evidence())
        assert list(scores.parts) == [member.name for member in branch.members]
        again = branch.combine(scores.parts)
        np.testing.assert_array_equal(again.values, scores.values)
        seconds = {"face": 1.0, "voice": 1.0}
        averaged = average(branch, [(seconds, scores), (seconds, scores)])
        np.testing.assert_allclose(averaged.values, scores.values, atol=1e-12)

    def test_evidence_stays_as_it_was(self, branch):
        evidence: Evidence = make_evidence()
        before = evidence.faces.images.copy(), evidence.speech.samples.copy()
        branch.score(evidence)
        np.testing.assert_array_equal(evidence.faces.images, before[0])
        np.testing.assert_array_equal(evidence.speech.samples, before[1])
