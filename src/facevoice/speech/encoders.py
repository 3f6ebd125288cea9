"""Features of speech by networks that have learnt to recognise words: their early layers, pooled.

Early layers of speech encoders hold how something is said beside what is said. The features of an
utterance are the mean and then the deviation over time of each chosen layer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np

from facevoice.errors import BundleError
from facevoice.session import Session, shipped_model
from facevoice.speech.log_mel import LOG_MEL_HOP, log_mel
from facevoice.speech.voice import SPEECH_RATE_HZ, require_speech_rate
from facevoice.types import Float32Array, Waveform
from facevoice.types.checks import set_field

Reads = Literal["log_mel", "samples"]
LONGEST_SECONDS: Final = 8.0
"""The longest piece that the networks read at once: 800 columns, the most for Whisper's part."""

_MODELS: Final = Path(__file__).parent / "models"
_LEVEL: Final = np.float32(0.1)  # root mean square of what a network of samples reads
_Asked = tuple[Waveform, int, float]
_LATEST: Final[WeakKeyDictionary[Session, tuple[_Asked, list[Float32Array]]]] = WeakKeyDictionary()
_SHORTEST: Final = 895  # samples: Moonshine's three convolutions need as many


@dataclass(frozen=True, slots=True)
class EncoderPart:
    """Which network to use and what of it, as a node of bundle.json says.

    file: its name in the bundle or among the shipped parts.
    reads: "log_mel": (1, 80, T) float32, see ``log_mel``; "samples": (1, N) float32, brought to a
        root mean square of 0.1. Neither depends on the gain of the recording.
    layers: its outputs to pool, (1, steps, width) each, in the order of the features.

    Raises BundleError if a value is not one of these.
    """

    file: str
    reads: Reads
    layers: Sequence[str]

    def __post_init__(self) -> None:
        if self.reads not in get_args(Reads):
            known = " or ".join(get_args(Reads))
            raise BundleError(f"encoder {self.file}: it reads {known}, not {self.reads!r}")
        if not (isinstance(self.layers, list | tuple) and self.layers):
            raise BundleError(f"encoder {self.file}: layers must name its outputs")
        set_field(self, "layers", tuple(self.layers))

    def to_dict(self) -> dict[str, Any]:
        """An item of ``encoders`` in a node."""
        return asdict(self) | {"layers": list(self.layers)}

    @classmethod
    def of_dict(cls, item: Mapping[str, Any]) -> "EncoderPart":
        """Read back what ``to_dict`` gave."""
        return cls(item["file"], item["reads"], item["layers"])


SHIPPED_ENCODERS: Final = (
    EncoderPart("speech_encoder.onnx", "log_mel", ("block_1", "block_2")),
    EncoderPart("moonshine_encoder.onnx", "samples", ("layer_1", "layer_2")),
)
"""smart-turn's Whisper tiny, two blocks of 384, and Moonshine tiny, two layers of 288."""


@dataclass(frozen=True, slots=True, repr=False)
class Encoder:
    """A part and its network."""

    part: EncoderPart
    session: Session

    def states(
        self, waveform: Waveform, first: int = 0, *, piece_seconds: float = LONGEST_SECONDS
    ) -> list[Float32Array]:
        """The chosen layers' states, (steps, width) each, evenly spaced over the speech.

        The last speech that a network has read is remembered, for other branches that use it.

        first: the sample from which on the states are wanted; the level is that of all samples.
        piece_seconds: the network reads equal pieces of at most this length.

        Raises:
            BundleError: the network lacks one of the layers.
            InvalidInputError: the sound is not at 16 kHz.
        """
        absent = [layer for layer in self.part.layers if layer not in self.session.outputs]
        if absent:
            raise BundleError(
                f"encoder {self.part.file} has no output {', '.join(absent)};"
                f" it has {', '.join(self.session.outputs)}"
            )
        latest = _LATEST.get(self.session)
        key = waveform, first, piece_seconds
        if latest is None or latest[0][0] is not waveform or latest[0][1:] != key[1:]:
            runs = [self.session.run(piece[None]) for piece in self._pieces(*key)]
            joined = [np.concatenate(layer, axis=1)[0] for layer in zip(*runs, strict=True)]
            latest = _LATEST[self.session] = key, joined
        found = dict(zip(self.session.outputs, latest[1], strict=True))
        return [found[layer] for layer in self.part.layers]

    def _pieces(self, waveform: Waveform, first: int, seconds: float) -> list[Float32Array]:
        """What the network reads, piece by piece: (80, T) or (N,)."""
        require_speech_rate(waveform)
        samples = np.pad(waveform.samples, (0, max(0, _SHORTEST - len(waveform.samples))))
        if self.part.reads == "log_mel":
            whole, hop = log_mel(Waveform(samples, SPEECH_RATE_HZ)), LOG_MEL_HOP
        else:
            whole, hop = _levelled(samples), 1
        wanted = whole[..., first // hop :]
        count = math.ceil(wanted.shape[-1] * hop / (seconds * SPEECH_RATE_HZ))
        return [np.ascontiguousarray(piece) for piece in np.array_split(wanted, count, axis=-1)]

    def __repr__(self) -> str:
        return f"Encoder({self.part.file}: {', '.join(self.part.layers)})"


def shipped_encoders(*, threads: int | None = 1) -> tuple[Encoder, ...]:
    """``SHIPPED_ENCODERS``, loaded and checked against the manifest.

    Raises:
        BundleError: a network is missing.
        HashMismatchError: a network is not the one that was shipped.
    """
    return tuple(
        Encoder(part, Session(shipped_model(_MODELS, part.file), threads=threads))
        for part in SHIPPED_ENCODERS
    )


def encoder_features(
    encoders: Sequence[Encoder], waveform: Waveform, *, piece_seconds: float = LONGEST_SECONDS
) -> Float32Array:
    """Mean, then deviation over time of each layer of each encoder, in order.

    waveform: speech at 16 kHz; less than 895 samples are padded with silence.
    piece_seconds: the networks read equal pieces of at most this length, at most 8 s, whose states
        are pooled together. A head that learns from pieces of 1 s as well holds in timelines, which
        read only what is new in a window.

    Returns:
        (D,) float32, D = twice the sum of the layers' widths; 2688 for ``SHIPPED_ENCODERS``.

    Raises:
        InvalidInputError: the sound is not at 16 kHz.
    """
    states = [encoder.states(waveform, piece_seconds=piece_seconds) for encoder in encoders]
    return pooled([layer for layers in states for layer in layers])


def pooled(states: Sequence[Float32Array]) -> Float32Array:
    """Mean, then deviation over time of layers (steps, width): (D,) float32."""
    parts = []
    for layer in states:
        exact = layer.astype(np.float64)
        mean = exact.mean(axis=0)
        exact -= mean  # as numpy's std does, but in place, and without the mean again
        exact *= exact
        parts += [mean, np.sqrt(exact.mean(axis=0))]
    return np.concatenate(parts).astype(np.float32)


def _levelled(samples: Float32Array) -> Float32Array:
    power = np.mean(np.square(samples)) + np.float32(1e-12)
    return np.asarray(samples * (_LEVEL / np.sqrt(power)), np.float32)
