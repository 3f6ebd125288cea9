"""Finds, aligns and samples the faces in pictures and films."""

from facevoice.faces.align import TEMPLATE, align
from facevoice.faces.detect import Detector, RefiningDetector
from facevoice.faces.find import FaceFinder
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.sample import crop_and_resize, evenly_spaced

__all__ = [
    "TEMPLATE",
    "Detector",
    "FaceFinder",
    "Mtcnn",
    "RefiningDetector",
    "align",
    "crop_and_resize",
    "evenly_spaced",
]
