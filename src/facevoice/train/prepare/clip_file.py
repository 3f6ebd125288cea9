"""One prepared clip as one small file: evidence in, the same evidence out.

A zip of arrays (``numpy.load`` reads it) without dates, so equal evidence gives equal bytes:
    jpeg, offsets   the aligned faces as JPEG one after another, (B,) uint8, and where each starts
    times, boxes, quality, track   of the faces: (T,) seconds, (T, 4) pixels, (T,), [id, seconds]
    speech, speech_start, spans    cleaned speech, (N,) int16 at ``rate_hz``; seconds
    span, people    start and stop of the clip in seconds; the most faces seen at one time
    missing         code for face and for voice, "" where they are there
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.errors import DatasetError
from facevoice.faces.sample import evenly_spaced
from facevoice.types import (
    MODALITIES,
    Evidence,
    FaceTrack,
    Float32Array,
    Modality,
    UInt8Array,
    Waveform,
)

INT16_SCALE: Final = 32767.0
JPEG_QUALITY: Final = 95


def pack_speech(samples: Float32Array) -> NDArray[np.int16]:
    """(N,) float32 -> (N,) int16; what lies outside [-1, 1] is cut."""
    clipped = np.clip(samples, -1, 1)
    return np.round(clipped * INT16_SCALE).astype(np.int16)


def pack_clip(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """The arrays of a clip's file."""
    faces, speech = evidence.faces, evidence.speech
    pictures = [] if faces is None else [_jpeg(image) for image in faces.images]
    arrays: dict[str, NDArray[Any]] = {
        "jpeg": np.frombuffer(b"".join(pictures), np.uint8),
        "offsets": np.cumsum([0, *map(len, pictures)]),
        "span": np.array([evidence.start_seconds, evidence.stop_seconds]),
        "people": np.array(evidence.people),
        "spans": evidence.speech_spans,
        "missing": np.array([evidence.missing.get(modality, "") for modality in MODALITIES]),
    }
    if faces is not None:
        arrays["times"] = faces.times_seconds
        arrays["boxes"] = faces.boxes
        arrays["quality"] = faces.quality
        arrays["track"] = np.array([faces.track_id, faces.seconds])
    if speech is not None:
        arrays["speech"] = pack_speech(speech.samples)
        arrays["speech_start"] = np.array(speech.start_seconds)
        arrays["rate_hz"] = np.array(speech.rate_hz)
    return arrays


def read_clip(path: Path) -> Evidence:
    """The evidence of a clip's file.

    Raises:
        DatasetError: the file is absent or damaged.
    """
    with _opened(path) as arrays:
        return unpack_clip({name: arrays[name] for name in arrays.files})


def read_clip_speech(path: Path) -> Waveform | None:
    """The speech of a clip's file, without reading its pictures; None if it holds none.

    Raises:
        DatasetError: the file is absent or damaged.
    """
    with _opened(path) as arrays:
        return _speech(arrays)


def read_clip_faces(path: Path, most: int, rng: np.random.Generator | None = None) -> UInt8Array:
    """``most`` faces of a clip's file, chosen as a prediction would; no other is decoded.

    rng: give only one of these, at random.
    Returns (T, 256, 256, 3) uint8 RGB with T up to ``most``.

    Raises:
        DatasetError: the file is absent or damaged, or holds no face.
    """
    with _opened(path) as arrays:
        if "times" not in arrays:
            raise DatasetError(f"the prepared clip {path} holds no face")
        offsets, jpeg = arrays["offsets"], arrays["jpeg"]
        chosen = evenly_spaced(len(offsets) - 1, most)
        if rng is not None:
            chosen = chosen[[rng.integers(len(chosen))]]
        return np.stack([_picture(jpeg[offsets[at] : offsets[at + 1]]) for at in chosen])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The clip's arrays, each read when it is asked for; what fails inside is a DatasetError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"the prepared clip {path} cannot be read ({error}): delete it and prepare again"
        ) from error


def unpack_clip(arrays: dict[str, NDArray[Any]]) -> Evidence:
    """The evidence that ``pack_clip`` packed."""
    missing: dict[Modality, Any] = {
        modality: str(code)
        for modality, code in zip(MODALITIES, arrays["missing"], strict=True)
        if code
    }
    faces = None
    if "times" in arrays:
        track_id, seconds = arrays["track"]
        faces = FaceTrack(
            images=_pictures(arrays["jpeg"], arrays["offsets"]),
            times_seconds=arrays["times"],
            boxes=arrays["boxes"],
            quality=arrays["quality"],
            track_id=int(track_id),
            seconds=float(seconds),
        )
    start, stop = arrays["span"]
    return Evidence(
        faces=faces,
        speech=_speech(arrays),
        start_seconds=float(start),
        stop_seconds=float(stop),
        speech_spans=arrays["spans"],
        missing=missing,
        people=int(arrays["people"]),
    )


def _speech(arrays: Mapping[str, NDArray[Any]]) -> Waveform | None:
    if "speech" not in arrays:
        return None
    samples = arrays["speech"].astype(np.float32) / np.float32(INT16_SCALE)
    return Waveform(samples, int(arrays["rate_hz"]), float(arrays["speech_start"]))


def _jpeg(image: UInt8Array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _pictures(jpeg: NDArray[np.uint8], offsets: NDArray[np.int64]) -> UInt8Array:
    return np.stack([_picture(jpeg[start:stop]) for start, stop in pairwise(offsets)])


def _picture(jpeg: NDArray[np.uint8]) -> UInt8Array:
    with Image.open(io.BytesIO(jpeg.tobytes())) as image:
        return np.asarray(image.convert("RGB"))
