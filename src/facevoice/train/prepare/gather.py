"""One sample -> what is kept of it: evidence, a picture, or speech. Runs in the worker processes.

A sample that cannot be used gives an ``Unusable`` with the reason; nothing is passed over silently.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from facevoice import media
from facevoice.datasets import Content, Corpus
from facevoice.datasets.afew import FaceFolder
from facevoice.datasets.corpus import PICTURE_SUFFIXES
from facevoice.errors import FacevoiceError
from facevoice.evidence import EvidenceReader, clip_plan
from facevoice.faces.align import align
from facevoice.faces.detect import prominence
from facevoice.faces.mtcnn import Mtcnn
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice, Speech, find_speech
from facevoice.types import (
    ALIGNED_SIZE,
    Evidence,
    FaceTrack,
    Float32Array,
    MissingCode,
    Modality,
    Sample,
    UInt8Array,
    Waveform,
)

_BAD_PICTURE = (UnidentifiedImageError, OSError, ValueError, SyntaxError)  # as Pillow raises


@dataclass(frozen=True, slots=True)
class Unusable:
    """A sample that is left out: a reason that can be counted, and what exactly was found."""

    reason: str
    detail: str


@cache
def _reader(threads: int | None) -> EvidenceReader:
    return EvidenceReader(threads=threads)


@cache
def _detector(threads: int | None) -> Mtcnn:
    return Mtcnn(threads=threads)


@cache
def _voice() -> SileroVoice:
    return SileroVoice()


def evidence_of(sample: Sample, content: Content, threads: int | None) -> Evidence | Unusable:
    """The evidence of a clip; Unusable if it cannot be read or holds neither face nor speech."""
    try:
        if content == "clips":
            evidence = joined(list(_reader(threads).clip(sample.path)))
        elif content == "face_crops":
            evidence = _of_crops(sample.path)
        else:
            evidence = _of_folder(sample)
    except FacevoiceError as error:
        return Unusable(f"file: {error.kind}", str(error))
    if evidence.faces is None and evidence.speech is None:
        codes = ", ".join(evidence.missing.values())
        return Unusable(f"neither face nor speech: {codes}", str(sample.path))
    return evidence


def joined(windows: list[Evidence]) -> Evidence:
    """The evidence of a long clip's windows as one: its label holds for the whole.

    The faces are those of each window's main person; a modality is missing only if it is so in
    every window, then for the first one's reason.
    """
    if len(windows) == 1:
        return windows[0]
    tracks = [window.faces for window in windows if window.faces is not None]
    sounds = [window.speech for window in windows if window.speech is not None]
    faces = speech = None
    missing: dict[Modality, MissingCode] = dict(windows[0].missing)
    if tracks:
        missing.pop("face", None)
        faces = FaceTrack(
            images=np.concatenate([track.images for track in tracks]),
            times_seconds=np.concatenate([track.times_seconds for track in tracks]),
            boxes=np.concatenate([track.boxes for track in tracks]),
            quality=np.concatenate([track.quality for track in tracks]),
            track_id=tracks[0].track_id,
            seconds=math.fsum(track.seconds for track in tracks),
        )
    if sounds:
        missing.pop("voice", None)
        samples = np.concatenate([sound.samples for sound in sounds])
        speech = Waveform(samples, sounds[0].rate_hz, sounds[0].start_seconds)
    return Evidence(
        faces=faces,
        speech=speech,
        start_seconds=windows[0].start_seconds,
        stop_seconds=windows[-1].stop_seconds,
        speech_spans=np.concatenate([window.speech_spans for window in windows]),
        missing=missing,
        people=max(window.people for window in windows),
    )


def _of_crops(path: Path) -> Evidence:
    """Evidence of a video whose whole picture is the face, sampled as often as any other."""
    info = media.probe(path)
    plan = clip_plan(info, None, None)
    images, times, box = [], [], (0.0, 0.0, 0.0, 0.0)
    if info.has_video:
        for frame in media.iter_frames(path, rate_hz=plan.rate_hz, start_seconds=plan.start):
            height, width = frame.image.shape[:2]
            images.append(sized(frame.image, ALIGNED_SIZE))
            times.append(frame.time_seconds)
            box = (0.0, 0.0, float(width), float(height))
    length = len(images) / plan.rate_hz
    stop = plan.stop if plan.stop is not None else plan.start + length
    waveform = media.read_waveform(path, rate_hz=SPEECH_RATE_HZ)
    speech = find_speech(waveform, _voice())
    return _together(images, times, box, length, (plan.start, stop), speech)


def _of_folder(sample: Sample) -> Evidence:
    """Evidence of a folder of aligned faces, spread evenly over the sound's length if there is one.

    Without sound the pictures count as 25 a second, the rate of film and of AFEW.
    """
    sound = sample.sound if isinstance(sample, FaceFolder) else None
    waveform = None
    if sound is not None:
        waveform = media.read_waveform(sound, rate_hz=SPEECH_RATE_HZ)
    paths = sorted(
        path for path in sample.path.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES
    )
    images = [
        sized(frame.image, ALIGNED_SIZE) for path in paths for frame in media.iter_frames(path)
    ]
    start, length = 0.0, len(images) / 25
    if waveform is not None and len(waveform.samples):
        start, length = waveform.start_seconds, waveform.duration_seconds
    times = [start + length * number / len(images) for number in range(len(images))]
    whole = (0.0, 0.0, float(ALIGNED_SIZE), float(ALIGNED_SIZE))
    speech = find_speech(waveform, _voice())
    return _together(images, times, whole, length, (start, start + length), speech)


def _together(
    images: list[UInt8Array],
    times: list[float],
    box: tuple[float, float, float, float],
    seconds: float,
    span: tuple[float, float],
    speech: Speech,
) -> Evidence:
    missing: dict[Modality, MissingCode] = {}
    faces = None
    if images:
        faces = FaceTrack(
            images=np.stack(images),
            times_seconds=np.array(times),
            boxes=np.tile(np.array(box, np.float32), (len(images), 1)),
            quality=np.ones(len(images), np.float32),
            seconds=seconds,
        )
    else:
        missing["face"] = "no_video_stream"
    if speech.missing is not None:
        missing["voice"] = speech.missing
    return Evidence(
        faces=faces,
        speech=speech.waveform,
        start_seconds=span[0],
        stop_seconds=span[1],
        speech_spans=speech.spans,
        missing=missing,
        people=int(bool(images)),
    )


def picture_of(
    sample: Sample, corpus: Corpus, size: int | None, threads: int | None
) -> UInt8Array | Unusable:
    """A picture of a face: as it is, or for photographs with the largest face aligned.

    size: side of the result; None leaves it as it is (256 where it is aligned).
    Returns (H, W) or (H, W, 3) uint8.
    """
    try:
        picture = corpus.read(sample) if corpus.read is not None else _read_picture(sample.path)
    except _BAD_PICTURE as error:
        return Unusable("picture cannot be decoded", f"{sample.path}: {error}")
    if corpus.content == "pictures":
        colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        faces = _detector(threads)(colour)
        if not faces:
            return Unusable("no face found", str(sample.path))
        picture = align(colour, max(faces, key=prominence).landmarks, ALIGNED_SIZE)
    return picture if size is None else sized(picture, size)


def speech_of(sample: Sample) -> Float32Array | Unusable:
    """The speech of a file alone, (N,) float32 at 16 kHz."""
    try:
        waveform = media.read_waveform(sample.path, rate_hz=SPEECH_RATE_HZ)
    except FacevoiceError as error:
        return Unusable(f"sound: {error.kind}", str(error))
    speech = find_speech(waveform, _voice())
    if speech.waveform is None:
        return Unusable(f"speech: {speech.missing}", str(sample.path))
    return speech.waveform.samples


def sized(picture: UInt8Array, side: int) -> UInt8Array:
    """(H, W[, 3]) -> (side, side[, 3]): the middle square, resized."""
    height, width = picture.shape[:2]
    if (height, width) == (side, side):
        return picture
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = Image.fromarray(picture[top : top + edge, left : left + edge])
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))


def _read_picture(path: Path) -> UInt8Array:
    with Image.open(path) as image:
        mode = "L" if image.mode in {"L", "1", "I;16"} else "RGB"
        return np.asarray(image.convert(mode))
