"""The evidence of one prepared folder, read from memory maps a sample at a time."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facevoice.errors import DatasetError
from facevoice.faces.sample import Box, evenly_spaced, place_crops
from facevoice.train.prepare.packed import ARRAYS, INT16_SCALE, WHOLE, Arrays
from facevoice.types import MODALITIES, Evidence, FaceTrack, UInt8Array, Waveform


class Store:
    """A prepared folder's arrays (see ``packed``), memory-mapped: nothing is copied as a whole.

    samples: (N,), one record per sample.

    Raises:
        DatasetError: a file is absent or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._arrays = {name: _mapped(folder / f"{name}.npy") for name in ARRAYS}
        self.samples, self._face_rows = self._arrays["samples"], self._arrays["faces"]
        self._starts = {name: _starts(self.samples[name]) for name in ("faces", "spans", "speech")}
        self._starts["pictures"] = _starts(self._face_rows["bytes"])

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.folder,)  # another process maps the files itself

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sample table and of the settings that made the arrays."""
        digest = hashlib.sha256((self.folder / "samples.csv").read_bytes())
        digest.update((self.folder / "prepared.json").read_bytes())
        return digest.hexdigest()

    def evidence(self, row: int) -> Evidence:
        """The evidence of one sample, as a prediction sees it.

        A picture that was stored as it came lies in the aligned picture again; around it, its edges
        are repeated.

        Raises:
            DatasetError: a picture is damaged.
        """
        sample = self.samples[row]
        codes = dict(zip(MODALITIES, sample["missing"].tolist(), strict=True))
        spans = self._own("spans", row)
        return Evidence(
            faces=self._track(row) if sample["faces"] else None,
            speech=self.speech(row),
            start_seconds=float(sample["start"]),
            stop_seconds=float(sample["stop"]),
            speech_spans=np.stack([spans["start"], spans["stop"]], axis=1),
            missing={modality: code for modality, code in codes.items() if code},
            people=int(sample["people"]),
        )

    def _track(self, row: int) -> FaceTrack:
        faces, sample = self._own("faces", row), self.samples[row]
        images, place = self.pictures(row, len(faces))
        if place != WHOLE or images.shape[1:3] != (WHOLE[2], WHOLE[3]):
            images = place_crops(images, place)
        return FaceTrack(
            images=images,
            times_seconds=faces["time"],
            boxes=faces["box"],
            quality=faces["quality"],
            landmarks=faces["landmarks"],
            track_id=int(sample["track"]),
            seconds=float(sample["face_seconds"]),
        )

    def pictures(
        self, row: int, most: int, rng: np.random.Generator | None = None
    ) -> tuple[UInt8Array, Box]:
        """Up to ``most`` stored pictures of a sample, chosen as a prediction chooses its faces.

        rng: give only one of them, at random.
        Returns (T, H, W, 3) uint8 RGB, and their place in the aligned 256x256 picture.

        Raises:
            DatasetError: the sample shows no face, or a picture is damaged.
        """
        first, last = self._starts["faces"][row : row + 2]
        if first == last:
            raise DatasetError(f"{self.folder}: sample {row} shows no face")
        chosen = first + evenly_spaced(int(last - first), most)
        if rng is not None:
            chosen = chosen[[rng.integers(len(chosen))]]
        left, top, right, bottom = self._face_rows["place"][first].tolist()
        return np.stack([self._picture(face) for face in chosen]), (left, top, right, bottom)

    def _picture(self, face: int) -> UInt8Array:
        stored = self._own("pictures", face)
        shape = self._face_rows["shape"][face]
        if shape[0]:
            picture: UInt8Array = stored.reshape(shape)
            return picture if shape[2] == 3 else np.repeat(picture, 3, axis=2)
        try:
            with Image.open(io.BytesIO(stored.tobytes())) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:  # as Pillow raises
            raise _damaged(self.folder / "pictures.npy", error) from error

    def speech(self, row: int) -> Waveform | None:
        """The speech of a sample; None if it has none."""
        sample = self.samples[row]
        if not sample["speech"]:
            return None
        samples = self._own("speech", row).astype(np.float32) / np.float32(INT16_SCALE)
        return Waveform(samples, int(sample["rate_hz"]), float(sample["speech_start"]))

    def arrays(self, first: int, last: int) -> Arrays:
        """The arrays of the samples first to last, the last one excluded."""
        found = {"samples": self.samples[first:last]}
        for name in ("faces", "spans", "speech"):
            starts = self._starts[name]
            found[name] = self._arrays[name][starts[first] : starts[last]]
        faces, pictures = self._starts["faces"], self._starts["pictures"]
        start, stop = pictures[faces[first]], pictures[faces[last]]
        return found | {"pictures": self._arrays["pictures"][start:stop]}

    def _own(self, name: str, row: int) -> NDArray[Any]:
        start, stop = self._starts[name][row : row + 2]
        return self._arrays[name][start:stop]


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) -> (N + 1,): where each one's rows start, and the end of the last one's."""
    return np.concatenate([[0], np.cumsum(counts)])


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({error}): delete the folder and prepare it again")
