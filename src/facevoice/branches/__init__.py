"""Branches: each turns evidence into scores; a fusion of branches is a branch too."""

from facevoice.branches.adjustment import Adjustment
from facevoice.branches.base import Branch, FusionBranch, PerFaceBranch, PiecewiseBranch
from facevoice.branches.blend import Blend
from facevoice.branches.face_mesh import FaceMeshMoments
from facevoice.branches.face_sequence import FaceSequence
from facevoice.branches.face_vote import FaceVote
from facevoice.branches.functionals import Functionals
from facevoice.branches.spectrogram_net import SpectrogramNet
from facevoice.branches.speech_encoder import SpeechEncoder
from facevoice.branches.stack import Stack
from facevoice.branches.tree import WindowScores, average, leaves, nodes, score_tree

__all__ = [
    "Adjustment",
    "Blend",
    "Branch",
    "FaceMeshMoments",
    "FaceSequence",
    "FaceVote",
    "Functionals",
    "FusionBranch",
    "PerFaceBranch",
    "PiecewiseBranch",
    "SpectrogramNet",
    "SpeechEncoder",
    "Stack",
    "WindowScores",
    "average",
    "leaves",
    "nodes",
    "score_tree",
]
