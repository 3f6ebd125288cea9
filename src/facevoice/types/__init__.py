"""The data classes of facevoice: frozen, validated, and shown by shape instead of pixels.

Pictures are RGB, times are the container's presentation time in seconds, intervals are half-open.
"""

from facevoice.types.audio_tracks import AudioTracks
from facevoice.types.checks import Float32Array, Float64Array, UInt8Array, is_finite, require
from facevoice.types.damage import UNDAMAGED, Damage, Damaged, ignored
from facevoice.types.evidence import MISSING_CODES, MODALITIES, Evidence, MissingCode, Modality
from facevoice.types.faces import ALIGNED_SIZE, Face, FaceTrack, PictureSize
from facevoice.types.media import Frame, Sample, Waveform
from facevoice.types.scores import EMOTIONS, TIE_TOLERANCE, UNDECIDED_MARGIN, Scores

__all__ = [
    "ALIGNED_SIZE",
    "EMOTIONS",
    "MISSING_CODES",
    "MODALITIES",
    "TIE_TOLERANCE",
    "UNDAMAGED",
    "UNDECIDED_MARGIN",
    "AudioTracks",
    "Damage",
    "Damaged",
    "Evidence",
    "Face",
    "FaceTrack",
    "Float32Array",
    "Float64Array",
    "Frame",
    "MissingCode",
    "Modality",
    "PictureSize",
    "Sample",
    "Scores",
    "UInt8Array",
    "Waveform",
    "ignored",
    "is_finite",
    "require",
]
