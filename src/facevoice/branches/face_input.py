"""Aligned faces -> the input of a face network; every number comes from the bundle."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import BundleError
from facevoice.faces.sample import crop_and_resize, evenly_spaced
from facevoice.session import Session
from facevoice.types import Float32Array, UInt8Array

_MOST_VALUES: Final = 4 * 3 * 224 * 224
"""Of pictures in one run: VGG-16 needs 30 times their memory between its layers, and keeps it."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and FER2013


@dataclass(frozen=True, slots=True)
class FaceInput:
    """The input that a face network expects.

    frames: faces taken from a clip, evenly spaced; all of them where it has fewer.
    crop: left, top, right, bottom in the aligned 256x256 picture; a square.
    size: side of the network's input in pixels.
    channels: "rgb", "bgr" or "grey".
    mean, std: one per channel, of values in [0, 1].
    """

    frames: int
    crop: tuple[float, float, float, float]
    size: int
    channels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        wanted = {"rgb": 3, "bgr": 3, "grey": 1}.get(self.channels)
        if wanted is None:
            raise BundleError(f"channels must be rgb, bgr or grey, got {self.channels!r}")
        if len(self.mean) != wanted or len(self.std) != wanted:
            raise BundleError(f"mean and std must have {wanted} numbers for {self.channels}")
        if self.frames < 1 or self.size < 1 or len(self.crop) != 4:
            raise BundleError(f"frames, size or crop is not valid: {self}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FaceInput":
        """Build from a bundle's JSON."""
        try:
            return cls(
                frames=int(values["frames"]),
                crop=tuple(values["crop"]),
                size=int(values["size"]),
                channels=str(values["channels"]),
                mean=tuple(values["mean"]),
                std=tuple(values["std"]),
            )
        except KeyError as error:
            raise BundleError(f"the bundle's face input lacks {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """As a bundle's JSON holds it; ``from_dict`` reads it."""
        return {
            "frames": self.frames,
            "crop": list(self.crop),
            "size": self.size,
            "channels": self.channels,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def indices(self, count: int) -> NDArray[np.intp]:
        """Which of ``count`` faces the network sees: (M,), M <= frames."""
        return evenly_spaced(count, self.frames)

    def pictures(self, images: UInt8Array) -> Float32Array:
        """Aligned faces (T, 256, 256, 3) uint8 RGB as (T, C, size, size) float32."""
        return self.normalised(crop_and_resize(images, self.crop, self.size))

    def normalised(self, faces: UInt8Array) -> Float32Array:
        """(T, size, size, 3) uint8 RGB -> (T, C, size, size) float32."""
        pictures: Float32Array = faces.astype(np.float32) / np.float32(255)
        if self.channels == "grey":
            pictures = (pictures @ _GREY)[..., None]
        elif self.channels == "bgr":
            pictures = pictures[..., ::-1]
        scaled = (pictures - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)


def run_pictures(session: Session, pictures: Float32Array) -> Float32Array:
    """Run a network on pictures (N, C, H, W), large ones a few at a time; its output (N, D)."""
    few = max(1, _MOST_VALUES // math.prod(pictures.shape[1:]))
    starts = range(0, max(1, len(pictures)), few)
    outputs = [session.run(pictures[start : start + few])[0] for start in starts]
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
