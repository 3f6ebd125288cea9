"""How FER2013 frames its faces: what a bundle must cut out of an aligned face to show the same.

    python scripts/face_framing.py FER2013 [--count 1000]

Finds the five landmarks in pictures of the training part, enlarged, and prints where they lie as
shares of the picture's side, and the square of the aligned 256x256 picture that has the template's
landmarks in the same places: least squares over the medians, which a few wrong faces do not move.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from facevoice.faces.align import TEMPLATE, similarity
from facevoice.faces.mtcnn import Mtcnn
from facevoice.types import Float64Array

ENLARGED: Final = 192
MARGIN: Final = 48
NAMES: Final = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path, help="the folder that holds train/ and test/")
    parser.add_argument("--count", type=int, default=1000, help="pictures (default: 1000)")
    options = parser.parse_args()
    paths = sorted((options.root / "train").glob("*/*.jpg"))
    chosen = np.random.default_rng(0).permutation(len(paths))[: options.count]
    found = landmarks([paths[place] for place in chosen])
    print(f"{len(found)} faces in {len(chosen)} pictures")
    middle = np.median(found, axis=0)
    for name, place, spread in zip(NAMES, middle, found.std(axis=0), strict=True):
        print(f"{name:18} {place[0]:.3f} {place[1]:.3f}  +- {spread[0]:.3f} {spread[1]:.3f}")
    upright = similarity(middle, TEMPLATE)
    side = np.hypot(*upright[:, 0])
    left, top = upright[:, 2]
    print(f"turned by {np.degrees(np.arctan2(upright[1, 0], upright[0, 0])):.1f} degrees")
    print(f"crop: {left:.1f}, {top:.1f}, {left + side:.1f}, {top + side:.1f} (side {side:.1f})")


def landmarks(paths: list[Path]) -> Float64Array:
    """(N, 5, 2): the landmarks of the pictures with one face, as shares of the side."""
    detect, found = Mtcnn(), []
    for path in paths:
        with Image.open(path) as image:
            large = image.convert("RGB").resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
        padded = np.pad(
            np.asarray(large), [(MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)], mode="edge"
        )
        faces = detect(padded)
        if len(faces) == 1:
            found.append((faces[0].landmarks - MARGIN) / ENLARGED)
    return np.array(found, np.float64)


if __name__ == "__main__":
    main()
