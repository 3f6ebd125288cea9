"""How many cuts are found, how many are made up, and how exactly they are timed.

Films are made of short frontal clips (a folder with a ``labels.csv`` of file and speaker, such as
javanese_av) of different speakers before one studio wall, joined with hard cuts: the hardest kind,
since little but the face changes. Half of the films have pictures of uneven length.

Run: ``python benchmarks/find_cuts.py FOLDER [--films 20] [--scenes 8]``.
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from facevoice import media
from facevoice.evidence.cuts import CutFinder

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.joined_clips import read_clip, write_film

_SCENE_SECONDS = 1.2
_EXACT_SECONDS = 2e-3  # Matroska rounds stamps to milliseconds
_GAPS_SECONDS = (0.02, 0.033, 0.05)


def scenes_of(
    clips: list[tuple[Path, str]], count: int, generator: np.random.Generator
) -> list[Path]:
    """Clips in a random order, no two of one speaker in a row."""
    chosen: list[tuple[Path, str]] = []
    while len(chosen) < count:
        clip = clips[generator.integers(len(clips))]
        if not chosen or chosen[-1][1] != clip[1]:
            chosen.append(clip)
    return [path for path, _ in chosen]


def film_of(
    folder: Path, scenes: list[Path], generator: np.random.Generator, *, steady: bool
) -> tuple[Path, list[float]]:
    """A film of the scenes, and the times of its cuts in seconds."""
    clips = [read_clip(path, seconds=_SCENE_SECONDS) for path in scenes]
    pictures: list[Any] = [picture for clip in clips for picture in clip.pictures]
    gaps = np.full(len(pictures), 1 / clips[0].rate)
    if not steady:
        gaps = generator.choice(_GAPS_SECONDS, len(pictures))
    times = np.concatenate([[0], np.cumsum(gaps)[:-1]])
    firsts = np.cumsum([len(clip.pictures) for clip in clips])[:-1]
    film = write_film(folder / "film.mkv", pictures, times.tolist(), None)
    return film, times[firsts].tolist()


def found_in(film: Path) -> list[float]:
    """The cuts that are found, in seconds."""
    finder, settled = CutFinder(), []
    for view in media.iter_views(film, rate_hz=1.0):
        settled += finder.push(view.time_seconds, view.thumbnail)
    settled += finder.flush()
    return [time for time, kind in settled if kind == "cut"]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--films", type=int, default=20)
    options.add_argument("--scenes", type=int, default=8)
    chosen = options.parse_args()
    with (chosen.folder / "labels.csv").open(encoding="utf-8") as table:
        clips = [(chosen.folder / row["file"], row["speaker"]) for row in csv.DictReader(table)]
    generator = np.random.default_rng(11)
    hits = wanted = found = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.films):
            scenes = scenes_of(clips, chosen.scenes, generator)
            film, cuts = film_of(Path(folder), scenes, generator, steady=number % 2 == 0)
            times = found_in(film)
            hits += sum(any(abs(time - cut) <= _EXACT_SECONDS for time in times) for cut in cuts)
            wanted, found = wanted + len(cuts), found + len(times)
    print(f"{wanted} cuts, {found} found, {hits} of them at the very picture:")
    print(f"precision {hits / max(found, 1):.3f}, recall {hits / wanted:.3f}")


if __name__ == "__main__":
    main()
