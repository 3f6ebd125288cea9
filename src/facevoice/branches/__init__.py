"""Branches: each turns evidence into scores; a Blend of branches is a branch too."""

from facevoice.branches.adjustment import Adjustment
from facevoice.branches.base import Branch, CroppingBranch, FrameBranch, WindowScores, leaves
from facevoice.branches.blend import Blend, average
from facevoice.branches.face_sequence import FaceSequence
from facevoice.branches.face_vote import FaceVote
from facevoice.branches.functionals_svm import FunctionalsSvm
from facevoice.branches.spectrogram_net import SpectrogramNet

__all__ = [
    "Adjustment",
    "Blend",
    "Branch",
    "CroppingBranch",
    "FaceSequence",
    "FaceVote",
    "FrameBranch",
    "FunctionalsSvm",
    "SpectrogramNet",
    "WindowScores",
    "average",
    "leaves",
]
