"""Faces of a picture or film: find, follow, align and sample them."""

from facevoice.faces.align import TEMPLATE, align
from facevoice.faces.detect import Detector, RefiningDetector
from facevoice.faces.mtcnn import Mtcnn
from facevoice.faces.sample import centre_crop, crop_and_resize, evenly_spaced
from facevoice.faces.track import FaceFollower, FaceTracker, main_track

__all__ = [
    "TEMPLATE",
    "Detector",
    "FaceFollower",
    "FaceTracker",
    "Mtcnn",
    "RefiningDetector",
    "align",
    "centre_crop",
    "crop_and_resize",
    "evenly_spaced",
    "main_track",
]
