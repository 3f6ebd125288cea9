"""Mixes channels down to one, and scales every type of sample to [-1, 1].

Two channels in opposite phase (a cable wired the wrong way round, a faulty recorder) cancel each
other in a mix. There, the stronger channel is heard alone.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError
from facevoice.media.checks import unreadable
from facevoice.types import Float32Array, Float64Array

_LOUDEST: Final = 4.0  # times full scale; a damaged packet may decode to any value
_HALF: Final = math.sqrt(0.5)
_WEIGHTS: Final = {"FC": 1.0, "FL": _HALF, "FR": _HALF, "LFE": 0.0, "LFE2": 0.0}
_OTHER_CHANNEL: Final = 0.5
_LOW_EFFECTS: Final = ("LFE", "LFE2")
_FULL_SCALE: Final = {"i1": 2.0**7, "u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}
_WIDE: Final = {"s64": "<i8", "s64p": "<i8"}  # sample formats that PyAV does not convert

_CANCELS_BELOW: Final = 0.3  # energy of the mix, of what unrelated channels would have
_MIXES_ABOVE: Final = 0.5
_AS_STRONG: Final = 2.0  # ratio of energies up to which the channel heard alone stays the same
_SILENT_BESIDE: Final = 1e-4  # ratio of energies, -40 dB
_COARSE_HZ: Final = 8_000  # the rate at which channels are compared
_RECENT_SECONDS: Final = 0.2  # of sound that the choice rests on
_LASTING_SECONDS: Final = 2.0
_RAMP_SECONDS: Final = 0.005  # for a change from one choice to the next

_NOT_NORMALISED: Final = 10.0  # times full scale; 16-bit values stored as floats reach 32768
_TYPICAL: Final = 4.0  # times full scale, of the median: a damaged packet has a few such values
_WIDEST_INTEGER: Final = 2.0**33
_HIGH_RESOLUTION: Final = 2**10  # of an int32: what 24 bits resolve, moved up, and a little more
_TWENTY_FOUR_BITS: Final = 2**23


class Downmix:
    """Mixes the channels of one stream down, block by block.

    Channels have the usual weights: centre 1, left and right 0.71, others 0.5 (so names that say
    nothing weigh the same), low-frequency effects 0, with sum 1. Where the mix has less than 0.3 of
    the energy that unrelated channels would give (over the last 0.2 s), it cancels: the strongest
    channel is heard alone, until the mix would have been sound for some 2 s. Low-frequency effects
    are heard where all other channels are silent.

    name: of the source, for messages.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._names: tuple[str, ...] = ()
        self._usual = self._squares = np.zeros(0, np.float32)
        self._full: NDArray[np.bool_] = np.zeros(0, bool)
        self._recent: Float64Array = np.zeros((0, 0))
        self._lasting: Float64Array = np.zeros((0, 0))
        self._alone: int | None = None
        self._weights: Float32Array | None = None

    def mono(self, frame: AudioFrame) -> Float32Array | None:
        """A decoded frame as (N,) float32; None if it holds no usable sound.

        Raises:
            MediaUnreadableError: it holds floats that are not scaled to [-1, 1].
        """
        if not frame.samples or frame.sample_rate <= 0:
            return None
        names = tuple(channel.name for channel in frame.layout.channels)
        raw = _samples_of(frame, len(names))
        if raw is None:
            return None
        sound = _scaled(raw)
        if not frame.format.is_planar:  # codecs give planes; these are the very samples of a file
            _refuse_unscaled(self._name, sound)
        if not np.abs(sound).max(initial=0.0) <= _LOUDEST:  # or it is NaN
            sound = np.clip(np.nan_to_num(sound), -_LOUDEST, _LOUDEST)
        return self.mix(sound, names, frame.sample_rate)

    def mix(self, sound: Float32Array, names: Sequence[str], rate_hz: int) -> Float32Array:
        """The next (C, N) float32 samples of channels with these names as (N,) float32."""
        names = tuple(names)
        if names != self._names:
            self._names, self._alone, self._weights = names, None, None
            self._usual = mixing_weights(names)
            self._squares = self._usual**2
            self._full = np.array([name not in _LOW_EFFECTS for name in names])
            self._recent = self._lasting = np.zeros((len(names), len(names)))
        if len(names) == 1:
            (only,) = sound
            return np.asarray(only)
        earlier = self._recent
        self._note(sound, rate_hz)
        self._choose()
        before, after = self._weights, self._chosen()
        self._weights = after
        mixed: Float32Array = after @ sound
        if (
            before is not None
            and before is not after
            and earlier.any()
            and not np.array_equal(before, after)
        ):
            ramp = min(sound.shape[1], max(1, round(_RAMP_SECONDS * rate_hz)))
            share = np.linspace(0.0, 1.0, ramp, endpoint=False, dtype=np.float32)
            mixed[:ramp] = share * mixed[:ramp] + (1 - share) * (before @ sound[:, :ramp])
        return mixed

    def _note(self, sound: Float32Array, rate_hz: int) -> None:
        """Remember how the channels move together where voices are, not in hum or an offset."""
        step = max(1, round(rate_hz / _COARSE_HZ))
        whole = sound.shape[1] // step * step
        # numpy's mean and diff cost more than the sums themselves in blocks of 20 ms
        coarse = np.add.reduce(sound[:, :whole].reshape(len(sound), -1, step), axis=2)
        moving = coarse[:, 1:] - coarse[:, :-1]
        products = (moving @ moving.T) / step**2
        seconds = sound.shape[1] / rate_hz
        self._recent = math.exp(-seconds / _RECENT_SECONDS) * self._recent + products
        if self._alone is not None:  # otherwise it starts from what is recent
            self._lasting = math.exp(-seconds / _LASTING_SECONDS) * self._lasting + products

    def _choose(self) -> None:
        """Decide whether one channel is heard alone, and which.

        The mix is left for what was heard just now, and taken up again for what was heard for some
        time: noise in the pauses of speech must not decide.
        """
        energies, usual, full = self._recent.diagonal(), self._usual, self._full
        if not energies.any():
            return
        if not full.all() and (
            not full.any() or energies[full].max() <= _SILENT_BESIDE * energies.max()
        ):
            self._alone = int(energies.argmax())
            return
        if self._alone is not None and not full[self._alone]:
            self._alone = None
        products = self._recent if self._alone is None else self._lasting
        limit = _CANCELS_BELOW if self._alone is None else _MIXES_ABOVE
        apart = float(self._squares @ products.diagonal())
        if float(usual @ products @ usual) >= limit * apart:
            self._alone = None
            return
        if self._alone is None:
            self._lasting = self._recent
        heard = np.where(full, products.diagonal(), 0.0)
        best = int(heard.argmax())
        if self._alone is None or _AS_STRONG * heard[self._alone] < heard[best]:
            self._alone = best

    def _chosen(self) -> Float32Array:
        if self._alone is None:
            return self._usual
        weights = np.zeros(len(self._names), np.float32)
        weights[self._alone] = 1.0
        return weights


def scaled_array(audio: NDArray[Any]) -> Float32Array:
    """Samples in memory, of any shape, as float32 in about [-1, 1].

    Floats are in [-1, 1]. Integers use the full range of their type; uint8 has its zero at 128, as
    in WAV.

    Raises:
        InvalidInputError: a type without an agreed full scale, or values that contradict it.
    """
    kind = audio.dtype.str[1:]
    if kind in {"i1", "u1", "i2", "i4"}:
        peak = int(np.abs(audio.astype(np.int64)).max(initial=0)) if kind == "i4" else 0
        if _HIGH_RESOLUTION <= peak <= _TWENTY_FOUR_BITS:
            raise InvalidInputError(
                f"audio is int32, whose full scale is 2147483648, but its loudest sample is {peak}:"
                " if these are 16-bit values, convert it with astype(np.int16); otherwise divide it"
                " by 2**(bits - 1): 2**23 for values of 24 bits, 2**31 if they are meant as they"
                " are"
            )
        return _scaled(audio)
    if audio.dtype.kind in "iu":
        raise InvalidInputError(
            f"audio of {audio.dtype} has no agreed full scale: convert it to the type that its"
            " values were recorded in, for example with astype(np.int16)"
        )
    if audio.dtype.kind != "f":
        raise InvalidInputError(f"audio must be float or integer, got {audio.dtype}")
    if not np.isfinite(audio).all():
        raise InvalidInputError("audio holds NaN or infinity: replace them by zeros")
    loudest = float(np.abs(audio).max(initial=0.0))
    if loudest > _NOT_NORMALISED:
        raise InvalidInputError(
            f"float audio must be in [-1, 1], but it reaches {loudest:g}: divide 16-bit values by"
            " 32768"
        )
    return audio.astype(np.float32)


def _samples_of(frame: AudioFrame, channels: int) -> NDArray[Any] | None:
    """(C, N) samples as they were decoded; None if they cannot be read."""
    try:
        if frame.format.name in _WIDE:
            planes = [
                np.frombuffer(bytes(plane), _WIDE[frame.format.name]) for plane in frame.planes
            ]
            length = frame.samples * (1 if frame.format.is_planar else channels)
            raw = np.stack([plane[:length] for plane in planes])
        else:
            raw = frame.to_ndarray()
        return raw if frame.format.is_planar else raw.reshape(-1, channels).T
    except ValueError:  # a sample format that PyAV cannot convert
        return None


def _scaled(raw: NDArray[Any]) -> Float32Array:
    """Floats as they are, integers divided by their full scale."""
    kind = raw.dtype.str[1:]
    sound = raw.astype(np.float32, copy=False)
    if kind in _FULL_SCALE:
        sound *= np.float32(1 / _FULL_SCALE[kind])
    if kind == "u1":
        sound -= 1
    return sound


def _refuse_unscaled(name: str, sound: Float32Array) -> None:
    """Refuse a file of floats whose full scale is not 1."""
    size = np.abs(sound)
    loudest = float(size.max(initial=0.0))
    if _NOT_NORMALISED < loudest < _WIDEST_INTEGER and float(np.median(size)) > _TYPICAL:
        raise unreadable(
            name,
            f"its sound is stored as floats that reach {loudest:g}, but their full scale is 1:"
            " divide 16-bit values by 32768, or write them as integers",
        )


@functools.cache
def mixing_weights(channels: tuple[str, ...]) -> Float32Array:
    """(C,) weights by channel name, sum 1; equal if there are only low-frequency channels."""
    weights = np.array([_WEIGHTS.get(name, _OTHER_CHANNEL) for name in channels], np.float32)
    return weights / weights.sum() if weights.any() else np.full_like(weights, 1 / len(channels))
