"""A prepared folder of clips made on the spot: a bright band and a pitch tell the label."""

import json

import numpy as np

from facevoice.train.prepare.clip_file import pack_clip
from facevoice.train.prepare.folder import FORMAT, open_prepared
from facevoice.types import Evidence, FaceTrack, Waveform

LABELS = ("calm", "contempt", "pain", "joy")
COUNT = 48
GROUPS = 6


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
    (folder / "clips").mkdir(parents=True)
    rows = ["id,label,split,group,source,file,missing_face,missing_voice"]
    for number in range(count):
        face, voice = number not in faceless, number not in voiceless
        evidence = toy_evidence(number, face=face, voice=voice)
        np.savez(folder / "clips" / f"{number}.npz", **pack_clip(evidence))
        codes = f"{'' if face else 'no_face'},{'' if voice else 'no_speech'}"
        group = f"s{number // 4 % GROUPS}"
        rows.append(f"c{number},{LABELS[number % 4]},,{group},x,clips/{number}.npz,{codes}")
    (folder / "samples.csv").write_text("\n".join(rows) + "\n")
    meta = {
        "format": FORMAT, "content": "clips", "read_as": "clips", "labels": LABELS,
        "corpus": "toy", "licence": "none", "citation": "none", "count": count, "dropped": {},
        "rate_hz": 16000,
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(meta))
    return open_prepared(folder)
