"""Prepared folders and recipes of toy size."""

import json

import numpy as np

from facevoice.train.prepare.folder import FORMAT, open_prepared
from facevoice.train.prepare.packed import INT16_SCALE, WHOLE, pack, pack_picture, together
from facevoice.train.recipe import recipe_from
from facevoice.types import Evidence, Waveform

LABELS = ("calm", "contempt", "pain", "joy")
COUNT = 96
VOICE = recipe_from(
    {
        "name": "tiny_voice", "branch": "spectrogram_net", "net": "spectrogram_resnet", "width": 4,
        "epochs": 3, "batch_size": 16, "learning_rate": 0.01, "augment": 0.3, "mixup": 0.2,
        "test_groups": ["s5"],
        "spectrogram": {"scale": "mel", "height": 32, "width": 64, "time": "window"},
    },
    "test",
)  # fmt: skip


def write_folder(folder, parts, rows, *, labels=LABELS, columns="id,label,split,group"):
    """A prepared folder of packed samples; rows: of the table of samples, one per part."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in together(parts).items():
        np.save(folder / f"{name}.npy", array)
    (folder / "samples.csv").write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    meta = {
        "format": FORMAT, "labels": labels, "corpus": folder.name, "licence": "none",
        "citation": "none", "count": len(rows), "dropped": {},
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(meta))
    return open_prepared(folder)


def write_prepared(folder, parts):
    """COUNT packed samples of six speakers, with four labels in turn."""
    rows = [f"{i},{LABELS[i % 4]},train,s{i % 6}" for i in range(COUNT)]
    return write_folder(folder, parts, rows)


def shown(image, place=WHOLE):
    """A picture of a face alone, packed."""
    return pack_picture(image, place)


def heard(samples):
    """(N,) int16 at 16 kHz, packed as speech."""
    speech = Waveform(samples.astype(np.float32) / np.float32(INT16_SCALE), 16000)
    spans = np.array([[0.0, speech.stop_seconds]])
    missing = {"face": "no_video_stream"}
    return pack(Evidence(None, speech, 0.0, speech.stop_seconds, spans, missing=missing))
