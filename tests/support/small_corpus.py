"""Corpora of many tiny clips: a few that differ, copied with changed bytes, and damaged ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facevoice import media
from facevoice.samples import SAMPLE
from support.joined_clips import SOUND_RATE, write_film
from support.media_files import write_media

DAMAGED = b"This is no film.\n"


@dataclass(frozen=True)
class Variants:
    """The bytes of tiny clips by suffix, and a place to copy them to."""

    content: dict[str, bytes]

    def write(self, folder: Path, count: int, damaged: int = 0) -> list[Path]:
        """So many files of different bytes, ``damaged`` of them evenly among the others."""
        folder.mkdir(parents=True, exist_ok=True)
        suffixes = list(self.content)
        bad = {each * count // damaged + each % len(suffixes) for each in range(damaged)}
        paths = []
        for number in range(count):
            suffix = suffixes[number % len(suffixes)]
            path = folder / f"{number:04}{suffix}"
            content = self.marked(suffix, number)
            path.write_bytes(DAMAGED + content[-99:] if number in bad else content)
            paths.append(path)
        return paths

    def marked(self, suffix: str, number: int) -> bytes:
        """A variant with a number in its bytes that no decoder heeds."""
        note = number.to_bytes(8, "big")
        head = {".mkv": b"\xec\x88", ".wav": b"note\x08\0\0\0"}.get(suffix, b"")
        return self.content[suffix] + head + note


def make_variants(folder: Path) -> Variants:
    """A clip of 0.4 s, 0.4 s of speech, and two pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [frame.image for frame in media.iter_frames(SAMPLE, rate_hz=10, stop_seconds=0.35)]
    small = [np.asarray(Image.fromarray(image).resize((256, 144))) for image in frames]
    sound = media.read_waveform(SAMPLE, rate_hz=SOUND_RATE, start_seconds=1.0, stop_seconds=1.4)
    times = [number / 10 for number in range(len(small))]
    write_film(folder / "a.mkv", small, times, sound.samples)
    write_media(folder / "a.wav", sound=sound.samples, sound_rate=SOUND_RATE)
    Image.fromarray(small[0]).save(folder / "a.png")
    Image.fromarray(small[-1][:, ::-1]).save(folder / "a.jpg")
    return Variants({path.suffix: path.read_bytes() for path in sorted(folder.iterdir())})
