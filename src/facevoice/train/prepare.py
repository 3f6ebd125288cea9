"""Corpus folder -> prepared folder: decode and clean each sample once, as prediction does."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from facevoice import media
from facevoice.datasets import Corpus
from facevoice.errors import DatasetError, FacevoiceError
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice, find_speech
from facevoice.train.prepared import FORMAT, INT16_SCALE, Prepared, open_prepared
from facevoice.types import Sample, UInt8Array
from facevoice.writing import replacing

Progress = Callable[[int, int], None]
_CHUNK: Final = 8


def prepare(
    corpus: Corpus, root: Path, output: Path, *, workers: int = 1, progress: Progress | None = None
) -> Prepared:
    """Prepare a corpus; samples that cannot be used are counted by reason and left out.

    Raises:
        DatasetError: the layout is another, or no sample could be used.
    """
    found = corpus.find(root)
    dropped = dict(found.dropped)
    kept: list[Sample] = []
    arrays: list[np.ndarray] = []
    read = _read_image if corpus.content == "face_images" else _read_speech
    results = _mapped(read, found.samples, workers)
    for count, (sample, result) in enumerate(zip(found.samples, results, strict=True), start=1):
        if isinstance(result, str):
            dropped[result] = dropped.get(result, 0) + 1
        else:
            kept.append(sample)
            arrays.append(result)
        if progress is not None:
            progress(count, len(found.samples))
    if not kept:
        raise DatasetError(
            f"{corpus.name}: none of {len(found.samples)} samples is usable: {dropped}"
        )
    _write(corpus, output, kept, arrays, dropped)
    return open_prepared(output)


def _mapped(
    read: Callable[[Sample], np.ndarray | str], samples: tuple[Sample, ...], workers: int
) -> Iterator[np.ndarray | str]:
    if workers == 1:
        yield from map(read, samples)
        return
    os.environ["FACEVOICE_THREADS"] = "1"  # a worker a core, not workers x cores threads
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(read, samples, chunksize=_CHUNK)


def _read_image(sample: Sample) -> UInt8Array | str:
    try:
        with Image.open(sample.path) as image:
            mode = "L" if image.mode in {"L", "1", "I;16"} else "RGB"
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, OSError):
        return "picture cannot be decoded"


_detector: SileroVoice | None = None  # one a process: loading it costs more than a clip


def _read_speech(sample: Sample) -> np.ndarray | str:
    global _detector  # noqa: PLW0603 - see above
    if _detector is None:
        _detector = SileroVoice()
    try:
        waveform = media.read_waveform(sample.path, rate_hz=SPEECH_RATE_HZ)
    except FacevoiceError as error:
        return f"sound: {error.kind}"
    speech = find_speech(waveform, _detector)
    if speech.waveform is None:
        return f"speech: {speech.missing}"
    clipped = np.clip(speech.waveform.samples, -1, 1)
    return np.round(clipped * INT16_SCALE).astype(np.int16)


def _write(
    corpus: Corpus,
    output: Path,
    samples: list[Sample],
    arrays: list[np.ndarray],
    dropped: dict[str, int],
) -> None:
    if corpus.content == "face_images":
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise DatasetError(f"{corpus.name}: pictures differ in size: {sorted(shapes)[:4]}")
        _save(output / "images.npy", np.stack(arrays))
    else:
        lengths = [len(array) for array in arrays]
        _save(output / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        _save(output / "speech.npy", np.concatenate(arrays))
    with (
        replacing(output / "samples.csv") as path,
        path.open("w", newline="", encoding="utf-8") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["id", "label", "split", "group"])
        table.writerows([item.id, item.label, item.split, item.group] for item in samples)
    meta = {
        "format": FORMAT,
        "corpus": corpus.name,
        "content": corpus.content,
        "labels": list(corpus.labels),
        "licence": corpus.licence,
        "citation": corpus.citation,
        "count": len(samples),
        "dropped": dropped,
        "rate_hz": SPEECH_RATE_HZ if corpus.content == "speech" else None,
    }
    with replacing(output / "prepared.json") as path:  # last: its presence says that all is there
        path.write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)
