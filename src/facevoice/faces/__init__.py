"""Faces of a picture or film: find, align and sample them."""

from facevoice.faces.align import TEMPLATE, align
from facevoice.faces.detect import Detector, RefiningDetector
from facevoice.faces.find import FaceFinder
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.sample import centre_crop, crop_and_resize, evenly_spaced

__all__ = [
    "TEMPLATE",
    "Detector",
    "FaceFinder",
    "Mtcnn",
    "RefiningDetector",
    "align",
    "centre_crop",
    "crop_and_resize",
    "evenly_spaced",
]
