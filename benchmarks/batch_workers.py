"""How much a second worker speeds up predicting a folder, and what Ray adds.

    python benchmarks/batch_workers.py [--clips 48] [--rounds 2] [--ray]

Predicts clips of ``$FACEVOICE_DATA/javanese_av`` into a table with one worker of one thread, one
worker of all threads, two workers, and with --ray two workers of a local Ray cluster, in turn, each
in a process of its own; prints the least time of each, starting of processes included, and ratios.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

WAYS: Final = {
    "1 worker, 1 thread": ("--workers", "1", "--threads", "1"),
    "1 worker, all threads": ("--workers", "1"),
    "2 workers": ("--workers", "2"),
}
RAY: Final = {"2 workers, Ray": ("--workers", "2", "--engine", "ray")}


def seconds(way: tuple[str, ...], clips: list[str]) -> float:
    """Wall time of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = ["predict", *clips, "-o", str(Path(folder) / "table.parquet"), *way]
        subprocess.run([sys.executable, "-m", "facevoice", *command], check=True)
        return time.perf_counter() - started


def main() -> None:
    """Measure all ways and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    if "FACEVOICE_DATA" not in os.environ:
        parser.error("FACEVOICE_DATA names no folder of real data")
    root = Path(os.environ["FACEVOICE_DATA"]) / "javanese_av"
    clips = [str(path) for path in sorted(root.rglob("*.mp4"))[: options.clips]]
    ways = WAYS | RAY if options.ray else WAYS
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            found[name].append(seconds(way, clips))
    best = {name: min(times) for name, times in found.items()}
    for name, least in best.items():
        rate = len(clips) / least
        print(f"{name:22} {least:6.1f} s  {rate:.2f} clips/s  load {os.getloadavg()[0]:.1f}")
    one, every, two, *rest = best.values()
    print(f"2 workers against 1 of 1 thread: {one / two:.2f}x; of all threads: {every / two:.2f}x")
    for other in rest:
        print(f"Ray against 2 workers: {other / two:.2f} times as long")


if __name__ == "__main__":
    main()
