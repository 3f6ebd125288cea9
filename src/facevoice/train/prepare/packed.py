"""How a prepared folder holds evidence: five arrays, each of all samples end to end.

    samples   one ``SAMPLE`` per sample: how many rows of the other arrays are its own, and the rest
    faces     one ``FACE`` per face picture
    pictures  uint8, the bytes of the face pictures
    spans     one ``SPAN`` per stretch of speech
    speech    int16 at ``rate_hz``, cleaned

A face that was found and aligned here is stored as JPEG. A picture that a corpus has cut out itself
(FER2013: 48x48, grey) is stored as it came, with its place in the aligned picture.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.faces.sample import Box
from facevoice.types import ALIGNED_SIZE, MODALITIES, Evidence, Float32Array, UInt8Array

WHOLE: Final[Box] = (0.0, 0.0, float(ALIGNED_SIZE), float(ALIGNED_SIZE))
INT16_SCALE: Final = 32767.0
JPEG_QUALITY: Final = 95
SAMPLE: Final = np.dtype(
    [
        ("unit", "S20"),  # what it was prepared with, see ``parts``
        ("faces", "<i8"),  # rows of faces, spans and speech
        ("spans", "<i8"),
        ("speech", "<i8"),
        ("rate_hz", "<i8"),
        ("speech_start", "<f8"),  # seconds, as all that follows
        ("start", "<f8"),
        ("stop", "<f8"),
        ("face_seconds", "<f8"),
        ("track", "<i8"),
        ("people", "<i8"),
        ("missing", "<U24", len(MODALITIES)),  # code, "" where the modality is there
    ]
)
FACE: Final = np.dtype(
    [
        ("bytes", "<i8"),  # of pictures
        ("shape", "<i4", 3),  # height, width, channels; zeros: JPEG
        ("place", "<f4", 4),  # left, top, right, bottom in the aligned 256x256 picture
        ("time", "<f8"),
        ("box", "<f4", 4),
        ("quality", "<f4"),
        ("landmarks", "<f4", (5, 2)),
    ]
)
SPAN: Final = np.dtype([("start", "<f8"), ("stop", "<f8")])
ARRAYS: Final[Mapping[str, np.dtype[Any]]] = {
    "samples": SAMPLE,
    "faces": FACE,
    "pictures": np.dtype("u1"),
    "spans": SPAN,
    "speech": np.dtype("<i2"),
}

Arrays = dict[str, NDArray[Any]]
"""An array for each name in ``ARRAYS``."""


def pack(evidence: Evidence) -> Arrays:
    """The arrays of one sample's evidence."""
    track, speech = evidence.faces, evidence.speech
    arrays = together([])
    sample = arrays["samples"] = np.zeros(1, SAMPLE)
    sample["start"], sample["stop"] = evidence.start_seconds, evidence.stop_seconds
    sample["people"] = evidence.people
    sample["missing"] = [evidence.missing.get(modality, "") for modality in MODALITIES]
    spans = np.ascontiguousarray(evidence.speech_spans, "<f8")
    arrays["spans"], sample["spans"] = spans.reshape(-1).view(SPAN), len(spans)
    if track is not None:
        jpegs = [_jpeg(image) for image in track.images]
        faces = arrays["faces"] = np.zeros(len(track), FACE)
        arrays["pictures"] = np.frombuffer(b"".join(jpegs), np.uint8)
        faces["bytes"], faces["place"] = list(map(len, jpegs)), WHOLE
        faces["time"], faces["box"] = track.times_seconds, track.boxes
        faces["quality"], faces["landmarks"] = track.quality, track.landmarks
        sample["faces"], sample["track"] = len(track), track.track_id
        sample["face_seconds"] = track.seconds
    if speech is not None:
        arrays["speech"], sample["speech"] = pack_speech(speech.samples), len(speech.samples)
        sample["rate_hz"], sample["speech_start"] = speech.rate_hz, speech.start_seconds
    return arrays


def pack_picture(picture: UInt8Array, place: Box) -> Arrays:
    """The arrays of one picture that shows nothing but a face, stored as it came.

    picture: (H, W) or (H, W, 3) uint8. place: where it lies in the aligned 256x256 picture.
    """
    height, width = picture.shape[:2]
    sample, face = np.zeros(1, SAMPLE), np.zeros(1, FACE)
    sample["faces"] = sample["people"] = sample["face_seconds"] = 1
    sample["missing"] = ["", "no_audio_stream"]
    face["bytes"], face["shape"], face["place"] = picture.size, (height, width, 1), place
    face["shape"][0, 2] = picture.size // (height * width)
    face["box"], face["quality"], face["landmarks"] = (0, 0, width, height), 1, np.nan
    return together([]) | {"samples": sample, "faces": face, "pictures": picture.reshape(-1)}


def pack_speech(samples: Float32Array) -> NDArray[np.int16]:
    """(N,) float32 -> (N,) int16; values outside [-1, 1] are clipped."""
    return np.round(np.clip(samples, -1, 1) * INT16_SCALE).astype("<i2")


def together(parts: Sequence[Arrays]) -> Arrays:
    """The arrays of several samples end to end."""
    return {
        name: np.concatenate([*chain(part[name] for part in parts), np.zeros(0, dtype)])
        for name, dtype in ARRAYS.items()
    }


def _jpeg(image: UInt8Array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
