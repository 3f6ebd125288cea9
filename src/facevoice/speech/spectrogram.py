"""Spectrogram pictures of speech, alike for training and prediction.

Plain numpy and float32; the same samples give the same picture everywhere. A picture does not
depend on the gain: it shows decibels below the loudest point of the clip.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np

from facevoice.errors import InvalidInputError
from facevoice.types import Float32Array, Waveform, require

Scale = Literal["linear", "mel"]
TimeAxis = Literal["window", "stretch"]

_SMALLEST_PEAK: Final = 1e-30  # a float32 waveform below it cannot be scaled to 1 safely


@dataclass(frozen=True, slots=True)
class SpectrogramSettings:
    """All settings of a spectrogram picture, as stored in the JSON of a model bundle.

    rate_hz: required sample rate of the sound.
    n_fft, win_length, hop: samples; the Hann window is zero-padded from win_length to n_fft.
    scale: "linear" (bands of equal width) or "mel" (of equal width on the HTK mel scale).
    low_hz, high_hz: the frequencies shown, low_hz <= f < high_hz <= rate_hz / 2.
    height: number of bands, the lowest frequency in row 0.
    width: number of columns in a picture.
    time: "window": pictures of ``width`` columns, one column every ``hop`` samples;
        "stretch": one picture, the whole utterance resized to ``width`` columns.
    range_db: the picture shows this range below the loudest point; lower levels are 0.

    The defaults give the paper's 224 x 224 picture without resizing in frequency: at 16 kHz and
    n_fft 512, there are exactly 224 bins below 7 kHz.
    """

    rate_hz: int = 16000
    n_fft: int = 512
    win_length: int = 400
    hop: int = 160
    scale: Scale = "linear"
    low_hz: float = 0.0
    high_hz: float = 7000.0
    height: int = 224
    width: int = 224
    time: TimeAxis = "stretch"
    range_db: float = 80.0

    def __post_init__(self) -> None:
        for name in ("rate_hz", "n_fft", "win_length", "hop", "height", "width"):
            value = getattr(self, name)
            require(
                isinstance(value, int) and not isinstance(value, bool) and value >= 1,
                f"{name} must be a whole number >= 1, got {value!r}",
            )
        for name, known in (("scale", get_args(Scale)), ("time", get_args(TimeAxis))):
            require(
                getattr(self, name) in known,
                f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}",
            )
        require(
            self.win_length <= self.n_fft,
            f"win_length must not exceed n_fft, got {self.win_length} > {self.n_fft}",
        )
        require(
            0 <= self.low_hz < self.high_hz <= self.rate_hz / 2,
            f"0 <= low_hz < high_hz <= {self.rate_hz / 2:g} must hold,"
            f" got {self.low_hz} and {self.high_hz}",
        )
        require(0 < self.range_db <= 200, f"range_db must lie in (0, 200], got {self.range_db}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SpectrogramSettings":
        """Build from JSON values, exactly one per field.

        Raises:
            InvalidInputError: an unknown, missing or wrong value.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        absent = sorted(known - set(values))
        require(
            not (unknown or absent),
            f"spectrogram settings: unknown {unknown}, missing {absent};"
            f" known: {', '.join(sorted(known))}",
        )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, ready for JSON."""
        return asdict(self)


def stft_magnitude(
    samples: Float32Array, n_fft: int, win_length: int | None = None, hop: int = 160
) -> Float32Array:
    """Magnitude of the short-time Fourier transform.

    As ``torch.stft(..., center=True, pad_mode="reflect")`` with a periodic Hann window, except
    that sounds shorter than the padding are reflected repeatedly.

    Args:
        samples: (N,) float32.
        n_fft: length of the transform in samples.
        win_length: length of the window in samples, None for n_fft.
        hop: samples from one column to the next.

    Returns:
        (n_fft // 2 + 1, 1 + N // hop) float32; (n_fft // 2 + 1, 0) for an empty sound.
    """
    if len(samples) == 0:
        return np.zeros((n_fft // 2 + 1, 0), np.float32)
    length = win_length or n_fft
    padded = np.pad(samples.astype(np.float32, copy=False), n_fft // 2, mode="reflect")
    # the magnitude does not depend on the position of the window inside its zero-padding
    first = (n_fft - length) // 2
    columns = 1 + len(samples) // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded[first:], length)[::hop][:columns]
    spectra = np.fft.rfft(frames * hann_window(length), n=n_fft, axis=1)
    return np.ascontiguousarray(np.abs(spectra).astype(np.float32, copy=False).T)


@lru_cache(maxsize=16)
def hann_window(length: int) -> Float32Array:
    """Periodic Hann window: (length,) float32."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    result: Float32Array = window.astype(np.float32)
    result.flags.writeable = False
    return result


def log_spectrogram(waveform: Waveform, settings: SpectrogramSettings) -> Float32Array:
    """Power in each band over time, in decibels below the clip's loudest point, scaled to [0, 1].

    1 is the loudest point, 0 is ``range_db`` or more below it; silence is all 0.

    Returns:
        (height, T) float32, T = 1 + N // hop, or 0 columns for an empty sound; row 0 is the
        lowest band.

    Raises:
        InvalidInputError: the sound does not have the rate of the settings.
    """
    require(
        waveform.rate_hz == settings.rate_hz,
        f"the spectrogram needs sound at {settings.rate_hz} Hz, got {waveform!r}: resample it",
    )
    samples = waveform.samples
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak > _SMALLEST_PEAK:
        samples = (samples / np.float32(peak)).astype(np.float32, copy=False)
    else:
        samples = np.zeros_like(samples)
    magnitude = stft_magnitude(samples, settings.n_fft, settings.win_length, settings.hop)
    power = multiply_banded(band_filters(settings), np.square(magnitude))
    loudest = float(np.max(power, initial=0.0))
    if loudest <= 0:
        return np.zeros(power.shape, np.float32)
    relative = np.maximum(power / np.float32(loudest), np.float32(10 ** (-settings.range_db / 10)))
    decibels = 10 * np.log10(relative)
    scaled: Float32Array = np.clip(1 + decibels / np.float32(settings.range_db), 0, 1)
    return scaled.astype(np.float32, copy=False)


def spectrogram_images(waveform: Waveform, settings: SpectrogramSettings) -> Float32Array:
    """The pictures that are the input of a network.

    With time "window": consecutive pictures of ``width`` columns, the last one aligned with the
    end of the sound, so it may overlap the previous one; a shorter sound is centred in one picture,
    with the floor value 0 on both sides. With "stretch": one picture, resized in time by
    antialiased linear interpolation. An empty sound gives one picture of zeros.

    Returns:
        (M, height, width) float32 in [0, 1], M >= 1.

    Raises:
        InvalidInputError: the sound does not have the rate of the settings.
    """
    picture = log_spectrogram(waveform, settings)
    height, width = settings.height, settings.width
    columns = picture.shape[1]
    if columns == 0:
        return np.zeros((1, height, width), np.float32)
    if settings.time == "stretch":
        over_time = np.ascontiguousarray(picture.T)
        resized = multiply_banded(resize_matrix(columns, width), over_time).T
        return np.ascontiguousarray(np.minimum(resized, np.float32(1)))[np.newaxis]
    if columns < width:
        images = np.zeros((1, height, width), np.float32)
        start = (width - columns) // 2
        images[0, :, start : start + columns] = picture
        return images
    count = -(-columns // width)
    starts = [min(index * width, columns - width) for index in range(count)]
    return np.stack([picture[:, start : start + width] for start in starts])


def resize_matrix(size_in: int, size_out: int) -> Float32Array:
    """Antialiased linear resizing as a matrix, as Pillow's and torchvision's "bilinear".

    Returns:
        (size_out, size_in) float32, rows sum to 1.
    """
    scale = size_in / size_out
    reach = max(scale, 1.0)
    centres = (np.arange(size_out) + 0.5) * scale
    distance = np.abs(np.arange(size_in)[np.newaxis] + 0.5 - centres[:, np.newaxis]) / reach
    weights = np.maximum(0.0, 1.0 - distance)
    matrix: Float32Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


@lru_cache(maxsize=16)
def band_filters(settings: SpectrogramSettings) -> Float32Array:
    """The share of the power of each transform bin that each band receives.

    Linear: the bins with low_hz <= f < high_hz, resized to ``height`` rows (unchanged if there are
    ``height`` bins). Mel: triangles of height 1 with corners evenly spaced on the HTK mel scale.

    Returns:
        (height, n_fft // 2 + 1) float32.

    Raises:
        InvalidInputError: a band has no bin.
    """
    frequencies = np.arange(settings.n_fft // 2 + 1) * (settings.rate_hz / settings.n_fft)
    if settings.scale == "mel":
        filters = _mel_triangles(frequencies, settings)
    else:
        inside = np.flatnonzero((frequencies >= settings.low_hz) & (frequencies < settings.high_hz))
        filters = np.zeros((settings.height, len(frequencies)), np.float32)
        if len(inside):
            filters[:, inside] = resize_matrix(len(inside), settings.height)
    empty = np.flatnonzero(filters.sum(axis=1) == 0)
    if len(empty):
        raise InvalidInputError(
            f"{len(empty)} of {settings.height} bands have no bin (first: {empty[0]}):"
            f" raise n_fft above {settings.n_fft}, or lower height"
        )
    filters.flags.writeable = False
    return filters


def multiply_banded(matrix: Float32Array, array: Float32Array) -> Float32Array:
    """``matrix @ array`` for a matrix with one short run of non-zero values per row.

    Products of single rows are small enough for BLAS to use one thread: a thread pool per worker
    process costs more than it gains.
    """
    result = np.zeros((len(matrix), array.shape[1]), np.float32)
    used = matrix != 0
    starts = used.argmax(axis=1)
    stops = matrix.shape[1] - used[:, ::-1].argmax(axis=1)
    for row, start, stop in zip(range(len(matrix)), starts.tolist(), stops.tolist(), strict=True):
        result[row] = matrix[row, start:stop] @ array[start:stop]
    return result


def hz_to_mel(hz: float) -> float:
    """Mel value of a frequency by the HTK formula: 2595 log10(1 + f / 700)."""
    return float(2595 * np.log10(1 + hz / 700))


def _mel_triangles(
    frequencies: np.ndarray[Any, Any], settings: SpectrogramSettings
) -> Float32Array:
    mels = np.linspace(hz_to_mel(settings.low_hz), hz_to_mel(settings.high_hz), settings.height + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies[None] - left) / (peak - left)
    falling = (right - frequencies[None]) / (right - peak)
    triangles: Float32Array = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return triangles
