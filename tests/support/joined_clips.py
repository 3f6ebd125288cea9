"""Films made of real clips: one after another with hard cuts, or side by side."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from facevoice import media
from support.media_files import TICK

SOUND_RATE = 44_100


@dataclass(frozen=True)
class Clip:
    """pictures: (T, H, W, 3) uint8 RGB at ``rate`` a second; sound: (N,) at SOUND_RATE."""

    pictures: NDArray[np.uint8]
    rate: float
    sound: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        return len(self.pictures) / self.rate


def read_clip(path: Path, seconds: float = np.inf) -> Clip:
    """A clip without the black pictures that some begin with, at 29.97 pictures a second."""
    frames = list(media.iter_frames(path))
    shown = [frame for frame in frames if frame.image.std() > 8]
    start = shown[0].time_seconds
    shown = [frame for frame in shown if frame.time_seconds - start < seconds]
    rate = 1 / float(np.median(np.diff([frame.time_seconds for frame in shown])))
    sound = media.read_waveform(
        path, rate_hz=SOUND_RATE, start_seconds=start, stop_seconds=start + len(shown) / rate
    )
    assert sound is not None
    return Clip(np.stack([frame.image for frame in shown]), rate, sound.samples)


def write_film(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    times: Sequence[float],
    sound: NDArray[np.float32] | None,
    sound_start: float = 0.0,
) -> Path:
    """H.264 at good quality and 16-bit sound, in Matroska."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        height, width = pictures[0].shape[:2]
        picture: Any = container.add_stream("libx264", rate=30)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        picture.codec_context.time_base = TICK
        picture.options = {"crf": "20", "preset": "ultrafast"}
        heard: Any = None
        if sound is not None:
            heard = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono")
        for image, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = round(time / TICK), TICK
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = np.zeros(0, np.float32) if sound is None else sound
        for at in range(0, len(samples), 4096):
            block = (np.clip(samples[at : at + 4096], -1, 1) * 32767).astype("i2")
            piece = av.AudioFrame.from_ndarray(block[None], "s16", "mono")
            piece.sample_rate = SOUND_RATE
            piece.pts = at + round(sound_start * SOUND_RATE)
            piece.time_base = Fraction(1, SOUND_RATE)
            container.mux(heard.encode(piece))
    return path


def side_by_side(
    path: Path, left: Clip, right: Clip, sound: NDArray[np.float32], seconds: float
) -> Path:
    """Two clips of one size and rate in one picture, with any sound."""
    count = min(len(left.pictures), len(right.pictures), int(seconds * left.rate))
    pictures = [
        np.concatenate([one, other], axis=1)
        for one, other in zip(left.pictures[:count], right.pictures[:count], strict=True)
    ]
    times = [number / left.rate for number in range(count)]
    return write_film(path, pictures, times, sound[: round(count / left.rate * SOUND_RATE)])


def speakers(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    with (folder / "javanese_av" / "labels.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            found.setdefault(row["speaker"], []).append(folder / "javanese_av" / row["file"])
    return found


def joined(
    clips: list[Clip], start: float, *, steady: bool
) -> tuple[list[NDArray[np.uint8]], list[float], list[float]]:
    """Pictures and times of clips one after another, and the times of the cuts."""
    pictures = [picture for clip in clips for picture in clip.pictures]
    gaps = np.full(len(pictures), 1 / clips[0].rate)
    if not steady:
        gaps = np.random.default_rng(3).choice([0.02, 0.033, 0.05], len(pictures))
    times = start + np.concatenate([[0], np.cumsum(gaps)[:-1]])
    firsts = np.cumsum([len(clip.pictures) for clip in clips])[:-1]
    return pictures, times.tolist(), [float(times[first]) for first in firsts]
