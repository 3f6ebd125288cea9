"""Tiny media made on the spot: pictures that carry their number, tones, orientations, damage."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

CELL = 16  # pixels a side of one bit
BITS = 8
SIZE = (BITS * CELL, 3 * CELL)  # width, height: a reference row, a row of bits, a row of colours
TICK = Fraction(1, 90_000)


def numbered(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """(H, W, 3) picture that shows ``number`` in 8 bits and red left, green right, below them."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for bit in range(BITS):
        image[CELL : 2 * CELL, bit * CELL : (bit + 1) * CELL] = 255 * (number >> bit & 1)
    image[2 * CELL :, : size[0] // 2] = (255, 0, 0)
    image[2 * CELL :, size[0] // 2 :] = (0, 255, 0)
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that ``numbered`` put there."""
    middle = image[CELL + CELL // 2, CELL // 2 : BITS * CELL : CELL].mean(axis=1)
    return sum(1 << bit for bit in range(BITS) if middle[bit] > 127)


def tone(seconds: float, rate: int, hertz: float = 440.0) -> NDArray[np.float32]:
    """(N,) a steady tone of amplitude 0.5."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def write_media(
    path: Path,
    *,
    times: Sequence[float] = (),
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    gop: int = 12,
    matrix: Sequence[int] | None = None,
    ratio: Fraction | None = None,
    sound: NDArray[Any] | None = None,
    sound_codec: str = "pcm_s16le",
    sound_rate: int = 16_000,
    sound_layout: str = "mono",
    sound_start: float = 0.0,
    skip: Iterable[int] = (),
) -> Path:
    """Write numbered pictures shown at ``times`` and sound (C, N) or (N,) in [-1, 1].

    ``skip`` leaves out sound packets by number (1024 samples each).
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", options=options) as container:
        picture: Any = None
        heard: Any = None
        if len(times):
            picture = container.add_stream(codec, rate=25)
            picture.width, picture.height = size
            picture.pix_fmt = {"rawvideo": "rgb24", "ffv1": "bgr0"}.get(codec, "yuv420p")
            picture.codec_context.time_base = Fraction(1, 25) if codec == "mpeg4" else TICK
            picture.codec_context.gop_size = gop
            if ratio is not None:
                picture.codec_context.sample_aspect_ratio = ratio
            if codec == "libx264":
                picture.options = {"crf": "18", "preset": "ultrafast", "x264-params": "bframes=2"}
            if matrix is not None:
                picture.set_display_matrix(matrix)
        if sound is not None:
            heard = container.add_stream(sound_codec, rate=sound_rate, layout=sound_layout)
        if picture is not None:
            _write_pictures(container, picture, times, size)
        if heard is not None and sound is not None:
            _write_sound(container, heard, np.atleast_2d(sound), sound_start, set(skip))
    return path


def _write_pictures(container: Any, stream: Any, times: Sequence[float], size: Any) -> None:
    for number, time in enumerate(times):
        frame = av.VideoFrame.from_ndarray(numbered(number % 256, size), format="rgb24")
        frame.pts, frame.time_base = round(time / TICK), TICK
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_sound(
    container: Any, stream: Any, sound: NDArray[Any], start: float, skip: set[int]
) -> None:
    rate, layout = stream.rate, stream.layout.name
    form = stream.codec_context.format
    scaled: Any = {
        "u8": lambda x: (x * 127 + 128).astype("u1"),
        "s16": lambda x: (x * 32767).astype("i2"),
        "s32": lambda x: (x * 2147483392.0).astype("i4"),
    }.get(form.name.removesuffix("p"), lambda x: x.astype("f8" if "dbl" in form.name else "f4"))
    for number, at in enumerate(range(0, sound.shape[1], 1024)):
        block = scaled(sound[:, at : at + 1024].astype("f8"))
        block = block if form.is_planar else block.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), form.name, layout)
        frame.sample_rate = rate
        frame.pts, frame.time_base = at + round(start * rate), Fraction(1, rate)
        if number not in skip:
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def steady(count: int, rate: float = 25.0, start: float = 0.0) -> list[float]:
    """Times of ``count`` pictures at a constant rate."""
    return [start + number / rate for number in range(count)]


def damaged(path: Path, copy: Path, flips: int, after: int = 2_000, seed: int = 1) -> Path:
    """A copy with ``flips`` random bits turned over behind the first ``after`` bytes."""
    content = bytearray(path.read_bytes())
    generator = np.random.default_rng(seed)
    for position in generator.integers(after, len(content), flips):
        content[position] ^= 1 << int(generator.integers(8))
    copy.write_bytes(content)
    return copy


def write_tracks(path: Path, *sounds: NDArray[Any], rate: int = 16_000) -> Path:
    """Write a file with a sound track for each of the sounds (N,) in [-1, 1]; no pictures."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=rate, layout="mono") for _ in sounds]
        for stream, sound in zip(streams, sounds, strict=True):
            _write_sound(container, stream, np.atleast_2d(sound), 0.0, set())
    return path
