"""Make the sample clip that ships with facevoice: a moving photograph and a synthetic voice.

    python scripts/make_sample_clip.py [output.mp4]

Needs the development dependencies (scikit-image holds the photograph) and the program espeak-ng
(`apt install espeak-ng`, `brew install espeak-ng`). The same versions of these and of PyAV give the
same bytes.
"""

import math
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

OUTPUT = Path(__file__).parents[1] / "src" / "facevoice" / "samples" / "sample.mp4"
WIDTH, HEIGHT, RATE_HZ, SECONDS = 640, 360, 25, 4.0
SPEECH_STARTS = 0.3  # seconds
SENTENCE = "A still photograph moves, and the voice is synthetic."
FACE = (222.0, 128.0)  # middle of the face in the photograph, pixels


def pictures() -> Iterator[NDArray[np.uint8]]:
    """(360, 640, 3) RGB views of the photograph: a slow pan, a slow zoom, a slight rocking."""
    photograph = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    count = round(SECONDS * RATE_HZ)
    for number in range(count):
        phase = 2 * math.pi * number / count
        scale = 1 / (1.72 + 0.12 * math.sin(phase))  # photograph pixels per picture pixel
        angle = math.radians(3.0 * math.sin(2 * phase))
        x = FACE[0] + 14 * math.cos(phase)
        y = FACE[1] + 5 * math.sin(2 * phase)
        a, b = scale * math.cos(angle), -scale * math.sin(angle)
        corner_x = x - a * WIDTH / 2 - b * HEIGHT / 2
        corner_y = y + b * WIDTH / 2 - a * HEIGHT / 2
        view = photograph.transform(
            (WIDTH, HEIGHT),
            Image.Transform.AFFINE,
            (a, b, corner_x, -b, a, corner_y),
            Image.Resampling.BICUBIC,
        )
        yield np.asarray(view)


def speech() -> tuple[NDArray[np.int16], int]:
    """The sentence spoken by espeak-ng: (N,) samples and their rate in Hz."""
    program = shutil.which("espeak-ng")
    if program is None:
        sys.exit("espeak-ng is not installed: apt install espeak-ng, or brew install espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        command = [program, "-v", "en-us+f3", "-s", "160", "-p", "50", "-w", str(path), SENTENCE]
        subprocess.run(command, check=True)
        with wave.open(str(path)) as file:
            content = file.readframes(file.getnframes())
            return np.frombuffer(content, "<i2").astype(np.int16), file.getframerate()


def soundtrack() -> tuple[NDArray[np.int16], int]:
    """The speech between silences, as long as the picture: (N,) samples and their rate in Hz."""
    spoken, rate = speech()
    track = np.zeros(round(SECONDS * rate), np.int16)
    first = round(SPEECH_STARTS * rate)
    if first + len(spoken) > len(track):
        sys.exit(
            f"the sentence takes {len(spoken) / rate:.1f} s, too long for a clip of {SECONDS} s"
        )
    track[first : first + len(spoken)] = spoken
    return track, rate


def main(output: Path) -> None:
    """Write the clip."""
    track, rate = soundtrack()
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(output), "w", format="mp4", options=options) as container:
        picture: Any = container.add_stream("libx264", rate=RATE_HZ)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.options = {"crf": "20", "preset": "slow", "threads": "1", "flags": "+bitexact"}
        sound: Any = container.add_stream("aac", rate=rate, layout="mono")
        sound.bit_rate = 64_000
        sound.options = {"flags": "+bitexact"}
        for number, image in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for first in range(0, len(track), 1024):
            samples = (track[first : first + 1024] / 32768).astype(np.float32)
            block = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, first, Fraction(1, rate)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB, {SECONDS} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT)
