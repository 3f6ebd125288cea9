"""A prepared folder of clips made on the spot: a bright band and a pitch tell the label."""

import numpy as np

from facevoice.train.prepare.packed import pack
from facevoice.types import Evidence, FaceTrack, Waveform
from support.prepared_folders import write_folder

LABELS = ("calm", "contempt", "pain", "joy")
COUNT = 48
GROUPS = 6
ONE_BRANCH_TREE = """
name = "one"
version = "0"
description = "for a test"
licences = {{ code = "MIT", weights = "MIT", data = "none" }}
[tree]
name = "system"
members = [{{ run = "{name}" }}]
"""


def toy_evidence(number, *, face=True, voice=True):
    """Clip ``number``: label number % 4, 2-6 faces, half a second of a tone."""
    rng = np.random.default_rng(number)
    label, count = number % 4, 2 + number % 5
    images = rng.integers(0, 120, (count, 256, 256, 3), np.uint8)
    images[:, 64 * label : 64 * (label + 1)] += 130  # rows: training mirrors faces
    time = np.arange(8000) / 16000
    tone = 0.3 * np.sin(2 * np.pi * 300 * 2**label * time) + rng.normal(0, 0.01, 8000)
    missing = {} if face else {"face": "no_face"}
    missing |= {} if voice else {"voice": "no_speech"}
    return Evidence(
        faces=FaceTrack.of_images(images) if face else None,
        speech=Waveform(tone.astype(np.float32), 16000) if voice else None,
        start_seconds=0.0,
        stop_seconds=0.5,
        missing=missing,
    )


def write_clips(folder, *, count=COUNT, faceless=(), voiceless=()):
    """Write clips of up to GROUPS speakers, four each in turn; some lack a face or a voice."""
    rows, parts = [], []
    for number in range(count):
        face, voice = number not in faceless, number not in voiceless
        parts.append(pack(toy_evidence(number, face=face, voice=voice)))
        codes = f"{'' if face else 'no_face'},{'' if voice else 'no_speech'}"
        group = f"s{number // 4 % GROUPS}"
        rows.append(f"c{number},{LABELS[number % 4]},,{group},x,{codes}")
    columns = "id,label,split,group,source,missing_face,missing_voice"
    return write_folder(folder, parts, rows, columns=columns)
