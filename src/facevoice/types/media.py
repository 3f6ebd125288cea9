"""The content of files: labelled samples, pictures and sound."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facevoice.types.checks import Float32Array, UInt8Array, freeze_array, is_finite, require
from facevoice.types.values import Value


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a corpus; ``label`` is None if it has no label.

    ``group`` names a speaker, film or dialogue that must never be on both sides of a split.
    ``corpus`` names the corpus that it belongs to, where a folder holds several, and ``note`` is
    what its makers remark about it; "" if there is nothing to say. ``digest`` is the start of the
    SHA-256 of its content, 16 hexadecimal digits, where that is noted; see
    ``datasets.content_digest``.
    """

    id: str
    path: Path
    label: str | None
    split: str
    group: str
    corpus: str = field(default="", kw_only=True)
    note: str = field(default="", kw_only=True)
    digest: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Frame(Value):
    """A decoded picture and its presentation time.

    image: (H, W, 3) uint8 RGB, upright (the container's rotation is applied).
    time_seconds: presentation time.
    """

    image: UInt8Array
    time_seconds: float

    def __post_init__(self) -> None:
        freeze_array(self, "image", (None, None, 3), "(H, W, 3) uint8 RGB", np.uint8)
        require(self.image.size > 0, f"Frame.image holds no pixel: {self.image.shape}")
        finite = is_finite(self.time_seconds)
        require(finite, f"Frame.time_seconds must be finite, got {self.time_seconds}")

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height} at {self.time_seconds:.3f} s)"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Waveform(Value):
    """Mono sound.

    samples: (N,) float32, nominally in [-1, 1].
    rate_hz: samples per second.
    start_seconds: presentation time of the first sample.
    """

    samples: Float32Array
    rate_hz: int
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        freeze_array(self, "samples", (None,), "(N,) float32", np.float32)
        whole = is_finite(self.rate_hz) and self.rate_hz > 0 and float(self.rate_hz).is_integer()
        require(whole, f"Waveform.rate_hz must be whole samples per second, got {self.rate_hz}")
        timed = is_finite(self.start_seconds)
        require(timed, f"Waveform.start_seconds must be finite, got {self.start_seconds}")
        finite = np.isfinite(self.samples).all()
        require(finite, "Waveform.samples hold NaN or infinity: replace them by zeros")

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
