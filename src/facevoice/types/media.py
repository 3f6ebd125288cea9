"""What a file holds: a labelled sample, a picture, a sound."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevoice.types.checks import (
    Float32Array,
    UInt8Array,
    describe,
    frozen_array,
    require,
    set_field,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled item of a corpus.

    ``group`` names who must never stand on both sides of a split: a speaker, a film, a dialogue.
    """

    id: str
    path: Path
    label: str | None
    split: str
    group: str


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A decoded picture and when it is shown.

    image: (H, W, 3) uint8 RGB, upright (the container's rotation is applied).
    time_seconds: presentation time.
    """

    image: UInt8Array
    time_seconds: float

    def __post_init__(self) -> None:
        ok = self.image.ndim == 3 and self.image.shape[2] == 3 and self.image.dtype == np.uint8
        require(ok, f"Frame.image must be (H, W, 3) uint8 RGB, got {describe(self.image)}")
        set_field(self, "image", frozen_array(self.image))

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height} at {self.time_seconds:.3f} s)"


@dataclass(frozen=True, slots=True, repr=False)
class Waveform:
    """Mono sound.

    samples: (N,) float32, nominally in [-1, 1].
    rate_hz: samples per second.
    start_seconds: presentation time of the first sample.
    """

    samples: Float32Array
    rate_hz: int
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        ok = self.samples.ndim == 1 and self.samples.dtype == np.float32
        require(ok, f"Waveform.samples must be (N,) float32, got {describe(self.samples)}")
        require(self.rate_hz > 0, f"Waveform.rate_hz must be positive, got {self.rate_hz}")
        finite = bool(np.isfinite(self.samples).all())
        require(finite, "Waveform.samples hold NaN or infinity: replace them by zeros")
        set_field(self, "samples", frozen_array(self.samples))

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    @property
    def stop_seconds(self) -> float:
        """Presentation time just after the last sample."""
        return self.start_seconds + self.duration_seconds

    def __repr__(self) -> str:
        return (
            f"Waveform({self.duration_seconds:.3f} s at {self.rate_hz} Hz"
            f" from {self.start_seconds:.3f} s)"
        )
