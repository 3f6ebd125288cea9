"""One sample -> its evidence, or its picture of a face. Runs in the worker processes.

A sample that cannot be used gives an ``Unusable`` with the reason; nothing is skipped silently.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from facevoice import media
from facevoice.datasets import Content, Corpus
from facevoice.datasets.afew import FaceFolder
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
    MissingCode,
    Modality,
    Sample,
    UInt8Array,
    Waveform,
)
from facevoice.types.suffixes import PICTURE_SUFFIXES

_BAD_PICTURE = (UnidentifiedImageError, OSError, ValueError, SyntaxError)  # as Pillow raises


@dataclass(frozen=True, slots=True)
class Unusable:
    """A sample that is left out: a reason that can be counted, and what exactly was found."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    threads: of the networks; None: all cores.
    audio_track: number of the sound track, from 0; None: the main one.
    """

    threads: int | None = None
    audio_track: int | None = None


@cache
def _reader(threads: int | None) -> EvidenceReader:
    return EvidenceReader(threads=threads)


@cache
def _detector(threads: int | None) -> Mtcnn:
    return Mtcnn(threads=threads)


@cache
def _voice() -> SileroVoice:
    return SileroVoice()


def evidence_of(sample: Sample, corpus: Corpus, reading: Reading) -> Evidence | Unusable:
    """The evidence of a sample; Unusable if it cannot be read or holds neither face nor speech."""
    try:
        evidence = _GATHER[corpus.content](sample, corpus, reading)
    except FacevoiceError as error:
        return Unusable(f"file: {error.kind}", str(error))
    if isinstance(evidence, Evidence) and evidence.faces is None and evidence.speech is None:
        codes = ", ".join(evidence.missing.values())
        return Unusable(f"neither face nor speech: {codes}", str(sample.path))
    return evidence


def _of_clip(sample: Sample, _corpus: Corpus, reading: Reading) -> Evidence:
    reader = _reader(reading.threads)
    return joined(list(reader.clip(sample.path, audio_track=reading.audio_track)))


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


def _of_crops(sample: Sample, _corpus: Corpus, reading: Reading) -> Evidence:
    """Evidence of a video whose whole picture is the face, sampled as often as any other."""
    path = sample.path
    info = media.probe(path, reading.audio_track)
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
    waveform = media.read_waveform(path, rate_hz=SPEECH_RATE_HZ, audio_track=reading.audio_track)
    speech = find_speech(waveform, _voice())
    return _together(images, times, box, length, (plan.start, stop), speech)


def _of_folder(sample: Sample, _corpus: Corpus, reading: Reading) -> Evidence:
    """Evidence of a folder of aligned faces, spread evenly over the sound's length if there is one.

    Without sound the pictures count as 25 a second, the rate of film and of AFEW.
    """
    sound = sample.sound if isinstance(sample, FaceFolder) else None
    waveform = None
    if sound is not None:
        waveform = media.read_waveform(
            sound, rate_hz=SPEECH_RATE_HZ, audio_track=reading.audio_track
        )
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


def _of_photograph(sample: Sample, corpus: Corpus, reading: Reading) -> Evidence | Unusable:
    """Evidence of a photograph: its largest face, aligned."""
    picture = _read_picture(sample, corpus)
    if isinstance(picture, Unusable):
        return picture
    colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    faces = _detector(reading.threads)(colour)
    if not faces:
        return Unusable("no face found", str(sample.path))
    face = max(faces, key=prominence)
    track = FaceTrack(
        images=align(colour, face.landmarks, ALIGNED_SIZE)[None],
        times_seconds=np.zeros(1),
        boxes=face.box[None],
        quality=np.array([face.confidence], np.float32),
        landmarks=face.landmarks[None],
        seconds=1.0,
    )
    return Evidence(track, None, 0.0, 0.0, missing={"voice": "no_audio_stream"}, people=len(faces))


def _of_speech(sample: Sample, _corpus: Corpus, reading: Reading) -> Evidence | Unusable:
    """Evidence of the speech of a file alone."""
    waveform = media.read_waveform(
        sample.path, rate_hz=SPEECH_RATE_HZ, audio_track=reading.audio_track
    )
    speech = find_speech(waveform, _voice())
    if waveform is None or speech.waveform is None:
        return Unusable(f"speech: {speech.missing}", str(sample.path))
    span = waveform.start_seconds, waveform.stop_seconds
    return _together([], [], (0.0, 0.0, 0.0, 0.0), 0.0, span, speech)


_GATHER: Final[Mapping[Content, Callable[[Sample, Corpus, Reading], Evidence | Unusable]]] = {
    "clips": _of_clip,
    "face_crops": _of_crops,
    "face_folders": _of_folder,
    "pictures": _of_photograph,
    "speech": _of_speech,
}


def picture_of(sample: Sample, corpus: Corpus) -> UInt8Array | Unusable:
    """A picture that shows nothing but a face: its middle square, at most 256 pixels wide.

    Returns (H, H) or (H, H, 3) uint8.
    """
    picture = _read_picture(sample, corpus)
    if isinstance(picture, Unusable):
        return picture
    return sized(picture, min(ALIGNED_SIZE, *picture.shape[:2]))


def sized(picture: UInt8Array, side: int) -> UInt8Array:
    """(H, W[, 3]) -> (side, side[, 3]): the middle square, resized."""
    height, width = picture.shape[:2]
    if (height, width) == (side, side):
        return picture
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = Image.fromarray(picture[top : top + edge, left : left + edge])
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))


def _read_picture(sample: Sample, corpus: Corpus) -> UInt8Array | Unusable:
    try:
        if corpus.read is not None:
            return corpus.read(sample)
        picture = media.read_still(sample.path, keep_grey=True)
    except (FacevoiceError, *_BAD_PICTURE) as error:
        return Unusable("picture cannot be decoded", f"{sample.path}: {error}")
    if picture is None:
        return Unusable("picture cannot be decoded", f"{sample.path}: no known picture format")
    return picture
