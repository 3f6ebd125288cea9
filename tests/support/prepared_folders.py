"""Prepared folders and recipes of toy size."""

import json

import numpy as np

from facevoice.train.prepare.folder import FORMAT, open_prepared
from facevoice.train.recipe import recipe_from

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


def write_prepared(folder, content, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    rows = [f"{i},{LABELS[i % 4]},train,s{i % 6}" for i in range(COUNT)]
    (folder / "samples.csv").write_text("\n".join(["id,label,split,group", *rows]) + "\n")
    meta = {
        "format": FORMAT, "content": content, "labels": LABELS, "corpus": folder.name,
        "licence": "none", "citation": "none", "count": COUNT, "dropped": {}, "rate_hz": 16000,
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(meta))
    return open_prepared(folder)
