"""Prepared data: a corpus decoded, cleaned and packed once, so that training reads arrays alone.

A prepared folder holds
    prepared.json  corpus, content, labels, licence, citation, counts, what was dropped, leaks
    samples.csv    id, label, split, group, source: one row a sample, in the order of the arrays;
                   for content "clips" also file, missing_face, missing_voice
    dropped.csv    file, reason, detail: everything that was left out
    clips/         content "clips": the evidence of each sample (see clipfile)
    images.npy     content "face_images": (N, H, W) or (N, H, W, 3) uint8
    speech.npy     content "speech": all cleaned speech at 16 kHz end to end, (S,) int16
    offsets.npy    content "speech": (N + 1,) int64, where each sample's speech starts in it
    settings.json  what a restart must agree with
    contact_sheet.jpg  a face of each of the first samples, to check by eye
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import DatasetError
from facevoice.faces.sample import Box, place_crops
from facevoice.train.prepare.clip_file import (
    INT16_SCALE,
    read_clip,
    read_clip_faces,
    read_clip_speech,
)
from facevoice.types import ALIGNED_SIZE, Evidence, FaceTrack, Float32Array, Waveform

FORMAT: Final = 2
_READABLE: Final = (1, 2)  # format 1 lacks clips, leaks and the columns source and file
_WHOLE: Final[Box] = (0.0, 0.0, float(ALIGNED_SIZE), float(ALIGNED_SIZE))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared folder, opened: arrays are memory-mapped, never copied whole.

    labels: names; y: (N,) int64 indices into them.
    ids, splits, groups: N strings each.
    files: of content "clips" the N files of evidence, relative to the folder; else empty.
    missing_face: of content "clips" why a clip shows no face, "" where it does; else empty.
    """

    folder: Path
    meta: dict[str, Any]
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    groups: tuple[str, ...]
    y: NDArray[np.int64]
    files: tuple[str, ...] = ()
    missing_face: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set, in order."""
        return tuple(self.meta["labels"])

    @property
    def content(self) -> str:
        """What it holds: "clips", "face_images" or "speech"."""
        return str(self.meta["content"])

    @property
    def leaks(self) -> tuple[dict[str, Any], ...]:
        """Groups and contents on several sides of the split, which somebody has allowed."""
        return tuple(self.meta.get("leaks", ()))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sample table and of the settings that made the arrays."""
        digest = hashlib.sha256((self.folder / "samples.csv").read_bytes())
        digest.update((self.folder / "prepared.json").read_bytes())
        return digest.hexdigest()

    def images(self) -> NDArray[np.uint8]:
        """(N, H, W) or (N, H, W, 3) uint8, memory-mapped."""
        images: NDArray[np.uint8] = np.load(self.folder / "images.npy", mmap_mode="r")
        return images

    def speech(self) -> list[Float32Array]:
        """N arrays (S_i,) float32 in [-1, 1] at 16 kHz."""
        samples = np.load(self.folder / "speech.npy", mmap_mode="r")
        offsets = np.load(self.folder / "offsets.npy")
        return [
            np.asarray(samples[start:stop], np.float32) / np.float32(INT16_SCALE)
            for start, stop in pairwise(offsets)
        ]

    def speeches(self) -> list[Waveform | None]:
        """N waveforms, None where a clip has no speech; of clips no picture is read.

        Raises:
            DatasetError: the folder holds pictures, or a clip's file is damaged.
        """
        if self.content == "clips":
            return [read_clip_speech(self.folder / file) for file in self.files]
        if self.content != "speech":
            raise DatasetError(f"{self.folder} holds {self.content}, no speech")
        rate = int(self.meta["rate_hz"])
        return [Waveform(samples, rate) for samples in self.speech()]

    def has_face(self) -> NDArray[np.bool_]:
        """(N,) whether a sample shows a face."""
        if self.content == "clips":
            return np.array([not code for code in self.missing_face])
        return np.full(len(self.ids), self.content == "face_images")

    def faces(
        self, row: int, most: int, rng: np.random.Generator | None = None
    ) -> NDArray[np.uint8]:
        """Faces of a clip as a prediction chooses them, or one of these: see ``read_clip_faces``.

        Raises:
            DatasetError: the folder holds no clips, or the clip's file is damaged or has no face.
        """
        self._check_clips()
        return read_clip_faces(self.folder / self.files[row], most, rng)

    def _check_clips(self) -> None:
        if not self.files:
            raise DatasetError(f"{self.folder} holds {self.content}, no clips")

    def evidence(self, row: int) -> Evidence:
        """The evidence of one clip (content "clips").

        Raises:
            DatasetError: the folder holds no clips, or the clip's file is damaged.
        """
        self._check_clips()
        return read_clip(self.folder / self.files[row])

    def evidences(
        self, rows: Iterable[int] | None = None, *, box: Box | None = None
    ) -> Iterator[tuple[int, Evidence]]:
        """Rows (all by default) with their evidence, rebuilt as a predictor would see it.

        Pictures and sounds give evidence of one modality: a track of one face, or speech.

        box: where in an aligned 256x256 picture the stored pictures lie (the branch's crop);
            None: they fill it. Only content "face_images" reads it.
        """
        rows = range(len(self.ids)) if rows is None else rows
        if self.content == "clips":
            for row in rows:
                yield row, self.evidence(row)
        elif self.content == "face_images":
            images = self.images()
            for row in rows:
                yield row, _seen(np.asarray(images[row]), box if box is not None else _WHOLE)
        else:
            speech, rate = self.speech(), int(self.meta["rate_hz"])
            for row in rows:
                yield row, _heard(Waveform(speech[row], rate))


def _seen(image: NDArray[np.uint8], box: Box) -> Evidence:
    """The evidence of a picture that lies in ``box``: around it, its edges are repeated."""
    faces = FaceTrack.of_images(place_crops(image[None], box))
    return Evidence(faces, None, 0.0, 0.0, missing={"voice": "no_audio_stream"}, people=1)


def _heard(speech: Waveform) -> Evidence:
    stop = speech.stop_seconds
    spans = np.array([[0.0, stop]])
    return Evidence(None, speech, 0.0, stop, spans, missing={"face": "no_video_stream"})


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared folder.

    Raises:
        DatasetError: the folder or one of its files is absent, or of another format.
    """
    try:
        meta = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        with (folder / "samples.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder} is no prepared folder ({Path(error.filename).name} is absent): make one with"
            " 'facevoice prepare CORPUS --root FOLDER -o FOLDER'"
        ) from None
    if meta.get("format") not in _READABLE:
        known = ", ".join(map(str, _READABLE))
        raise DatasetError(
            f"{folder} has format {meta.get('format')!r}, this version reads {known}"
        )
    clips = meta["content"] == "clips"
    index = {label: k for k, label in enumerate(meta["labels"])}
    return Prepared(
        folder=folder,
        meta=meta,
        ids=tuple(row["id"] for row in rows),
        splits=tuple(row["split"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        y=np.array([index[row["label"]] for row in rows], np.int64),
        files=tuple(row["file"] for row in rows) if clips else (),
        missing_face=tuple(row["missing_face"] for row in rows) if clips else (),
    )
