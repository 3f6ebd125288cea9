"""Films, and damage done to them at known places."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError

RATE = 25
SUFFIXES = {
    "libx264": ".mp4",
    "libx265": ".mkv",
    "mpeg4": ".avi",
    "mpeg2video": ".ts",
    "libvpx-vp9": ".webm",
    "mjpeg": ".mov",
}


def write_pictures(
    path: Path,
    codec: str = "libx264",
    count: int = 60,
    *,
    size: tuple[int, int] = (320, 192),
    reordered: int = 0,
    first: int = 0,
) -> Path:
    """Waves and noise that drift; one key picture. ``reordered``: B pictures in a row."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 40, (size[1], size[0], 3))
    x = np.arange(size[0])[None, :, None]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 250
        stream.options = {
            "libx264": {"preset": "ultrafast", "x264-params": f"bframes={reordered}:scenecut=0"},
            "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
            "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        }.get(codec, {})
        for number in range(count):
            waves = 100 + 60 * np.sin((x + 3 * number) / 9) * np.ones((size[1], 1, 3))
            image = (waves + np.roll(noise, 5 * number, axis=0)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = first + number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def overwritten(
    path: Path,
    copy: Path,
    packets: Iterable[int],
    kind: Literal["video", "audio"] = "video",
    *,
    whole: bool = False,
) -> Path:
    """A copy of a file in which the second half (or the ``whole``) of some packets is overwritten.

    packets: their numbers in the order of the file.
    """
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        stream = next(each for each in container.streams if each.type == kind)
        places = [(each.pos, each.size) for each in container.demux(stream) if each.size]
    for number in packets:
        at, size = places[number]
        # not the first bytes, which say what the picture is, unless the whole of it is lost
        first, last = (at, at + size) if whole else (at + size // 2, at + size)
        content[first:last] = bytes(byte ^ 0xA5 for byte in content[first:last])
    copy.write_bytes(content)
    return copy


def flagged(path: Path) -> tuple[list[float], list[float]]:
    """Times of the pictures that one thread of the decoder gives as whole, and as corrupt."""
    whole: list[float] = []
    corrupt: list[float] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    (corrupt if frame.is_corrupt else whole).append(float(frame.time or 0.0))
            except FFmpegError:
                continue
    return whole, corrupt
