"""Time face detection beside facenet-pytorch, interleaved in one run.

    python benchmarks/detect_faces.py [--threads 2] [--rounds 9] [--smallest 40] [PICTURE ...]

Without pictures, photographs of scikit-image are scaled and tiled to 640x360 and 1280x720. Prints
milliseconds a picture (least and median of the rounds) and how many times as fast facevoice is.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import facenet_pytorch
import numpy as np
import torch
from PIL import Image
from skimage import data

from facevoice.faces.detect import stack_boxes
from facevoice.faces.mtcnn import Mtcnn
from facevoice.types import UInt8Array


def scene(width: int, height: int) -> UInt8Array:
    """A textured picture with two faces of different size."""
    photographs: Any = data  # scikit-image carries no types
    background = Image.fromarray(photographs.coffee()).resize((width, height))
    astronaut = Image.fromarray(photographs.astronaut())
    background.paste(astronaut.resize((height, height)), (0, 0))
    background.paste(astronaut.resize((height // 2, height // 2)), (width - height // 2, 0))
    return np.array(background)


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round by name; the calls take turns, so that load falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--smallest", type=int, default=40, help="smallest face in pixels")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    ours = Mtcnn(min_face_pixels=options.smallest, threads=options.threads)
    theirs = facenet_pytorch.MTCNN(min_face_size=options.smallest, keep_all=True)
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in options.pictures]
    for picture in pictures or [scene(640, 360), scene(1280, 720)]:
        boxes = stack_boxes(ours(picture))

        calls: dict[str, Callable[[], object]] = {
            "facevoice": partial(ours, picture),
            "facenet-pytorch": partial(theirs.detect, picture, landmarks=True),
            "facevoice refine": partial(ours.refine, picture, boxes),
        }
        seconds = interleave(calls, options.rounds)
        print(
            f"{picture.shape[1]}x{picture.shape[0]}, {len(boxes)} faces, {options.threads} threads"
        )
        base = seconds["facenet-pytorch"]
        for name, times in seconds.items():
            least, middle = 1000 * min(times), 1000 * float(np.median(times))
            ratio = float(np.median(np.array(base) / np.array(times)))
            print(f"  {name:17} {least:7.1f} ({middle:7.1f}) ms   {ratio:5.1f} x")


if __name__ == "__main__":
    main()
